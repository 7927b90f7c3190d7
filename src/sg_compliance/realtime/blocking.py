"""A block from when it is asked for to when it is over: how long, why, and what is written and said of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.errors import InputError
from sg_compliance.model.block import Because, Block, BlockState, TargetKind
from sg_compliance.model.finding import Severity
from sg_compliance.model.notice import Notice, NoticeKind
from sg_compliance.model.visible import visible
from sg_compliance.realtime.block_record import block_record
from sg_compliance.realtime.deny_policy import ON_ITS_WAY, POLICY_NAME, whole

if TYPE_CHECKING:
    from datetime import datetime

    from sg_compliance.model.block import Target
    from sg_compliance.realtime.deny_policy import Standing
    from sg_compliance.realtime.verdict import Verdict

SHORTEST: Final = timedelta(minutes=1)
"""What is over before IAM has spread it keeps nobody out."""
BOUNDS: Final = "from 1m to 7d"
LONGEST: Final = timedelta(days=7)
"""What is to last longer is no containment: take the keys or the role away."""
AUTOMATIC: Final = timedelta(hours=1)
"""How long nobody is asked: time for a person to look."""
LEFT_ALONE: Final = timedelta(hours=24)
"""After a person has lifted a block nobody but a person blocks again for so long."""
_MOST_CAUSES: Final = 20
_LONGEST_REASON: Final = 500

Event = dict[str, Any]


def checked_lasting(lasting: timedelta) -> timedelta:
    """How long a block is to last. Raises InputError."""
    if not SHORTEST <= lasting <= LONGEST:
        raise InputError(f"a block lasts {BOUNDS}, and this is {lasting}", hint="give --for 1h, or up to 7d")
    return lasting


def checked_reason(reason: str) -> str:
    """The reason in one line of bounded length. Raises InputError where there is none."""
    line = " ".join(reason.split())
    if not line:
        raise InputError("no reason is given", hint="say why: --reason TEXT")
    return visible(line[:_LONGEST_REASON])


def evidence(verdict: Verdict) -> str:
    """Why a principal is contained, in one line."""
    seconds = int(verdict.window.total_seconds())
    within = "a minute" if seconds == 60 else "an hour" if seconds == 3600 else f"{seconds} s"  # noqa: PLR2004
    at_least = "at least " if verdict.at_least else ""
    return (
        f"{verdict.count:,} operations within {within} (more than {verdict.threshold:,}), {verdict.failed:,} of them "
        f"failed, on {at_least}{_count(verdict.groups, 'group')} in {at_least}{_count(verdict.regions, 'region')}, "
        f"from {verdict.first:%F %T} to {verdict.last:%F %T} UTC"
    )


def new_block(target: Target, reason: str, by: str, now: datetime, lasting: timedelta, cause: str = "") -> Block:  # noqa: PLR0913, PLR0917  all that a block is
    """A block that begins now; of a role, it is for the sessions that are issued until it has spread."""
    causes = (cause,) if cause else ()
    return Block(target, reason, by, now, whole(now + lasting), whole(now + ON_ITS_WAY), BlockState.BEGUN, causes)


def merged(wanted: Block, kept: Block | None, standing: Standing | None) -> Block:
    """The block with what runs already: never shorter than that, and for no fewer sessions."""
    made = wanted
    if kept is not None and kept.runs(wanted.created):
        causes = tuple(dict.fromkeys((*kept.causes, *wanted.causes)))[-_MOST_CAUSES:]
        expires, before = max(made.expires, kept.expires), max(made.before, kept.before)
        made = replace(made, created=kept.created, expires=expires, before=before, causes=causes)
        made = replace(made, earlier=_earlier(kept, wanted))
    if standing is not None and standing.expires > wanted.created:
        before = max(made.before, standing.before or made.before)
        made = replace(made, expires=max(made.expires, standing.expires), before=before)
    return made


def _earlier(kept: Block, wanted: Block) -> tuple[Because, ...]:
    """What it was asked for before, the last ones: not what is only begun anew."""
    last, now = Because(kept.reason, kept.by), Because(wanted.reason, wanted.by)
    return tuple(each for each in dict.fromkeys((*kept.earlier, last)) if each != now)[-_MOST_CAUSES:]


def ending(block: Block, why: str, by: str) -> Block:
    """The block while a person takes it away: it may still stand."""
    return replace(block, lifted=Because(visible(why[:_LONGEST_REASON]), by))


def lifted(block: Block, why: str, by: str, now: datetime) -> Block:
    """The block after a person took it away: kept for a while, so that nobody but a person puts it back."""
    return replace(ending(block, why, by), state=BlockState.LIFTED, expires=whole(now + LEFT_ALONE))


def undo(block: Block) -> str:
    """The command that takes a block back."""
    return f"sg-compliance unblock {block.id}"


def effect(target: Target) -> str:
    """What a block does, and what it does not, for people."""
    if target.kind is TargetKind.USER:
        return "Every call of the user is denied, with keys, in the console and with tokens got from them."
    return (
        "Every call of sessions of the role that exist now is denied, of all people and workloads that use it. "
        "Who may still assume the role gets in again with a new session: see its trust policy."
    )


NOT_UNDONE: Final = "What the principal did already stays done; sessions of other roles that it has go on."


def blocked_event(block: Block, run_id: str, *, extended: bool) -> Event:
    """The line about a block that is about to be put."""
    return _event("block extended" if extended else "blocked", block, block.by, run_id) | {
        "why": block.reason,
        "until": block.expires.isoformat(),
    }


def refused_event(arn: str, account_id: str, reason: str, cause: str, by: str, run_id: str) -> Event:  # noqa: PLR0913, PLR0917  all that the line says
    """The line about somebody who was to be blocked, and is not."""
    return {
        "event": "block refused",
        "run_id": run_id,
        "by": by,
        "why": cause,
        "account_id": account_id,
        "principal": visible(arn[:_LONGEST_REASON]),
        "status": "refused",
        "reason": reason,
    }


def lifted_event(block: Block, why: str, by: str, run_id: str) -> Event:
    """The line about a block that a person takes away."""
    return _event("unblocked", block, by, run_id) | {"why": why}


def expired_event(block: Block, by: str, run_id: str) -> Event:
    """The line about a block whose time is over."""
    return _event("block expired", block, by, run_id) | {"until": block.expires.isoformat()}


def _event(what: str, block: Block, by: str, run_id: str) -> Event:
    """`principal` is the ARN; the whole record is beside it."""
    return {
        "event": what,
        "run_id": run_id,
        "by": by,
        "account_id": block.target.account_id,
        "principal": block.target.arn,
        "block": block_record(block),
    }


def blocked_notice(block: Block, event: Event) -> Notice:
    """The message about somebody who is blocked now."""
    lines = [
        *_who(block),
        f"Until: {_minute(block.expires)}, then it is over by itself",
        effect(block.target),
        NOT_UNDONE,
        f"To undo it: {undo(block)}",
    ]
    return _notice(block, event, Severity.CRITICAL, event["event"], lines)


def failed_notice(block: Block, event: Event, reason: str) -> Notice:
    """The message about somebody who was to be blocked, and perhaps is not."""
    lines = [
        *_who(block),
        f"Not certain: {visible(reason)}",
        f"If the policy {POLICY_NAME} stands there, it ends by itself: {_minute(block.expires)}",
        f"To try again: sg-compliance block {block.target.arn}",
        f"To undo it: {undo(block)}",
    ]
    return _notice(block, event, Severity.CRITICAL, "could not be blocked", lines)


def over_notice(block: Block, event: Event) -> Notice:
    """The message about somebody who is not blocked any more."""
    why = f"Because: {event['why']}" if event.get("why") else f"Its time was over: {_minute(block.expires)}"
    by = event["by"]
    lines = [f"Principal: {block.target.arn}", f"Was blocked for: {block.reason}", why, f"By: {by}"]
    severity = Severity.HIGH if event["event"] == "unblocked" else Severity.MEDIUM
    return _notice(block, event, severity, "unblocked" if event["event"] == "unblocked" else "block is over", lines)


def _who(block: Block) -> list[str]:
    return [
        f"Principal: {block.target.arn}",
        f"Account: {block.target.account_id}",
        f"Because: {block.reason}",
        f"By: {block.by}",
    ]


def _notice(block: Block, event: Event, severity: Severity, what: str, lines: list[str]) -> Notice:
    target = block.target
    return Notice(
        kind=NoticeKind.BLOCK,
        severity=severity,
        subject=f"{target.kind} {target.name} in {target.account_id}: {what}",
        text="\n".join(visible(line) for line in lines),
        account_id=target.account_id,
        record=event,
    )


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number != 1 else ''}"
