"""What a process of the function costs before its first event: importing the handler, and the first invocation.

Runs in a fresh process, from the sources or from the package that `tools/package.py --arch here` makes. Prints one line
of JSON: seconds of CPU and of the clock for `import` (the module `lambda_handler`), `first` (an invocation with a
change that is compliant) and `closing` (one that closes a group: the clients for that are new too), and the peak of
memory in bytes.

Usage: python benchmarks/cold_start.py EVENTS, with the environment of the function; EVENTS holds two events, a line
each.
"""

import json
import os
import resource
import sys
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def main() -> None:
    """Measure, and print."""
    compliant, violating = map(json.loads, Path(sys.argv[1]).read_text(encoding="utf-8").splitlines())
    said = sys.stdout
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the process
    figures, module = _timed(_imported)
    told: dict[str, Any] = {"import": figures, "from": module.__file__}
    for name, event in (("first", compliant), ("closing", violating)):
        told[name], answer = _timed(partial(module.respond, _batch(event), _invocation()))
        if answer["batchItemFailures"]:
            raise SystemExit("the message would come again")
    unit = 1 if sys.platform == "darwin" else 1024
    told["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    said.write(json.dumps(told) + "\n")


def _imported() -> Any:
    from sg_compliance.entrypoints import lambda_handler  # noqa: PLC0415 - this is what is measured

    return lambda_handler


def _timed(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}, result


def _batch(event: dict[str, Any]) -> dict[str, Any]:
    attributes = {"SentTimestamp": str(int(time.time() * 1000)), "ApproximateReceiveCount": "1"}
    record = {"messageId": str(uuid.uuid4()), "receiptHandle": "-", "body": json.dumps(event), "attributes": attributes}
    arn = "arn:aws:sqs:eu-west-1:123456789012:events"
    return {"Records": [{**record, "messageAttributes": {}, "eventSource": "aws:sqs", "eventSourceARN": arn}]}


def _invocation() -> Any:
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:respond"
    return SimpleNamespace(
        function_name="respond",
        function_version="1",
        memory_limit_in_mb=512,
        invoked_function_arn=arn,
        tenant_id=None,
        aws_request_id=str(uuid.uuid4()),
        get_remaining_time_in_millis=lambda: 60_000,
    )


if __name__ == "__main__":
    main()
