"""Wires adapters to sockets.

The only place that knows which adapters there are, and the only reader of the clock and the shipped files. Adapters
are imported when they are asked for: `--help` pays for none.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sg_compliance.aws.session import Sessions
    from sg_compliance.evaluation.evaluate import Evaluator
    from sg_compliance.evaluation.expectations import Result
    from sg_compliance.interfaces import FindingHistory, Inventory
    from sg_compliance.local.findings import SpillingFindings
    from sg_compliance.model.concession import Concession
    from sg_compliance.policy.parse import ParsedPolicy
    from sg_compliance.testing.moto_server import DemoServer
    from sg_compliance.workflows.snapshot import Sink

FILE_WORKERS: Final = 1
"""Files are read by one thread: judging them is work for the processor, and threads would only take turns."""


class Patience(NamedTuple):
    """How often a call is tried before it is given up, and how many seconds each try may take to answer."""

    attempts: int
    seconds: int


CHANGING: Final = Patience(4, 20)
"""A call is given up in less than half of the time that a group stays locked (`workflows.transaction.LEASE`)."""

RESPONDING: Final = Patience(3, 5)
"""The same in real time, where a group stays locked for less (`workflows.countering.LEASE`)."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where groups are to be read: files, or AWS. Empty tuples ask for the default of their kind.

    `keys` (access key, secret key) take the place of the credentials that boto3 finds: for the demo.
    """

    sources: tuple[str, ...] = ()
    profile: str | None = None
    endpoint_url: str | None = None
    accounts: tuple[str, ...] = ()
    organization: bool = False
    organizational_units: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    role_name: str = "sg-compliance-scan"
    external_id: str | None = None
    session_name: str = "sg-compliance"
    workers: int = 8
    keys: tuple[str, str] | None = None
    change_role_name: str = "sg-compliance-remediate"


@dataclass(frozen=True, slots=True)
class Judge:
    """A policy, ready to judge groups as of now."""

    parsed: ParsedPolicy
    evaluator: Evaluator


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def shipped_policies() -> dict[str, Path]:
    """The policies that come with the package, by the name that `--policy` takes: `default`, `strict` …."""
    shipped = Path(str(files("sg_compliance.policy") / "shipped"))
    ready = {path.stem: path for path in sorted((shipped / "policies").glob("*.json"))}
    return {"default": shipped / "security_policies.json", **ready}


def load_policy(name: str | None) -> ParsedPolicy:
    """Read a policy from a file or, under its name, one that comes with the package. Raises PolicyError, InputError."""
    from sg_compliance.policy.parse import parse_policy

    path, source = policy_file(name)
    return parse_policy(read_text(path), source)


def policy_file(name: str | None) -> tuple[Path, str]:
    """The file of a policy, and what people call it. Raises InputError where there is none."""
    known = shipped_policies()
    path = Path(name) if name and Path(name).is_file() else known.get(name or "default")
    if path is None:
        message = f"{name}: there is no such policy file"
        raise InputError(message, hint=f"give a file, or one of the policies that ship: {', '.join(known)}")
    return path, path.name if path in known.values() else str(path)


def judge(policy: str | None, environment: str | None, granted: Sequence[Concession] = ()) -> Judge:
    """Load a policy and make it ready. `environment` is for groups and accounts that do not say theirs.

    `granted`: exemptions that stand outside the document.
    """
    from sg_compliance.evaluation.evaluate import Evaluator
    from sg_compliance.policy.exemptions import exempting
    from sg_compliance.policy.resolve import Policy

    parsed = load_policy(policy)
    document = exempting(parsed.document, granted) if granted else parsed.document
    return Judge(parsed, Evaluator(Policy(document, environment), now()))


def read_text(path: Path) -> str:
    """A text file in UTF-8. Raises InputError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"
        raise InputError(message, hint="give a readable file in UTF-8") from error


def run_policy_tests(file: Path, policy: str | None) -> tuple[ParsedPolicy, list[Result]]:
    """Run a file of policy tests, against the policy that it names or another. Raises PolicyError, InputError."""
    from sg_compliance.aws import translate
    from sg_compliance.evaluation.evaluate import Evaluator
    from sg_compliance.evaluation.expectations import parse_expectations, run
    from sg_compliance.policy.resolve import Policy

    expectations = parse_expectations(read_text(file), str(file))
    named = policy or expectations.policy
    beside = file.parent / named if named and not policy else None
    parsed = load_policy(str(beside) if beside and beside.is_file() else named)
    time = expectations.now or now()
    results = run(
        expectations, lambda environment: Evaluator(Policy(parsed.document, environment), time), translate, str(file)
    )
    return parsed, results


