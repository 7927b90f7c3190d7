"""deploy.sh with tools that write down how they are called, and fail or wait on demand; and once with Terraform."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from tests.terraform.paper import Workshop

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.e2e

ROOT: Final = Path(__file__).parents[2]
SCRIPT: Final = ROOT / "deploy.sh"
ACCOUNT: Final = "111122223333"
KEY: Final = f"arn:aws:kms:us-west-2:{ACCOUNT}:key/1"
SECRETS: Final = {"TF_VAR_external_id": "dont-print-me-1", "AWS_SECRET_ACCESS_KEY": "dont-print-me-2"}
TOOLS: Final = ("terraform", "aws", "python3", "make")
BESIDE: Final = ("bash", "cat", "dirname", "env", "find", "mktemp", "printenv", "rm", "sed", "sleep", "tail", "touch")
"""All else that the script may use: POSIX's, and bash, mktemp and printenv."""
SECONDS: Final = 60

STUB: Final = r"""#!/bin/sh
name=${0##*/}
what=$1
[ "$name" != terraform ] || what=$2
{
  printf '%s' "$name"
  for each in "$@"; do printf '\037%s' "$each"; done
  printf '\037@%s\n' "${TF_WORKSPACE:-}"
} >>"$STUBS/calls"
case $name in terraform | make) cat >/dev/null ;; esac
if [ -e "$STUBS/$name $what fails" ]; then echo "$name $what: it failed on demand" >&2; exit 1; fi
if [ -e "$STUBS/$name $what waits" ]; then
  trap 'echo "$name $what: shut down" >&2; exit 1' INT
  : >"$STUBS/waiting"
  sleep 30
fi
case "$name $what" in
  'aws sts') printf '111122223333\tarn:aws:sts::111122223333:assumed-role/deployer/ada\n' ;;
  'make -C') mkdir=$2/dist; [ -d "$mkdir" ] || exit 9; : >"$mkdir/sg-compliance-lambda-${4#LAMBDA_ARCH=}.zip" ;;
  'terraform plan') [ -e "$STUBS/no changes" ] || exit 2 ;;
  'terraform apply') : >"$STUBS/deployed" ;;
  'terraform output')
    [ -e "$STUBS/deployed" ] || { echo 'Error: Output not found' >&2; exit 1; }
    case $4 in
      kms_key_arn) printf 'arn:aws:kms:us-west-2:111122223333:key/1' ;;
      *) printf 'the-%s' "$4" ;;
    esac ;;
esac
exit 0
"""


class Ended(NamedTuple):
    status: int
    out: str
    err: str


