"""The function `respond` in a process of its own, as Lambda runs it, and the times of what it answered."""

import json
import os
import resource
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.request import urlopen

from benchmarks.loopback_aws import NOW, REGION, Call
from benchmarks.measure import offline_environment

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

BATCH: Final = 10
_RSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024


class Arrival(NamedTuple):
    """A message in the queue, and when it was sent: seconds since 1970."""

    kind: str
    body: str
    sent: float


class Answer(NamedTuple):
    """What came of a message. Times as in `Arrival`; `judged` and `closed` are 0 where it came to neither."""

    key: str
    kind: str
    reaction: str
    sent: float
    begun: float
    judged: float
    closed: float
    ended: float


class Cloud(NamedTuple):
    """A running `benchmarks.loopback_aws`."""

    environment: dict[str, str]
    events: list[tuple[str, dict[str, Any]]]

    def calls(self) -> list[Call]:
        """The calls since this was last asked."""
        with urlopen(f"{self.environment['AWS_ENDPOINT_URL']}/-/calls") as answer:  # noqa: S310 - loopback
            return [Call(*each) for each in json.loads(answer.read())]


@contextmanager
def cloud(events: int, only: str = "") -> Iterator[Cloud]:
    """Run `benchmarks.loopback_aws` until the block ends."""
    command = [sys.executable, "-m", "benchmarks.loopback_aws", "--events", str(events)]
    command += ["--only", only] if only else []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=offline_environment()
    ) as server:
        if server.stdout is None or server.stdin is None:
            raise RuntimeError("pipes were asked for")
        try:
            ready = json.loads(server.stdout.readline())
            lines = Path(ready["events"]).read_text(encoding="utf-8").splitlines()
            yield Cloud(ready["environment"], [tuple(json.loads(line)) for line in lines])
        finally:
            server.stdin.close()


def body_of(event: dict[str, Any], now: float) -> str:
    """The event as it comes to the queue: the call was made now."""
    return json.dumps(event).replace(NOW, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)))


class Function:
    """The function in this process. Its log goes nowhere. `key`: the access key that it calls with."""

    def __init__(self, environment: dict[str, str], key: str) -> None:
        os.environ |= {**offline_environment(), **environment}
        os.environ |= {"AWS_ACCESS_KEY_ID": key, "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION}
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the process
        from sg_compliance.entrypoints import lambda_handler, telemetry  # noqa: PLC0415 - with these settings

        self._respond = lambda_handler.respond
        self._key = key
        self._handled: list[Any] = []
        usual = telemetry.handled

        def handled(what: Any, *more: Any) -> None:
            self._handled.append((what, time.time()))
            usual(what, *more)

        telemetry.handled = handled  # type: ignore[assignment]

    def respond(self, batch: Sequence[Arrival]) -> list[Answer]:
        """Invoke it with a batch. Raises RuntimeError where a message would come again."""
        begun = time.time()
        self._handled.clear()
        answer = self._respond({"Records": [_record(each) for each in batch]}, Invocation())  # type: ignore[arg-type]
        if answer["batchItemFailures"]:
            raise RuntimeError(f"messages would come again: {answer}")
        ended = time.time()
        told = [*self._handled, *[(None, ended)] * (len(batch) - len(self._handled))]
        return [self._answer(each, begun, what, at) for each, (what, at) in zip(batch, told, strict=True)]

    def _answer(self, arrival: Arrival, begun: float, what: Any, ended: float) -> Answer:
        kind, _, sent = arrival
        response = what.responses[0] if what and what.responses else None
        judged = response.judged.timestamp() if response and response.judged else 0.0
        closed = response.closed.timestamp() if response and response.closed else 0.0
        reaction = response.reaction.value if response else "handled before" if what is None else "not looked at"
        return Answer(self._key, kind, reaction, sent, begun, judged, closed, ended)


class Invocation:
    """The context of an invocation, as Lambda gives it."""

    function_name = "respond"
    function_version = "1"
    memory_limit_in_mb = 512
    invoked_function_arn = f"arn:aws:lambda:{REGION}:123456789012:function:respond"
    tenant_id = None

    def __init__(self) -> None:
        self.aws_request_id = str(uuid.uuid4())

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """A minute."""
        return 60_000


def _record(arrival: Arrival) -> dict[str, Any]:
    return {
        "messageId": str(uuid.uuid4()),
        "receiptHandle": "-",
        "body": arrival.body,
        "attributes": {"SentTimestamp": str(int(arrival.sent * 1000)), "ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:events",
        "awsRegion": REGION,
    }


def peak_memory() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT


def serve(
    environment: dict[str, str], key: str, first: Sequence[Arrival], waiting: "Queue[Any]", done: "Queue[Any]"
) -> None:
    """Take a first batch, then batches of what waits, until None comes. Puts its CPU seconds last.

    It is what one concurrent invocation of the function does.
    """
    function = Function(environment, key)
    done.put(function.respond(first))
    begun = time.process_time()
    while (arrival := waiting.get()) is not None:
        batch, last = [arrival], False
        while len(batch) < BATCH and not last:
            try:
                more = waiting.get_nowait()
            except Empty:
                break
            last = more is None
            batch += [] if more is None else [more]
        done.put(function.respond(batch))
        if last:
            break
    done.put(time.process_time() - begun)
