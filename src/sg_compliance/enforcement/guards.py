"""The brakes: whom and when to leave alone, and how much at once. Each says why in words; empty is go on.

Tags and names are text that a group's owner chooses: who may tag can protect a group from this tool. So a protection
is reported, never silent, and people can lift it for a time.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sg_compliance.enforcement.calls import is_reserved
from sg_compliance.enforcement.rollback import standing
from sg_compliance.model.concession import ConcessionKind
from sg_compliance.model.journal import EntryKind, EntryState
from sg_compliance.model.security_group import identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sg_compliance.model.concession import Concession
    from sg_compliance.model.journal import Entry
    from sg_compliance.model.security_group import Place, SecurityGroup, SecurityGroupRule

PROTECT_TAG: Final = "sg-compliance:protect"
MOST_GROUPS: Final = 25
MOST_PERCENT: Final = 10.0
_QUOTED: Final = 60
_ORIGIN_ONLY: Final = ("aws:cloudformation:", "aws:servicecatalog:", "aws:createdby")
"""Tags of AWS that say where a group came from or who pays. Its rules are still people's: a stack that is not updated
puts nothing back. Every other tag of AWS's own is set by a service on what it looks after, and only a service can set
it; a service that we do not know is held to be one that puts its rules back."""
_CONTROLLER_TAG: Final = "elbv2.k8s.aws/cluster"
_CONTROLLER_RULES: Final = "elbv2.k8s.aws/"
_CLUSTER_TAG: Final = "kubernetes.io/cluster/"
_CLUSTER_TAGS: Final = (_CLUSTER_TAG, "elbv2.k8s.aws/", "aws:eks:", "eks:", "karpenter.sh/")
_NAMES: Final = (
    (re.compile(r"d-[0-9a-f]+_controllers"), "AWS Directory Service"),
    (re.compile(r"AWSServiceName.*", re.DOTALL), "an AWS service"),
    (re.compile(r"ElasticMapReduce-.*", re.DOTALL), "Amazon EMR"),
    (re.compile(r"eks-cluster-sg-.*", re.DOTALL), "Amazon EKS"),
    (re.compile(r"FMManagedSecurityGroup.*", re.DOTALL), "AWS Firewall Manager"),
)


def protections(group: SecurityGroup, caller_account: str = "") -> tuple[str, ...]:
    """Why the group is to be left alone, unless people name it. `caller_account`: who would change it."""
    return tuple(dict.fromkeys(_protections(group, caller_account)))


def _protections(group: SecurityGroup, caller_account: str) -> Iterator[str]:
    if caller_account and group.account_id != caller_account:
        yield f"it belongs to account {group.account_id} and is only shared with {caller_account}"
    if (group.tag(PROTECT_TAG) or "").strip().lower() == "true":
        yield f"it is tagged {PROTECT_TAG}=true"
    for key, value in group.tags:
        if _is_of_a_service(key, value):
            yield f"a service manages it: it is tagged {key}={value}"
    for pattern, service in _NAMES:
        if pattern.fullmatch(group.name):
            yield f"{service} manages it: its name is {group.name}"
    if _is_of_a_cluster(group) and any((rule.description or "").startswith(_CONTROLLER_RULES) for rule in group.rules):
        yield f"a load balancer controller writes its rules: a description begins with {_CONTROLLER_RULES}"
    if group.managed_interfaces:
        yield f"a service manages network interfaces that it is attached to: {', '.join(group.managed_interfaces)}"


def _is_of_a_cluster(group: SecurityGroup) -> bool:
    """Whether a tag says so. Whoever opens a group writes the description: by itself it would protect what it opens."""
    return any(key.startswith(_CLUSTER_TAGS) for key, _ in group.tags)


def _is_of_a_service(key: str, value: str) -> bool:
    if is_reserved(key):
        return not key.lower().startswith(_ORIGIN_ONLY)
    return key == _CONTROLLER_TAG or (key.startswith(_CLUSTER_TAG) and value == "owned")


def unprotected(concessions: Iterable[Concession], place: Place, now: datetime) -> Concession | None:
    """The leave that people gave to change this very group, while it lasts."""
    running = (
        each
        for each in concessions
        if each.kind is ConcessionKind.UNPROTECTION
        and each.subject == place.group_id
        and each.approved_by.strip()
        and (each.expires is None or each.expires > now)
    )
    return next(running, None)


def flapping(entries: Iterable[Entry], now: datetime, times: int = 3, window: timedelta = timedelta(hours=24)) -> str:
    """Whether a group was remediated so often that somebody puts its rules back. The entries are those of one group.

    What was taken back by a rollback does not count: it was this tool that put the rules back.
    """
    done = sorted(
        each.ended or each.started
        for each in standing(entries)
        if each.kind is EntryKind.REMEDIATION and each.state in {EntryState.DONE, EntryState.GIVEN_UP}
    )
    recent = [time for time in done if now - time < window]
    if len(recent) < times:
        return ""
    hours = window / timedelta(hours=1)
    last = recent[-1].isoformat(timespec="seconds")
    return f"remediated {len(recent)} times within {hours:g} hours, last at {last}: something puts its rules back"


def held(entries: Iterable[Entry], now: datetime) -> datetime | None:
    """Until when real time leaves the group alone: as its newest rollback says, None where that time is over."""
    rollbacks = [
        each for each in entries if each.kind is EntryKind.ROLLBACK and each.state is not EntryState.SUPERSEDED
    ]
    newest = max(rollbacks, key=lambda each: each.started, default=None)
    hold = newest.hold_until if newest else None
    return hold if hold and hold > now else None


def budget(
    planned: Mapping[str, int],
    totals: Mapping[str, int],
    max_groups: int = MOST_GROUPS,
    max_percent: float = MOST_PERCENT,
) -> tuple[str, ...]:
    """Why a run that would change so many groups of each account is too much. One group of an account never is.

    `totals`: how many groups the accounts have; an account that is not in there has too few to say.
    """
    problems = [
        f"{count} of the {totals.get(account, 0)} groups of account {account} would be changed, at most "
        f"{max_percent:g} % may be"
        for account, count in sorted(planned.items())
        if count > 1 and count * 100 > max_percent * totals.get(account, 0)
    ]
    every = sum(planned.values())
    if every > max_groups:
        problems.insert(0, f"{every} groups would be changed, at most {max_groups} may be in one run")
    return tuple(problems)


def fingerprint(group: SecurityGroup, prefix: str = "COMPLIANCE_") -> str:
    """SHA-256 over the rules with their descriptions and the group's tags.

    The order of rules, their ids and their tags do not matter, nor tags that begin with `prefix` or are AWS's own.
    """
    state = {
        "rules": sorted(map(_rule, group.rules)),
        "malformed": sorted([str(part) for part in rule] for rule in group.malformed),
        "tags": sorted([key, value] for key, value in group.tags if not _ignored(key, prefix)),
    }
    return hashlib.sha256(json.dumps(state, separators=(",", ":")).encode()).hexdigest()


def _rule(rule: SecurityGroupRule) -> list[str]:
    return [*map(str, identity(rule)), rule.description or ""]


def _ignored(key: str, prefix: str) -> bool:
    return is_reserved(key) or (bool(prefix) and key.startswith(prefix) and key != PROTECT_TAG)


class Pause(NamedTuple):
    """What the pause switch says: why, who, since when; `until` None is until somebody resumes."""

    reason: str
    by: str
    since: datetime
    until: datetime | None = None

    @classmethod
    def parse(cls, text: str) -> Pause:
        """The pause that was encoded. Raises ValueError."""
        try:
            raw: dict[str, Any] = json.loads(text)
            until = raw.get("until")
            return cls(str(raw["reason"]), str(raw["by"]), _time(raw["since"]), _time(until) if until else None)
        except (AttributeError, KeyError, TypeError, RecursionError, ValueError) as error:
            message = f"the pause switch holds {text.strip()[:_QUOTED]!r}, which cannot be read"
            raise ValueError(message) from error

    def encode(self) -> str:
        """The text of the switch."""
        until = {"until": self.until.isoformat()} if self.until else {}
        return json.dumps({"reason": self.reason, "by": self.by, "since": self.since.isoformat(), **until})

    def __str__(self) -> str:
        """One line for people."""
        until = f" until {self.until.isoformat(timespec='seconds')}" if self.until else ""
        return f"paused by {self.by} since {self.since.isoformat(timespec='seconds')}{until}: {self.reason}"


def paused(text: str, now: datetime) -> str:
    """Why no change may be made now, by the text of the pause switch. One that cannot be read stops changes too."""
    if not text.strip():
        return ""
    try:
        pause = Pause.parse(text)
    except ValueError as error:
        return f"paused: {error}"
    return str(pause) if pause.until is None or pause.until > now else ""


def _time(text: str) -> datetime:
    """A time without an offset is UTC."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