class Copy:
    """A copy of the repository in a folder with a space in its name, and the tools."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.stubs = folder / "a copy", folder / "stubs"
        self.bin, self.temporary = folder / "bin", folder / "temporary files"
        for each in (self.stubs, self.bin, self.temporary, *(self.tree / name for name in ("dist", "tools", "src"))):
            each.mkdir(parents=True)
        for name in ("terraform", "config"):
            (self.tree / name).mkdir()
        shutil.copy(SCRIPT, self.tree)
        for name in (
            "terraform/main.tf",
            "src/code.py",
            "tools/package.py",
            "pyproject.toml",
            "requirements-lambda.lock",
        ):
            (self.tree / name).write_text("", encoding="utf-8")
        for name in BESIDE:
            (self.bin / name).symlink_to(str(shutil.which(name)))
        for name in TOOLS:
            (self.bin / name).write_text(STUB, encoding="utf-8")
            (self.bin / name).chmod(0o755)

    @property
    def zip(self) -> Path:
        return self.tree / "dist" / "sg-compliance-lambda-arm64.zip"

    @property
    def calls(self) -> list[list[str]]:
        """Every call of a tool: its name, its arguments, and `@WORKSPACE`."""
        log = self.stubs / "calls"
        return [line.split("\x1f") for line in log.read_text("utf-8").splitlines()] if log.exists() else []

    @property
    def order(self) -> list[str]:
        """What was called, without what only asks."""
        return [
            " ".join([each[0], *(part for part in each[1:3] if not part.startswith("-"))])
            for each in self.calls
            if each[2] != "output"
        ]

    def called(self, *start: str) -> list[str]:
        """The arguments of the only call that begins so."""
        (found,) = [each for each in self.calls if [each[0], *each[2:]][: len(start)] == list(start)]
        return found

    def settings(self, text: str, name: str = "terraform.tfvars") -> None:
        (self.tree / "terraform" / name).write_text(text, encoding="utf-8")

    def on_demand(self, what: str) -> None:
        (self.stubs / what).touch()

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        return {
            "PATH": str(self.bin),
            "STUBS": str(self.stubs),
            "TMPDIR": str(self.temporary),
            "HOME": str(self.temporary),
            **SECRETS,
            **given,
        }

    def run(
        self, *options: str, answer: str = "", cwd: Path | None = None, given: Mapping[str, str] | None = None
    ) -> Ended:
        done = subprocess.run(
            [str(self.tree / "deploy.sh"), *options],
            cwd=cwd or self.temporary.parent,
            env=self.environment(given or {}),
            input=answer,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        self.check(done.stdout + done.stderr)
        return Ended(done.returncode, done.stdout, done.stderr)

    def check(self, said: str) -> None:
        """What holds for every run, however it ends."""
        assert list(self.temporary.iterdir()) == []
        assert "dont-print-me" not in said
        assert "dont-print-me" not in str(self.calls)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


ALL_CALLS: Final = [
    "aws sts get-caller-identity",
    "make",
    "terraform init",
    "terraform validate",
    "terraform plan",
    "terraform apply",
]


def begins(copy: Copy, *calls: str) -> bool:
    return [each.split(" -")[0] for each in copy.order] == [*calls]


# ---- what is done, in which order ----


def test_the_package_is_built_before_anything_is_planned_and_the_plan_before_it_is_applied(copy: Copy) -> None:
    ended = copy.run("--auto-approve")
    assert ended.status == 0, ended.err
    assert begins(copy, *ALL_CALLS[:1], f"make {copy.tree}", *ALL_CALLS[2:])


def test_what_is_applied_is_the_plan_that_was_shown(copy: Copy) -> None:
    copy.run("--auto-approve")
    (out,) = [each.removeprefix("-out=") for each in copy.called("terraform", "plan") if each.startswith("-out=")]
    assert copy.called("terraform", "apply")[-2] == out
    assert out.startswith(str(copy.temporary))


def test_a_dry_run_plans_and_no_more(copy: Copy) -> None:
    ended = copy.run("--dry-run", "--auto-approve")
    assert ended.status == 0
    assert copy.order[-1] == "terraform plan"
    assert "dry run: nothing was changed" in ended.err


@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--destroy",)])
def test_where_there_is_nothing_to_change_nothing_is_asked(copy: Copy, options: tuple[str, ...]) -> None:
    copy.on_demand("no changes")
    ended = copy.run(*options)
    assert (ended.status, copy.order[-1]) == (0, "terraform plan")
    assert "nothing to change" in ended.err


def test_environment_and_region_are_given_to_terraform_after_all_files(copy: Copy) -> None:
    copy.settings('environment = "other"\naws_region = "eu-west-1"\n', "prod.tfvars")
    copy.run("--environment", "prod", "--region", "us-west-2", "--dry-run")
    plan = copy.called("terraform", "plan")
    assert plan[-4:] == [
        f"-var-file={copy.tree}/terraform/prod.tfvars",
        "-var=environment=prod",
        "-var=aws_region=us-west-2",
        "@prod",
    ]
    assert "-input=false" in plan


def test_options_take_their_value_after_an_equals_sign_too(copy: Copy) -> None:
    copy.run("--environment=prod", "--region=us-west-2", "--dry-run")
    assert copy.called("terraform", "plan")[-3:] == ["-var=environment=prod", "-var=aws_region=us-west-2", "@prod"]


def test_without_options_it_is_dev_where_terraform_says(copy: Copy) -> None:
    copy.run("--dry-run")
    assert copy.called("terraform", "plan")[-2:] == ["-var=environment=dev", "@dev"]


def test_the_environment_of_terraform_tfvars_is_taken_and_an_option_wins(copy: Copy) -> None:
    copy.settings('# environment = "no"\n  environment  =  "stage" # "x"\n')
    copy.run("--dry-run")
    copy.run("--dry-run", "--environment", "prod")
    plans = [each for each in copy.calls if each[2] == "plan"]
    assert [each[-1] for each in plans] == ["@stage", "@prod"]


def test_settings_count_in_terraforms_own_order(copy: Copy) -> None:
    asked = {"TF_VAR_environment": "first"}
    copy.run("--dry-run", given=asked)
    copy.settings('environment = "second"\n')
    copy.run("--dry-run", given=asked)
    copy.settings('environment = "third"\n', "more.auto.tfvars")
    copy.run("--dry-run", given=asked)
    assert [each[-1] for each in copy.calls if each[2] == "plan"] == ["@first", "@second", "@third"]


def test_every_call_that_reads_or_writes_a_state_is_in_the_workspace_of_the_environment(copy: Copy) -> None:
    copy.run("--environment", "prod", "--auto-approve")
    states = {each[2]: each[-1] for each in copy.calls if each[0] == "terraform"}
    assert states == {"init": "@", "validate": "@", "plan": "@prod", "apply": "@prod", "output": "@prod"}


@pytest.mark.parametrize("place", ["elsewhere", "a copy/terraform", "a copy"])
def test_it_works_from_any_folder(copy: Copy, tmp_path: Path, place: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    assert copy.run("--dry-run", cwd=tmp_path / place, given={"CDPATH": str(tmp_path)}).status == 0
    assert {each[1] for each in copy.calls if each[0] == "terraform"} == {f"-chdir={copy.tree}/terraform"}


@pytest.mark.parametrize(("script", "folder"), [("deploy.sh", "a copy"), ("a copy/deploy.sh", ".")])
def test_it_can_be_called_by_a_relative_path(copy: Copy, tmp_path: Path, script: str, folder: str) -> None:
    done = subprocess.run(
        [str(shutil.which("bash")), script, "--dry-run"],
        cwd=tmp_path / folder,
        env=copy.environment({"CDPATH": str(tmp_path)}),
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0
    assert copy.order[-1] == "terraform plan"


# ---- the package ----


def test_a_package_that_is_as_new_as_the_code_is_used_again(copy: Copy) -> None:
    copy.zip.touch()
    copy.run("--dry-run")
    assert not [each for each in copy.calls if each[0] == "make"]


@pytest.mark.parametrize(
    "changed", ["src/code.py", "src/more.py", "config/policy.json", "tools/package.py", "requirements-lambda.lock"]
)
def test_a_package_that_is_older_than_the_code_is_built_anew(copy: Copy, changed: str) -> None:
    copy.zip.touch()
    later = time.time() + 5
    (copy.tree / changed).touch()
    os.utime(copy.tree / changed, (later, later))
    copy.run("--dry-run")
    assert copy.called("make", str(copy.tree))[3:-1] == ["package", "LAMBDA_ARCH=arm64"]


def test_what_python_leaves_behind_makes_no_package_old(copy: Copy) -> None:
    cache = copy.tree / "src" / "__pycache__"
    cache.mkdir()
    copy.zip.touch()
    later = time.time() + 5
    (cache / "code.pyc").touch()
    for each in (cache, cache / "code.pyc"):
        os.utime(each, (later, later))
    copy.run("--dry-run")
    assert not [each for each in copy.calls if each[0] == "make"]


def test_the_package_is_for_the_architecture_of_the_settings(copy: Copy) -> None:
    copy.settings('lambda_architecture = "arm64"\n')
    copy.settings('lambda_architecture = "x86_64"\n', "prod.tfvars")
    copy.run("--dry-run", "--environment", "prod")
    assert copy.called("make", str(copy.tree))[-2] == "LAMBDA_ARCH=x86_64"


def test_a_package_of_ones_own_is_not_built(copy: Copy) -> None:
    copy.settings('lambda_package = "../mine.zip"\n')
    assert copy.run("--dry-run").status == 0
    assert not [each for each in copy.calls if each[0] == "make"]


# ---- asking ----


@pytest.mark.parametrize("answer", ["no\n", "y\n", "\n", "YES\n", "dev\n"])
def test_nothing_is_applied_unless_somebody_says_yes(copy: Copy, answer: str) -> None:
    ended = copy.run(answer=answer)
    assert (ended.status, copy.order[-1]) == (1, "terraform plan")
    assert "not confirmed: nothing was changed" in ended.err


def test_yes_applies(copy: Copy) -> None:
    ended = copy.run(answer="yes\n")
    assert (ended.status, copy.order[-1]) == (0, "terraform apply")
    assert f"to dev in account {ACCOUNT}" in ended.err


def test_where_nobody_can_answer_nothing_is_applied(copy: Copy) -> None:
    ended = copy.run()
    assert (ended.status, copy.order[-1]) == (2, "terraform plan")
    assert "--auto-approve" in ended.err


@pytest.mark.parametrize(("options", "status"), [((), 2), (("--auto-approve",), 0)])
def test_a_closed_standard_input_is_nobody_too(copy: Copy, options: tuple[str, ...], status: int) -> None:
    done = subprocess.run(
        [str(shutil.which("bash")), "-c", 'exec "$0" "$@" <&-', str(copy.tree / "deploy.sh"), *options],
        env=copy.environment({}),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert ("nobody is there to answer" in done.stderr) == (status == 2)
    assert "file descriptor" not in done.stderr


@pytest.mark.parametrize("answer", ["yes\n", "dev\n", "prod \n"])
def test_an_environment_is_taken_away_only_by_its_name(copy: Copy, answer: str) -> None:
    ended = copy.run("--destroy", "--environment", "prod", answer=answer)
    assert (ended.status, copy.order[-1]) == (1, "terraform plan")


def test_an_environment_is_taken_away_by_a_plan_like_any_other(copy: Copy) -> None:
    ended = copy.run("--destroy", "--environment", "prod", answer="prod\n")
    assert (ended.status, copy.order[-1]) == (0, "terraform apply")
    assert copy.called("terraform", "plan")[3] == "-destroy"
    assert "prod is gone" in ended.err
    assert ended.out == ""


def test_approved_beforehand_an_environment_is_taken_away_unasked(copy: Copy) -> None:
    assert copy.run("--destroy", "--auto-approve").status == 0
    assert copy.order[-1] == "terraform apply"


def test_a_dry_run_shows_what_would_be_taken_away(copy: Copy) -> None:
    assert copy.run("--destroy", "--dry-run", "--auto-approve").status == 0
    assert copy.order[-1] == "terraform plan"
    assert copy.called("terraform", "plan")[3] == "-destroy"


# ---- what it says afterwards ----


def test_it_says_what_comes_next(copy: Copy) -> None:
    copy.settings('project_name = "guard"\nnotification_email = "sec@example.com"\n')
    said = copy.run("--auto-approve", "--environment", "prod").out
    assert "prod is deployed in account 111122223333, us-west-2" in said
    assert "sec@example.com gets a mail" in said
    assert "aws logs tail /aws/lambda/guard-prod-scan --follow --region us-west-2" in said
    assert "sg-compliance backups list the-command_options" in said
    assert "the-dashboard_url" in said
    assert (
        "aws events put-events --region us-west-2 --entries 'Source=custom.security.compliance,"
        'DetailType="Manual Compliance Scan",Detail="{\\"scan_type\\":\\"manual\\",\\"dry_run\\":true}"\''
    ) in said


def test_it_says_that_nobody_is_told(copy: Copy) -> None:
    assert "Nobody is told yet" in copy.run("--auto-approve").out


# ---- what cannot be ----


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--enviroment", "dev"), "there is no option --enviroment"),
        (("dev",), "there is no option dev"),
        (("--dry-run=yes",), "there is no option --dry-run=yes"),
        (("\x1b[31m",), "there is no option ?[31m"),
        (("--environment",), "--environment needs a value"),
        (("--environment", "--dry-run"), "--environment needs a value"),
        (("--environment", ""), "--environment needs a value"),
        (("--environment=",), "--environment needs a value"),
        (("--region",), "--region needs a value"),
        (("--region", "-h"), "--region needs a value"),
        (("--environment", "Prod"), "Prod is the name of no environment"),
        (("--environment", "p"), "p is the name of no environment"),
        (("--environment", "prod-"), "prod- is the name of no environment"),
        (("--environment", "../prod"), "../prod is the name of no environment"),
        (("--environment", "prod\nx"), "prod?x is the name of no environment"),
        (("--environment", "a" * 17), "is the name of no environment"),
        (("--region", "us-west"), "us-west is the name of no region"),
        (("--region", "US-WEST-2"), "US-WEST-2 is the name of no region"),
        (("--region", "us-west-2a"), "us-west-2a is the name of no region"),
        (("--region", "us-west-2;id"), "us-west-2;id is the name of no region"),
    ],
)
def test_an_option_that_cannot_be_meant_is_an_error(copy: Copy, options: tuple[str, ...], said: str) -> None:
    ended = copy.run(*options)
    assert (ended.status, ended.out, copy.calls) == (2, "", [])
    assert f"error: {said}" in ended.err or said in ended.err
    assert "\nhelp: " in ended.err


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_lists_every_option(copy: Copy, option: str) -> None:
    ended = copy.run(option)
    assert (ended.status, ended.err, copy.calls) == (0, "", [])
    taken = set(re.findall(r"^      (--[a-z-]+)\)", SCRIPT.read_text("utf-8"), re.MULTILINE))
    assert {"--environment", "--destroy"} <= taken
    assert {each for each in taken if each not in ended.out} == set()


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_that_is_missing_is_named_with_how_to_get_it(copy: Copy, tool: str) -> None:
    (copy.bin / tool).unlink()
    ended = copy.run("--dry-run")
    assert (ended.status, copy.calls) == (2, [])
    assert ended.err.startswith(f"error: {tool} is not installed")
    assert re.search(r"^help: .*install", ended.err, re.MULTILINE)


def test_all_tools_that_are_missing_are_named_at_once(copy: Copy) -> None:
    for tool in TOOLS:
        (copy.bin / tool).unlink()
    ended = copy.run()
    assert ended.status == 2
    assert re.findall(r"^error: (\w+) is not installed", ended.err, re.MULTILINE) == list(TOOLS)


def test_a_copy_that_is_not_whole_is_an_error(copy: Copy) -> None:
    (copy.tree / "terraform" / "main.tf").unlink()
    ended = copy.run()
    assert (ended.status, copy.calls) == (2, [])
    assert "main.tf is not there" in ended.err


# ---- failing, stopping, and going on ----


@pytest.mark.parametrize(
    ("step", "last", "said"),
    [
        ("aws sts", "aws sts get-caller-identity", "AWS does not know who is asking"),
        ("make -C", "make", "the package could not be built"),
        ("terraform init", "terraform init", "Terraform could not be set up"),
        ("terraform validate", "terraform validate", "the configuration in terraform/ is not valid"),
        ("terraform plan", "terraform plan", "Terraform could not plan: nothing was changed"),
        ("terraform apply", "terraform apply", "Terraform could not do it, or not all of it"),
    ],
)
def test_what_fails_ends_it_and_the_same_again_goes_on(copy: Copy, step: str, last: str, said: str) -> None:
    copy.on_demand(f"{step} fails")
    ended = copy.run("--auto-approve")
    assert ended.status == 2
    assert copy.order[-1].startswith(last)
    assert f"{step}: it failed on demand" in ended.err
    assert f"error: {said}" in ended.err
    assert "\nhelp: " in ended.err
    assert ended.out == ""
    (copy.stubs / f"{step} fails").unlink()
    assert copy.run("--auto-approve").status == 0
    assert copy.order[-1] == "terraform apply"


def test_what_cannot_be_taken_away_says_what_protects_it(copy: Copy) -> None:
    copy.on_demand("terraform apply fails")
    ended = copy.run("--destroy", "--auto-approve")
    assert ended.status == 2
    assert "deletion_protection = false" in ended.err


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("aws sts", "interrupted: nothing was changed"),
        ("make -C", "interrupted: nothing was changed"),
        ("terraform plan", "interrupted: nothing was changed"),
        ("terraform apply", "interrupted while it was applied: run the same again"),
        ("the question", "interrupted: nothing was changed"),
    ],
)
def test_ctrl_c_ends_it_cleanly_and_the_same_again_goes_on(copy: Copy, step: str, said: str) -> None:
    copy.on_demand(f"{step} waits")
    running = interruptible(copy, *(() if step == "the question" else ("--auto-approve",)))
    for _ in range(SECONDS * 20):
        waiting = "terraform plan" in copy.order if step == "the question" else (copy.stubs / "waiting").exists()
        if waiting:
            break
        time.sleep(0.05)
    time.sleep(0.3 if step == "the question" else 0.05)
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=SECONDS)
    copy.check(out + err)
    assert running.returncode == 130, err
    assert said in err
    assert out == ""
    assert ("terraform apply" in copy.order) == (step == "terraform apply")
    (copy.stubs / f"{step} waits").unlink()
    assert copy.run("--auto-approve").status == 0


def interruptible(copy: Copy, *options: str) -> subprocess.Popen[str]:
    """Running in a group of its own, as in a terminal. Where these tests run in the background Ctrl-C is ignored."""
    as_in_a_terminal = "import os, signal, sys; signal.signal(2, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", as_in_a_terminal, str(copy.tree / "deploy.sh"), *options],
        env=copy.environment({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


# ---- an environment stays where it is ----


def test_an_environment_stays_in_its_region_where_none_is_given(copy: Copy) -> None:
    copy.settings('aws_region = "eu-west-1"\n')
    copy.on_demand("deployed")
    assert copy.run("--dry-run").status == 0
    assert copy.called("terraform", "plan")[-2] == "-var=aws_region=us-west-2"


def test_an_environment_is_not_moved_to_another_region(copy: Copy) -> None:
    copy.on_demand("deployed")
    ended = copy.run("--region", "eu-west-1", "--auto-approve")
    assert (ended.status, copy.order[-1]) == (2, "terraform validate")
    assert "dev is deployed in us-west-2, and cannot move to eu-west-1" in ended.err


def test_an_environment_is_not_made_anew_in_another_account(copy: Copy) -> None:
    copy.on_demand("deployed")
    stub = (copy.bin / "aws").read_text("utf-8").replace(f"printf '{ACCOUNT}", "printf '444455556666")
    (copy.bin / "aws").write_text(stub, encoding="utf-8")
    ended = copy.run("--auto-approve", "--destroy")
    assert (ended.status, copy.order[-1]) == (2, "terraform validate")
    assert "dev is deployed in account 111122223333, and these credentials are of 444455556666" in ended.err


def test_who_is_asked_for_is_said(copy: Copy) -> None:
    ended = copy.run("--dry-run")
    assert f"account {ACCOUNT}, as arn:aws:sts::{ACCOUNT}:assumed-role/deployer/ada" in ended.err


# ---- the script itself ----


def test_the_script_is_clean() -> None:
    linter = Path(sys.executable).with_name("shellcheck")
    if not linter.is_file():
        pytest.skip("shellcheck is not installed in this environment")
    done = subprocess.run([str(linter), str(SCRIPT)], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.stdout + done.stderr == ""


def test_the_script_needs_no_newer_bash_than_macos_has() -> None:
    newer = r"mapfile|readarray|(declare|local) -[An]|\$\{\w+(,,|\^\^|@)|\|&|&>>|\bcoproc\b|EPOCH|\[\[ -v|wait -n"
    assert re.findall(newer, SCRIPT.read_text("utf-8")) == []
    assert os.access(SCRIPT, os.X_OK)


@pytest.mark.xdist_group("terraform")
def test_the_real_terraform_plans_and_applies_what_it_is_told(copy: Copy, tmp_path: Path) -> None:
    """The provider on paper cannot be installed: `init` only gets the modules."""
    workshop = Workshop(tmp_path / "workshop")
    shutil.rmtree(copy.tree)
    shutil.copytree(workshop.folder, copy.tree)
    shutil.copy(SCRIPT, copy.tree)
    copy.settings('aws_region = "eu-west-1"\nnotification_email = "sec@example.com"\n', "prod.tfvars")
    copy.settings('lambda_package = "../dist/sg-compliance-lambda-arm64.zip"\n')
    real = shutil.which("terraform")
    (copy.bin / "terraform").write_text(
        f'#!/bin/sh\nif [ "$2" = init ]; then exec "{real}" "$1" get; fi\nexec "{real}" "$@"\n', encoding="utf-8"
    )
    surroundings = workshop._environment  # noqa: SLF001  where the provider on paper is
    given = {"TMPDIR": tempfile.gettempdir(), **surroundings, "PATH": f"{copy.bin}:{surroundings['PATH']}"}
    given["TF_VAR_external_id"] = ""  # Terraform itself shows it
    dry = copy.run("--dry-run", "--environment", "prod", given=given)
    assert dry.status == 0, dry.err
    assert "sg-compliance-prod-scan" in dry.out
    assert not list((copy.tree / "terraform").rglob("terraform.tfstate"))
    done = copy.run("--environment", "prod", "--region", "us-west-2", answer="yes\n", given=given)
    assert done.status == 0, done.err
    assert "prod is deployed in account 111122223333" in done.out
    assert "region=us-west-2#dashboards" in done.out
    assert [each.parent.name for each in (copy.tree / "terraform").rglob("terraform.tfstate")] == ["prod"]
