"""The measured cases, section by section. Each takes settings and returns rows and gaps."""

import hashlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeAlias

from benchmarks import ours
from benchmarks.competitors.environments import cache
from benchmarks.groups import OPEN_SHARE, groups, prefix_lists, write_aws_cli_json, write_json_lines
from benchmarks.live import ANY_RESULT, live
from benchmarks.measure import run
from benchmarks.results import OURS, Missing, Row
from benchmarks.rounds import Subjects, row_of_process, row_of_runner, take_turns
from benchmarks.settings import Settings
from benchmarks.subjects import competitor, module, written
from benchmarks.thirty_questions import as_data, as_policy_document

Result: TypeAlias = Row | Missing
HERE = Path(__file__).parent
C7N_WAYS = ("strings", "ipv4-strings", "addresses")
FORMATS = {"json": write_aws_cli_json, "jsonl": write_json_lines}
WRITERS = {**FORMATS, "parquet": ours.write_snapshot}


def evaluation(settings: Settings) -> Iterator[Result]:
    """Judge groups that are in memory already, with ours and with the matchers of other tools."""
    alike = f"{settings.compared} groups"
    sizes = {f"{size} groups": (size, OPEN_SHARE) for size in (settings.compared, *settings.evaluation)}
    sizes[f"{settings.compared} groups, half of them open"] = (settings.compared, settings.careless_share)
    subjects: Subjects = {
        (label, OURS): partial(module, "benchmarks.evaluation_runner", "--groups", size, "--open-share", share)
        for label, (size, share) in sizes.items()
    }
    if missing := ours.missing("evaluation"):
        subjects.clear()
        yield Missing("evaluation", OURS, missing)
    data, questions = estate_file("jsonl", settings.compared), written("questions.json", as_data())
    for way in C7N_WAYS:
        subjects[alike, f"c7n, {way}"] = partial(competitor, "c7n", data, questions, way)
    subjects[alike, "prowler"] = partial(competitor, "prowler", data, questions)
    for key, costs in take_turns(subjects, settings.runs).items():
        yield row_of_runner("evaluation", key, costs)


def file(settings: Settings) -> Iterator[Result]:
    """Scan a file with the whole command, beside what reading it alone costs."""
    policy, lists = written("policy.json", as_policy_document()), written("prefix-lists.json", prefix_lists())
    if missing := ours.missing("file"):
        yield Missing("file", OURS, missing)
    for size in settings.files:
        for form in FORMATS:
            data = estate_file(form, size)
            label = f"{size} groups, {form}, {data.stat().st_size / 1e6:.0f} MB"
            subjects: Subjects = {}
            if not missing:
                subjects[label, OURS] = partial(run, ours.file_command(data, lists, policy), accepted=ANY_RESULT)
            alone = f"json module alone, {'whole file' if form == 'json' else 'line by line'}"
            subjects[label, alone] = partial(module, "benchmarks.reading_floor", form, data)
            for key, costs in take_turns(subjects, settings.runs if size < settings.once_from else 1).items():
                yield row_of_process("file", key, costs, groups=size)


def snapshot(settings: Settings) -> Iterator[Result]:
    """Scan a snapshot in Parquet with the whole command, beside the same in JSON Lines, and what reading it costs."""
    policy, lists = written("policy.json", as_policy_document()), written("prefix-lists.json", prefix_lists())
    if missing := ours.missing("snapshot"):
        yield Missing("snapshot", OURS, missing)
        return
    for size in settings.snapshots:
        data = estate_file("parquet", size)
        label = f"{size} groups, {data.stat().st_size / 1e6:.0f} MB"
        scanned = partial(run, ours.snapshot_command(data, policy), accepted=ANY_RESULT)
        subjects: Subjects = {(label, OURS): scanned}
        if size <= settings.beside_lines:
            as_lines = ours.file_command(estate_file("jsonl", size), lists, policy)
            subjects[label, f"{OURS}, JSON Lines"] = partial(run, as_lines, accepted=ANY_RESULT)
        subjects[label, "pyarrow alone"] = partial(module, "benchmarks.reading_floor", "parquet", data)
        for key, costs in take_turns(subjects, settings.runs if size < settings.once_from else 1).items():
            yield row_of_process("snapshot", key, costs, groups=size)


def enforcement(settings: Settings) -> Iterator[Result]:
    """Lock groups down and take it back, beside the same calls without any of the care. Once: it takes minutes."""
    for face, rules in (("twin", 60), ("twin", 3), ("moto", 3)):
        size = settings.enforced
        label = f"{size} groups of {rules} + {rules} rules, {face}"
        arguments = (face, "--groups", size, "--rules", rules)
        subjects: Subjects = {
            (label, OURS): partial(module, "benchmarks.enforcement_runner", "ours", *arguments),
            (label, "calls alone"): partial(module, "benchmarks.enforcement_runner", "bare", *arguments),
        }
        for key, costs in take_turns(subjects, 1).items():
            sys.stderr.write(f"  {', '.join(key)}: {costs[0].output}")
            yield row_of_runner("enforcement", key, costs)


def start(settings: Settings) -> Iterator[Result]:
    """Start the command for `--help`, beside an interpreter that does nothing."""
    subjects: Subjects = {("--help", "python -c pass"): partial(run, (sys.executable, "-c", "pass"))}
    if missing := ours.missing("start"):
        yield Missing("start", OURS, missing)
    else:
        subjects["--help", OURS] = partial(run, ours.help_command())
    for key, costs in take_turns(subjects, settings.runs * 2).items():
        yield row_of_process("start", key, costs)


def estate_file(form: str, size: int) -> Path:
    """Return the file of an estate, written once for each version of the generator."""
    stamp = hashlib.sha256((HERE / "groups.py").read_bytes()).hexdigest()[:12]
    path = cache() / f"groups-{size}-{stamp}.{form}"
    if not path.exists():
        for outdated in cache().glob(f"groups-{size}-*.{form}"):
            outdated.unlink()
        WRITERS[form](path, groups(size))
    return path


SECTIONS: dict[str, Callable[[Settings], Iterator[Result]]] = {
    "evaluation": evaluation,
    "file": file,
    "snapshot": snapshot,
    "live": live,
    "enforcement": enforcement,
    "start": start,
}
