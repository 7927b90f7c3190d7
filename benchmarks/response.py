"""Measure the response to events: `python -m benchmarks.response (latency|calls|start|memory|package)`.

latency  receipt → verdict and receipt → closed at a rate, in milliseconds: `--rate 10 --events 600 --processes 4`.
calls    calls to AWS for one event of each kind, by service.
start    importing the handler and the first events of a fresh process, from the unpacked package and from here.
memory   the peak of a process after so many events: `--events 1000`.
package  the size of the zip that `tools/package.py --arch here` makes.

AWS is played by `benchmarks.loopback_aws` in another process on the same machine. Prints tables in Markdown.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.function_process import Arrival, Cloud, Function, body_of, cloud, peak_memory
from benchmarks.loopback_aws import CLOSING, COMPLIANT, KINDS, REGION
from benchmarks.measure import machine, offline_environment
from benchmarks.open_loop import Latency, at_rate
from benchmarks.response_calls import CASES

ROOT = Path(__file__).parents[1]
ZIP = ROOT / "dist" / "sg-compliance-lambda-here.zip"
RUNS = 7
TOLD = sys.stdout


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures that were asked for, and where they were taken."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.response", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("latency", "calls", "start", "memory", "package"))
    parser.add_argument("--rate", type=float, default=10.0, help="events a second (latency)")
    parser.add_argument("--events", type=int, default=600, help="how many events (latency, memory)")
    parser.add_argument("--processes", type=int, default=4, help="as many Lambdas at once (latency)")
    options = parser.parse_args(arguments)
    _say("  ".join(f"{name}: {value}" for name, value in machine().items()) + "\n")
    if options.what == "latency":
        latency(options.rate, options.events, options.processes)
    elif options.what == "memory":
        memory(options.events)
    else:
        {"calls": calls, "start": start, "package": package}[options.what]()


def _say(line: str) -> None:
    TOLD.write(f"{line}\n")
    TOLD.flush()


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    _say(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for row in rows:
        _say(f"| {' | '.join(map(str, row))} |")


def latency(rate: float, events: int, processes: int) -> None:
    """One rate."""
    with cloud(events + len(KINDS) * processes) as running:
        found = at_rate(running, rate, processes)
    _say(f"{events} events over as many groups, {processes} processes, in turn: {', '.join(KINDS)}\n")
    spans = {"verdict": found.judged, "closed": found.closed}
    rows = [
        (f"{rate:g}/s, receipt → {name}{other}", *_spread([getattr(each, field) for each in spans[name]]))
        for name in spans
        for field, other in zip(Latency._fields, ("", ", without the stand-ins"), strict=True)
    ]
    waits = [each.begun - each.sent for each in found.answers]
    _table(("ms", "n", "min", "p50", "p90", "p99", "max"), [*rows, ("waiting in the queue", *_spread(waits))])
    _say(f"\nanswered: {found.rate:.1f} a second; CPU for an event: {found.cpu * 1e3:.1f} ms ours, ")
    _say(f"{found.server_cpu * 1e3:.1f} ms of the stand-ins; reactions: {dict(_reactions(found.answers))}")


def _reactions(answers: Iterable[object]) -> Counter[str]:
    return Counter(getattr(each, "reaction") for each in answers)  # noqa: B009


def _spread(seconds: Sequence[float]) -> tuple[object, ...]:
    """How many, and of these the least, the quantiles (the smallest that so many do not exceed) and the most."""
    values = sorted(seconds)
    if not values:
        return (0, *[""] * 5)
    places = [0, *(max(-(-len(values) * share // 100) - 1, 0) for share in (50, 90, 99)), -1]
    return (len(values), *(f"{values[place] * 1e3:.0f}" for place in places))


def calls() -> None:
    """What one event costs in calls, once the process is warm."""
    rows = [(name, *_counted(name)) for name in CASES]
    _table(("event", "all", "EC2", "DynamoDB", "S3", "SSM", "SNS", "which"), rows)


def _counted(name: str) -> Sequence[object]:
    """In a process of its own: the settings are of a process."""
    command = [sys.executable, "-m", "benchmarks.response_calls", name]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=offline_environment(), cwd=ROOT)
    counted = json.loads(done.stdout)
    services = Counter(service for service, _ in counted)
    which = Counter(f"{operation}" for _, operation in counted)
    told = ", ".join(f"{operation}{f' × {count}' if count > 1 else ''}" for operation, count in which.most_common())
    return (len(counted), *(services[each] or "" for each in ("ec2", "dynamodb", "s3", "ssm", "sns")), told)


def start() -> None:
    """Fresh processes, in turns."""
    with tempfile.TemporaryDirectory() as folder, cloud(2 * RUNS * len(KINDS)) as running:
        unpacked = Path(folder) / "package"
        zipfile.ZipFile(_package()).extractall(unpacked)
        roads = {"package": (unpacked, sdk_of(Path(folder))), "source": (ROOT / "src",)}
        found: dict[str, list[dict[str, dict[str, float]]]] = {road: [] for road in roads}
        for _ in range(RUNS):
            for road, paths in roads.items():
                found[road].append(_started(running, Path(folder), paths))
    rows = [
        (f"{road}: {part}", *(_low_and_median([each[part][unit] for each in runs]) for unit in ("cpu", "wall")))
        for road, runs in found.items()
        for part in ("import", "first", "closing")
    ]
    _table(("fresh process", "CPU ms, median (min)", "clock ms, median (min)"), rows)
    for road, runs in found.items():
        _say(f"\n{road}: peak {median(float(str(each['peak'])) for each in runs) / 1e6:.0f} MB")


def sdk_of(folder: Path) -> Path:
    """A folder with the SDK and what it needs: the runtime brings it, the package does not."""
    import boto3  # noqa: PLC0415 - only to find it

    installed, made = Path(boto3.__file__).parents[1], folder / "sdk"
    made.mkdir()
    for name in ("boto3", "botocore", "s3transfer", "urllib3", "dateutil", "six.py", "jmespath"):
        (made / name).symlink_to(installed / name)
    return made


def _started(running: Cloud, folder: Path, paths: Sequence[Path]) -> dict[str, dict[str, float]]:
    now, events = time.time(), folder / "events.jsonl"
    chosen = [_taken(running, kind) for kind in (COMPLIANT, CLOSING)]
    events.write_text("\n".join(body_of(each, now) for each in chosen), encoding="utf-8")
    environment = offline_environment(**running.environment, PYTHONPATH=":".join(map(str, paths)))
    environment["AWS_DEFAULT_REGION"] = environment["AWS_REGION"] = REGION
    isolated = ["-S", "-B"] if len(paths) > 1 else []
    command = [sys.executable, *isolated, str(ROOT / "benchmarks" / "cold_start.py"), str(events)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=folder)
    return dict(json.loads(done.stdout))


def _taken(running: Cloud, kind: str) -> dict[str, object]:
    number = next(number for number, each in enumerate(running.events) if each[0] == kind)
    return running.events.pop(number)[1]


def _low_and_median(seconds: Sequence[float]) -> str:
    return f"{median(seconds) * 1e3:.0f} ({min(seconds) * 1e3:.0f})"


def memory(events: int) -> None:
    """One process that handles so many events, in batches of ten."""
    with cloud(events) as running:
        function, marks = Function(running.environment, "memory"), []
        for begin in range(0, events, 10):
            now = time.time()
            function.respond(
                [Arrival(kind, body_of(each, now), now) for kind, each in running.events[begin : begin + 10]]
            )
            running.calls()
            if begin + 10 in {10, 100, 1_000, 10_000}:
                marks.append((begin + 10, f"{peak_memory() / 1e6:.0f}"))
    _table(("events", "peak MB"), marks)


def package() -> None:
    """The size of the package."""
    with zipfile.ZipFile(_package()) as archive:
        sizes = Counter[str]()
        for each in archive.infolist():
            sizes[each.filename.partition("/")[0]] += each.file_size
    _say(f"zip: {ZIP.stat().st_size / 1e6:.1f} MB, unpacked: {sum(sizes.values()) / 1e6:.1f} MB, without boto3\n")
    _table(("part", "MB unpacked"), ((name, f"{size / 1e6:.1f}") for name, size in sizes.most_common(5)))


def _package() -> Path:
    command = [sys.executable, str(ROOT / "tools" / "package.py"), "--arch", "here"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return ZIP


if __name__ == "__main__":
    main()
