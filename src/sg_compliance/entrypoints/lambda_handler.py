"""The functions of a deployment: `scan`, `respond`, `recheck` and `digest`.

Each reads what it was called for, calls one use case, and says what came of it. What fails is in the log and in the
metric LambdaErrors, and fails the invocation, or sends its message back: nothing fails in silence.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

# Before pydantic, which this would load models for: a third of a second more at every cold start.
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from sg_compliance.bootstrap import deployed
from sg_compliance.entrypoints import telemetry
from sg_compliance.entrypoints.telemetry import logger
from sg_compliance.entrypoints.triggers import cadences_of, digest_of, records_of, scan_of
from sg_compliance.errors import BusyError, SgComplianceError
from sg_compliance.model.metric import Metric, MetricName
from sg_compliance.model.outcome import Status
from sg_compliance.realtime.response import Reaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from sg_compliance.bootstrap.deployed import Deployment
    from sg_compliance.interfaces import Once
    from sg_compliance.policy.parse import ParsedPolicy
    from sg_compliance.realtime.response import Handled
    from sg_compliance.workflows.patrol import Patrolled, Telling
    from sg_compliance.workflows.respond import Batch, Received

_SCAN_RESERVE: Final = 90_000
_MESSAGE_RESERVE: Final = 10_000
"""Milliseconds before the end in which nothing new is begun."""

Handler: TypeAlias = "Callable[[Any, LambdaContext], dict[str, Any]]"
_levels: Final = telemetry.Levels()


@cache
def deployed_here() -> Deployment:
    """What was deployed: read at the first invocation of a process."""
    return deployed.deployment(logger.warning)


def _function(work: Callable[[Deployment, Any, LambdaContext], dict[str, Any]]) -> Handler:
    """Make a handler: its log lines say which invocation they are of, and what fails is told before it fails."""

    def handler(event: Any, context: LambdaContext) -> dict[str, Any]:  # noqa: ANN401 - whatever the function is sent
        with _failures(work.__name__.strip("_")):
            deployment = deployed_here()
            _levels.follow(deployment.log_level, deployment.clock.now())
            answer = work(deployment, event, context)
            _settle()
            return answer

    return logger.inject_lambda_context(handler, correlation_id_path="id", clear_state=True)


@cache
def _settle() -> None:
    """Have the garbage collector pass over what is there after the first invocation: 0.15 s each time it looks.

    Most of it are the SDK's models of services, which stay for as long as the process.
    """
    gc.freeze()


@contextmanager
def _failures(function: str) -> Iterator[None]:
    """Tell what fails, and fail with a sentence of our own: Lambda would write the error's text as it is."""
    try:
        yield
    except BusyError as error:
        logger.warning("%s: %s", function, error)
        raise _FailedError(function) from None
    except SgComplianceError as error:
        telemetry.failure(error, f"{function} failed")
        _count_error(function)
        raise _FailedError(function) from None
    except Exception:  # noqa: BLE001 - told, and raised in other words
        logger.exception("%s failed", function)
        _count_error(function)
        raise _FailedError(function) from None


class _FailedError(Exception):
    """An invocation failed; why is in the log."""

    def __init__(self, function: str) -> None:
        super().__init__(f"{function} failed: the line before this one in the log says why")


def _count_error(function: str) -> None:
    deployed.figures().put(Metric(MetricName.LAMBDA_ERRORS, 1, {"function": function}))


# ---- scan ----


def _scan(deployment: Deployment, event: Any, context: LambdaContext) -> dict[str, Any]:  # noqa: ANN401
    asked = scan_of(event, deployment.settings)
    late = partial(_is_late, context, _SCAN_RESERVE)
    logger.info("scan begins", scan=asked.kind, narrowed=not asked.narrowing.is_whole, dry_run=asked.dry_run)
    with deployment.patrol(partial(_telling, deployment), late, dry_run=asked.dry_run) as patrol:
        patrolled = patrol.go(asked.narrowing)
    for each in patrolled.summary.skipped:
        telemetry.skipped(each)
    for problem in patrolled.problems:
        logger.error("%s", problem)
        _count_error("scan")
    result = _result(patrolled)
    logger.info("scan ended", result=result)
    return result


def _telling(deployment: Deployment, parsed: ParsedPolicy) -> Telling:
    from sg_compliance.reports.machine import jsonl_report

    return deployment.telling(parsed, partial(jsonl_report, parsed), telemetry.violation)


