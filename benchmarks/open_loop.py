"""Send events at a rate, whether the function keeps up or not, and say when each was judged and closed.

Arrivals are evenly spaced and wait for nobody. Each of the processes stands for one concurrent Lambda: it takes what
waits, at most 10 messages, once it is done with what it had. A first event of each process is not counted: that is the
cold start, which is measured by itself.
"""

import multiprocessing
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from benchmarks.function_process import Answer, Arrival, Cloud, body_of, serve
from benchmarks.loopback_aws import KINDS, Call

_SPAWN: Final = multiprocessing.get_context("spawn")


class Latency(NamedTuple):
    """Of one message, in seconds: `total` from receipt; `ours` without the time that the stand-ins took over it."""

    total: float
    ours: float


class Measured(NamedTuple):
    """One rate. `cpu` and `server_cpu` are seconds for one event, `rate` events a second that were answered."""

    answers: list[Answer]
    judged: list[Latency]
    closed: list[Latency]
    cpu: float
    server_cpu: float
    rate: float


def at_rate(cloud: Cloud, rate: float, processes: int) -> Measured:
    """Send the cloud's events at so many a second. The first ones are for the processes to start with."""
    waiting: Any = _SPAWN.Queue()
    done: Any = _SPAWN.Queue()
    events = cloud.events[len(KINDS) * processes :]
    workers = []
    for number in range(processes):
        first = cloud.events[len(KINDS) * number : len(KINDS) * (number + 1)]
        begin = [Arrival(kind, body_of(event, time.time()), time.time()) for kind, event in first]
        arguments = (cloud.environment, f"function-{number}", begin, waiting, done)
        workers.append(_SPAWN.Process(target=serve, args=arguments, daemon=True))
        workers[-1].start()
        done.get(timeout=60)
    cloud.calls()
    _send(waiting, events, rate)
    answers = _answers(done, len(events))
    for _ in workers:
        waiting.put(None)
    cpu = sum(_only_cpu(done) for _ in workers)
    for worker in workers:
        worker.join()
    calls = cloud.calls()
    seconds = max(each.ended for each in answers) - min(each.sent for each in answers)
    return Measured(
        answers,
        latencies(answers, calls, "judged"),
        latencies(answers, calls, "closed"),
        cpu / len(events),
        sum(each.cpu for each in calls) / len(events),
        len(events) / seconds,
    )


def _send(waiting: Any, events: Iterable[tuple[str, dict[str, Any]]], rate: float) -> None:
    begun = time.time()
    for number, (kind, event) in enumerate(events):
        due = begun + number / rate
        time.sleep(max(due - time.time(), 0))
        waiting.put(Arrival(kind, body_of(event, due), due))


def _answers(done: Any, count: int) -> list[Answer]:
    answers: list[Answer] = []
    while len(answers) < count:
        answers += done.get(timeout=300)
    return answers


def _only_cpu(done: Any) -> float:
    return float(done.get(timeout=60))


def latencies(answers: Iterable[Answer], calls: Sequence[Call], until: str) -> list[Latency]:
    """How long it took from receipt until that, of those that came to it.

    The stand-ins' time is that in which at least one call of the process was being answered, since it took the batch:
    not what the message waited before, though they are the reason for that too.
    """
    by_key = defaultdict(list)
    for call in calls:
        by_key[call.key].append((call.begun, call.ended))
    busy = {key: _joined(spans) for key, spans in by_key.items()}
    found = []
    for each in answers:
        end = getattr(each, until)
        if end:
            theirs = sum(max(min(ended, end) - max(begun, each.begun), 0.0) for begun, ended in busy.get(each.key, []))
            found.append(Latency(end - each.sent, end - each.sent - theirs))
    return found


def _joined(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The spans, those that overlap as one."""
    joined: list[tuple[float, float]] = []
    for begun, ended in sorted(spans):
        if joined and begun <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], ended))
        else:
            joined.append((begun, ended))
    return joined
