"""What can be wrong with a policy that is well formed: every code, what it means, and how bad it is.

warning: something in the policy does not do what it seems to say. info: worth knowing, and often meant.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class Level(StrEnum):
    """How bad it is."""

    WARNING = "warning"
    INFO = "info"


class Lint(NamedTuple):
    """One remark on a policy: where, what, and what to do about it."""

    level: Level
    code: str
    path: str
    message: str
    hint: str


WARNINGS: Final = {
    "no-rules": "no enabled rule that a group could violate",
    "never-binds": "a rule for environments that its own section excludes",
    "unknown-environment": "a rule for an environment that nothing else knows, though one is spelt like it",
    "never-matches": "a rule whose source_type excludes every peer that it names, or whose networks are all empty",
    "budget-never-exceeded": "max_public_addresses that no group can exceed: there are not that many addresses",
    "source-ignored": "a source or source_match that counts for nothing beside max_public_addresses",
    "restriction-allows-all": "a restricted rule that allows the whole internet",
    "allowance-prohibited": "allowed traffic that a prohibited rule forbids altogether: prohibition wins",
    "restriction-prohibited": "a restricted rule that allows what a prohibited rule forbids to the same groups",
    "restriction-allowed": "a restricted or environment rule that never fires, for all of its traffic is allowed",
    "duplicate-rule": "two rules that say the same about the same groups",
    "shadowed-rule": "a rule that finds nothing which another does not find with at least its severity and references",
    "exemption-expired": "an exemption that has expired: its findings count again",
    "exemption-expires-soon": "an exemption that expires within the next days",
    "exemption-unapproved": "an exemption that its environment does not accept: approved by none of required_approvals",
    "exemption-disabled-account": "an exemption for an account that is not scanned: enforcement_level disabled",
    "unknown-account": "an override or exemption for an account that accounts_config does not list",
    "network-unused": "a name in x_networks that no rule uses",
    "network-empty": "a name in x_networks without a CIDR",
    "severity-told-twice": "a severity in more than one list of notification_escalation, or twice in one",
    "threshold-never-reached": "threshold_per_hour below threshold_per_minute: the latter is never reached first",
    "no-backup": "a remediation that is switched on and asks for no backup: one is always made",
    "dummy-rule-public": "a dummy rule that opens something to public addresses",
    "dummy-rule-violates": "a dummy rule that violates the policy itself, so that a locked group never complies",
    "dummy-rule-description": "a description of the dummy rule that AWS would refuse or cut",
}
INFOS: Final = {
    "rule-disabled": "a rule that is switched off",
    "rule-unexplained": "a rule without reason and description: its findings cannot say why",
    "environment-undescribed": "a rule for an environment that nothing else knows: only the tags of groups can name it",
    "restriction-allows-nobody": "a restricted rule without an allowed peer: prohibited would say it in one word",
    "exemption-permanent": "an exemption that never expires",
    "exempts-disabled-rule": "an exemption from a rule that is switched off",
    "real-time-off": "a remediation in real time that is enabled while real_time_scanning is not",
}


def remark(code: str, path: str, message: str, hint: str = "") -> Lint:
    """A lint with the level of its code."""
    return Lint(Level.WARNING if code in WARNINGS else Level.INFO, code, path, message, hint)