def _result(patrolled: Patrolled) -> dict[str, Any]:
    summary = patrolled.summary
    return {
        "run_id": patrolled.run_id,
        "complete": summary.complete,
        "accounts": len(summary.accounts),
        "groups": summary.groups,
        "open": {severity.value: count for severity, count in summary.open.items()},
        "exempt": summary.exempt,
        "score": summary.score,
        "skipped": len(summary.skipped),
        "told": patrolled.told,
        "changed": sum(outcome.status is Status.CHANGED for outcome in patrolled.outcomes),
        "stopped": patrolled.stopped,
        "report": patrolled.report,
        "problems": len(patrolled.problems),
    }


# ---- respond, recheck ----


def _respond(deployment: Deployment, event: Any, context: LambdaContext) -> dict[str, Any]:  # noqa: ANN401
    """EventBridge's queue. No second look comes from there."""
    return _messages(deployment, event, context, "respond")


def _recheck(deployment: Deployment, event: Any, context: LambdaContext) -> dict[str, Any]:  # noqa: ANN401
    """The queue that this tool writes to itself: who else can write to it has a group looked at, and no more."""
    return _messages(deployment, event, context, "recheck")


def _messages(deployment: Deployment, event: Any, context: LambdaContext, function: str) -> dict[str, Any]:  # noqa: ANN401
    """Handle each message once. Those that failed are named in the answer, and come again."""
    records = records_of(event)
    now = deployment.clock.now()
    looks = function == "recheck"
    batch = deployment.responding().batch([_received(each, now) for each in records], events=not looks, looks=looks)
    once = deployment.once("message", context)
    late = partial(_is_late, context, _MESSAGE_RESERVE)
    handle = partial(_handle, batch, once, late, function, set[tuple[str, str]]())
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    return dict(process_partial_response({"Records": records}, handle, processor, context))


def _received(record: dict[str, Any], now: datetime) -> Received:
    """The message; where SQS does not say when it was sent, it was sent now."""
    from sg_compliance.workflows.respond import Received

    attributes = record.get("attributes") or {}
    try:
        sent = datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC)
        again = int(attributes["ApproximateReceiveCount"]) > 1
    except (LookupError, TypeError, ValueError, OverflowError):
        sent, again = now, False
    return Received(record["messageId"], record["body"], sent, again)


def _handle(  # noqa: PLR0913, PLR0917 - what holds for all of a batch, and the message
    batch: Batch,
    once: Once,
    late: Callable[[], bool],
    function: str,
    said: set[tuple[str, str]],
    record: SQSRecord,
) -> None:
    message_id = record.message_id
    with logger.append_context_keys(message_id=message_id), _failures(function):
        if late():
            raise BusyError("the time is nearly over", hint="the message comes again by itself")
        done = once.do(batch.key(message_id), lambda: _is_done(batch.handle(message_id), said))
        if not done:
            logger.info("handled before", key=batch.key(message_id))


def _is_done(what: Handled, said: set[tuple[str, str]]) -> bool:
    """Tell of it. What the policy does not watch is not done: it may come again when the policy is another one."""
    telemetry.handled(what, said)
    return not what.responses or any(each.reaction is not Reaction.NOT_WATCHED for each in what.responses)


def _is_late(context: LambdaContext, reserve: int) -> bool:
    return context.get_remaining_time_in_millis() < reserve


# ---- digest ----


def _digest(deployment: Deployment, event: Any, context: LambdaContext) -> dict[str, Any]:  # noqa: ANN401
    """Tell what is due, and let go who was blocked for long enough."""
    from sg_compliance.model.block import BlockStatus

    del context
    cadence = digest_of(event)
    parsed = deployment.policy.current()
    told = sum(deployment.digest(parsed, due) for due in cadences_of(cadence))
    released = 0
    for outcome in deployment.containing(parsed).release_expired():
        logger.info("block: %s", outcome.status.value, extra={"reason": outcome.reason})
        if outcome.status is BlockStatus.FAILED:
            logger.error("a block that is over was not taken away: %s", outcome.reason)
            _count_error("digest")
        released += outcome.status is BlockStatus.EXPIRED
    result = {"digest": cadence, "told": told, "released": released}
    logger.info("digest ended", extra={"result": result})
    return result


scan: Final = _function(_scan)
respond: Final = _function(_respond)
recheck: Final = _function(_recheck)
digest: Final = _function(_digest)
