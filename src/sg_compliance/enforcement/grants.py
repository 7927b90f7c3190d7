"""Exemptions and unprotections as people ask for them, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from sg_compliance.errors import InputError
from sg_compliance.model.concession import Concession, ConcessionKind
from sg_compliance.policy.approvals import unaccepted_by_account
from sg_compliance.policy.consistency import HYGIENE_RULE_IDS
from sg_compliance.policy.resolve import Policy, every_rule
from sg_compliance.policy.times import parse_duration, parse_future

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sg_compliance.policy.document import Document
    from sg_compliance.policy.parse import ParsedPolicy

EMERGENCY_HOURS: Final = 24
MOST_EMERGENCY_HOURS: Final = 168
LONGEST_UNPROTECTION: Final = timedelta(days=30)
LONGEST_EXEMPTION: Final = timedelta(days=3653)
"""Ten years: what is to last longer is a slip, or is permanent."""
_GROUP: Final = re.compile(r"sg-[0-9a-z]+", re.ASCII)
_ACCOUNT: Final = re.compile(r"\d{12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """An exemption as it is asked for. `expires` is a time or a duration; `hours` are those of an emergency."""

    rules: tuple[str, ...]
    group_id: str = ""
    account_id: str = ""
    reason: str = ""
    approved_by: str = ""
    expires: str = ""
    permanent: bool = False
    emergency: bool = False
    hours: int | None = None


def exemption(asked: Asked, policy: ParsedPolicy, now: datetime, by: str) -> Concession:
    """The exemption that is asked for. Raises InputError where something is missing, or it would never count."""
    _check_rules(asked.rules, policy)
    made = Concession(
        kind=ConcessionKind.EXEMPTION,
        subject=subject_of(asked.group_id, asked.account_id),
        rules=tuple(dict.fromkeys(asked.rules)),
        reason=_given(asked.reason, "reason", "say why: --reason TEXT"),
        approved_by=_given(asked.approved_by, "approver", "say who agreed to it: --approved-by NAME"),
        expires=_expiry(asked, now),
        created=now,
        created_by=by,
        emergency=asked.emergency,
    )
    _check_approver(made, asked.account_id, policy.document)
    return made


def _check_approver(made: Concession, account_id: str, document: Document) -> None:
    """An exemption that its environment does not accept would count for nothing. Certain for accounts only."""
    refused = unaccepted_by_account(Policy(document), made.approved_by, account_id) if account_id else None
    if refused:
        needs = " or ".join(refused.needs)
        raise InputError(
            f"account {account_id} is in {refused.environment}, where only exemptions approved by {needs} count: "
            f"approved by {made.approved_by} it would never take effect",
            hint=f"have it approved by {needs}: --approved-by {refused.needs[0]}",
        )


def unprotection(asked: Asked, now: datetime, by: str) -> Concession:
    """Leave to change one protected group for a time. Raises InputError."""
    try:
        lasting = parse_duration(asked.expires)
    except ValueError as error:
        raise InputError(f"--for: {error}", hint="a group can be unprotected for 30d at most") from None
    if not timedelta() < lasting <= LONGEST_UNPROTECTION:
        raise InputError(f"--for {asked.expires} is not possible", hint="a group can be unprotected for 30d at most")
    return Concession(
        kind=ConcessionKind.UNPROTECTION,
        subject=subject_of(asked.group_id, ""),
        rules=(),
        reason=_given(asked.reason, "reason", "say why: --reason TEXT"),
        approved_by=_given(asked.approved_by, "approver", "say who agreed to it: --approved-by NAME"),
        expires=now + lasting,
        created=now,
        created_by=by,
    )


def subject_of(group_id: str, account_id: str) -> str:
    """What a grant is for: one group, or one account. Raises InputError."""
    if bool(group_id) == bool(account_id):
        raise InputError("a grant is for one group or one account", hint="give either --group sg-… or --account ID")
    if group_id and not _GROUP.fullmatch(group_id):
        raise InputError(
            f"{group_id!r} is no id of a group", hint="give the id (sg-…): names can be given to any group"
        )
    if account_id and not _ACCOUNT.fullmatch(account_id):
        raise InputError(f"{account_id!r} is not a 12-digit account id", hint="give the id of the account")
    return group_id or account_id


def exemption_id_of(given: str, group_id: str, account_id: str) -> str:
    """The id of an exemption: as it is given, or of its group or account. Raises InputError."""
    if given and (group_id or account_id):
        raise InputError("an id and --group or --account say the same twice", hint="give one of them")
    if given:
        return given if "/" in given else f"{ConcessionKind.EXEMPTION}/{given}"
    return f"{ConcessionKind.EXEMPTION}/{subject_of(group_id, account_id)}"


def unprotection_id_of(group_id: str) -> str:
    """The id of a group's unprotection. Raises InputError."""
    return f"{ConcessionKind.UNPROTECTION}/{subject_of(group_id, '')}"


def _given(text: str, what: str, hint: str) -> str:
    """The text in one line: in a message to people no reason can pass for a line of its own."""
    if not text.strip():
        raise InputError(f"no {what} is given", hint=hint)
    return " ".join(text.split())


def _expiry(asked: Asked, now: datetime) -> datetime | None:
    given = [
        name
        for name, value in (
            ("--expires", asked.expires),
            ("--permanent", asked.permanent),
            ("--emergency", asked.emergency),
        )
        if value
    ]
    if len(given) != 1:
        said = f"{' and '.join(given)} contradict each other" if given else "no end is given"
        raise InputError(said, hint="give one of --expires TIME, --permanent, --emergency")
    if asked.hours is not None and not asked.emergency:
        raise InputError("--hours is for --emergency only", hint="say --expires 12h")
    if asked.emergency:
        return now + timedelta(hours=_hours(asked.hours))
    return _future(asked.expires, now) if asked.expires else None


def _hours(hours: int | None) -> int:
    hours = EMERGENCY_HOURS if hours is None else hours
    if not 1 <= hours <= MOST_EMERGENCY_HOURS:
        hint = f"give 1 to {MOST_EMERGENCY_HOURS} hours; what is to last longer is no emergency: --expires"
        raise InputError(f"--hours {hours} is not possible", hint=hint)
    return hours


def _future(text: str, now: datetime) -> datetime:
    try:
        expires = parse_future(text, now)
    except ValueError as error:
        raise InputError(f"--expires: {error}", hint="a time (RFC 3339), or how long from now: 30d") from None
    if expires <= now:
        raise InputError(f"--expires {text} has passed already", hint="give a time that is to come, or 30d")
    if expires - now > LONGEST_EXEMPTION:
        hint = "10 years are the most; what is meant to last for good is --permanent"
        raise InputError(f"--expires {text} is too far away", hint=hint)
    return expires


def _check_rules(rules: Iterable[str], policy: ParsedPolicy) -> None:
    """A misspelt id would exempt from nothing, and nobody would notice."""
    known = rule_ids(policy.document)
    for rule_id in rules:
        if rule_id not in known:
            nearest = get_close_matches(rule_id, sorted(known), n=1)
            also = f"; did you mean {nearest[0]}?" if nearest else ""
            raise InputError(
                f"{rule_id!r} is not a rule of {policy.source}{also}",
                hint="see which there are: sg-compliance policy show; name your own policy with --policy",
            )
    if not list(rules):
        raise InputError("no rule is given", hint="name the rules to exempt from: --rule RULE_ID")


def rule_ids(document: Document) -> frozenset[str]:
    """The ids of everything that can be exempted from."""
    return frozenset((*HYGIENE_RULE_IDS, *(found.rule.rule_id for found in every_rule(document))))