@contextmanager
def inventory(where: Where, policy: ParsedPolicy) -> Iterator[Inventory]:
    """The inventory in files where there are sources, else in AWS."""
    names_needed = any_pattern(policy)
    if not where.sources:
        yield _live(where, policy, names_needed=names_needed)
        return
    from sg_compliance.aws import translate
    from sg_compliance.local.files import FileInventory

    found = FileInventory(
        where.sources,
        translate,
        names_needed=names_needed,
        account_id=where.accounts[0] if len(where.accounts) == 1 else "",
        region=where.regions[0] if len(where.regions) == 1 else "",
    )
    try:
        yield found
    finally:
        found.close()


def any_pattern(policy: ParsedPolicy) -> bool:
    """Whether some rule asks for the names of referenced groups."""
    from sg_compliance.policy.resolve import every_rule

    return any(found.rule.source_pattern for found in every_rule(policy.document) if found.rule.enabled)


def _live(where: Where, policy: ParsedPolicy, *, names_needed: bool) -> Inventory:
    from sg_compliance.aws.ec2 import Ec2Inventory, Targets
    from sg_compliance.aws.organizations import OrganisationScope

    sessions = sessions_of(where, where.role_name)
    scope = OrganisationScope(where.organizational_units, frozenset(where.excluded))
    configs = policy.document.accounts_config
    targets = Targets(
        accounts=scope if where.organization else where.accounts,
        regions=where.regions,
        role_names=role_names_of(policy),
        account_regions={each.account_id: tuple(each.regions) for each in configs if each.regions},
        disabled_accounts=frozenset(each.account_id for each in configs if each.enforcement_level == "disabled"),
        names_of_groups=names_needed,
    )
    return Ec2Inventory(sessions, targets, workers=where.workers)


def role_names_of(policy: ParsedPolicy) -> dict[str, str]:
    """The accounts whose role has another name than the usual one."""
    configs = policy.document.accounts_config
    return {each.account_id: each.cross_account_role_name for each in configs if each.cross_account_role_name}


def sessions_of(where: Where, role_name: str, patience: Patience | None = None) -> Sessions:
    """Sessions that assume this role in accounts other than the caller's. As patient as for reading, if not said."""
    from sg_compliance.aws.session import MAX_ATTEMPTS, READ_SECONDS, Role, Sessions

    attempts, seconds = patience or (MAX_ATTEMPTS, READ_SECONDS)
    return Sessions(
        max_attempts=attempts,
        read_seconds=seconds,
        profile=where.profile,
        endpoint_url=where.endpoint_url,
        keys=where.keys,
        role=Role(role_name, where.external_id or "", where.session_name),
    )


def workers(where: Where) -> int:
    """How many shards are read at once."""
    return FILE_WORKERS if where.sources else where.workers


@contextmanager
def findings() -> Iterator[SpillingFindings]:
    """Room for the findings of one scan."""
    from sg_compliance.local.findings import SpillingFindings

    found = SpillingFindings()
    try:
        yield found
    finally:
        found.close()


@contextmanager
def history(path: Path | None) -> Iterator[FindingHistory | None]:
    """The history of findings in a file; none without a path."""
    from sg_compliance.local.history import SqliteHistory

    if path is None:
        yield None
        return
    found = SqliteHistory(path)
    try:
        yield found
    finally:
        found.close()


@contextmanager
def demo_server() -> Iterator[DemoServer]:
    """The embedded demo organisation, running while the context lasts. Raises DemoUnavailableError."""
    from sg_compliance.testing.moto_server import demo_organisation_process

    with demo_organisation_process() as server:
        yield server


def demo_where(server: DemoServer) -> Where:
    """The whole demo organisation."""
    from sg_compliance.testing.organisation import demo_organisation

    return Where(
        endpoint_url=server.endpoint_url,
        organization=True,
        regions=tuple(demo_organisation().regions),
        role_name=server.role_name,
        change_role_name=server.role_name,
        external_id="sg-compliance-demo",
        keys=("demo", "demo"),
    )


@contextmanager
def snapshot_file(path: Path | None, *, replace: bool) -> Iterator[Sink]:
    """Where a snapshot goes: Parquet to a file that is named so, else JSON Lines; standard output without a path.

    Raises InputError, also where Parquet is asked for and pyarrow is not installed.
    """
    from sg_compliance import __version__
    from sg_compliance.aws import render
    from sg_compliance.local.snapshot_file import is_named_parquet, open_parquet, open_snapshot
    from sg_compliance.workflows.snapshot import Documents

    if path and is_named_parquet(path):
        about = {"taken_at": now().isoformat(timespec="seconds"), "sg_compliance": __version__}
        with open_parquet(path, render, about, replace=replace) as sink:
            yield sink
        return
    with open_snapshot(path, replace=replace) as file:
        yield Documents(render, file.write)
