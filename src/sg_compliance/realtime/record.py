"""What an event comes to: a change, or a reason why it is none. Both say who called, from where and when."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sg_compliance.model.addresses import Cidr
    from sg_compliance.model.security_group import Direction, MalformedRule, SecurityGroupRule
    from sg_compliance.realtime.principals import Principal


class ChangeKind(StrEnum):
    """What was done. Descriptions of rules are `described`; `attachment` is of groups to interfaces and instances."""

    CREATED = "created"
    RULES_ADDED = "rules_added"
    RULES_REMOVED = "rules_removed"
    RULES_MODIFIED = "rules_modified"
    DELETED = "deleted"
    DESCRIBED = "described"
    PREFIX_LIST = "prefix_list"
    ASSOCIATION = "association"
    ATTACHMENT = "attachment"


class SkipReason(StrEnum):
    """Why an event is no change to judge."""

    READ_ONLY = "read-only"
    UNSUPPORTED = "unsupported"
    FAILED_CALL = "failed call"
    NOT_ABOUT_GROUPS = "not about groups"
    OWN_CHANGE = "own change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One call. The account is the one whose group it is, whoever called.

    `own`: a session of our role under our session name. `impostor`: a session of our role that is not ours.
    `user_agent` and `source_ip` are what the caller said, or the name of a service.
    """

    account_id: str
    region: str
    event_id: str
    event_name: str
    event_time: datetime
    principal: Principal
    source_ip: str = ""
    user_agent: str = ""
    own: bool = False
    impostor: bool = False

    def said(self) -> dict[str, Any]:
        """What every record says, by name, for a change or a skip that says more."""
        return {each.name: getattr(self, each.name) for each in fields(Record)}


class ModifiedRule(NamedTuple):
    """What a rule has become. The record names it by its id and does not say its direction."""

    rule_id: str
    as_ingress: SecurityGroupRule

    def facing(self, direction: Direction) -> SecurityGroupRule:
        """The rule, in the direction that it has in its group: a rule never changes it."""
        return self.as_ingress._replace(direction=direction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Record):
    """A call that changed something. It says where to look; what is there is AWS's to tell.

    `groups` are ids; `group_names` stand in their place where a call in a default VPC gave only a name. `rule_ids` are
    of rules that the record names without telling them. `complete`: the record tells all that it should; CloudTrail
    leaves out a request or a response of more than 100 KB (CloudTrail user guide, record contents).
    `malformed` rules of a modification are noted as ingress.
    """

    kind: ChangeKind
    groups: tuple[str, ...] = ()
    group_names: tuple[str, ...] = ()
    vpc_ids: tuple[str, ...] = ()
    prefix_lists: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    rules_added: tuple[SecurityGroupRule, ...] = ()
    rules_removed: tuple[SecurityGroupRule, ...] = ()
    rules_modified: tuple[ModifiedRule, ...] = ()
    rule_ids: tuple[str, ...] = ()
    malformed: tuple[MalformedRule, ...] = ()
    entries_added: tuple[Cidr, ...] = ()
    entries_removed: tuple[Cidr, ...] = ()
    complete: bool = True

    def expected_rules(self, directions: Mapping[str, Direction]) -> tuple[SecurityGroupRule, ...]:
        """The rules that the group must have now: those added, and those modified whose direction is known by id."""
        known = (each for each in self.rules_modified if each.rule_id in directions)
        return (*self.rules_added, *(each.facing(directions[each.rule_id]) for each in known))


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped(Record):
    """A call that is not judged. `note` says more, such as the error code. `change` is what we did ourselves."""

    reason: SkipReason
    note: str = ""
    change: Change | None = None
