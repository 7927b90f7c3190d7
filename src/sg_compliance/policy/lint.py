"""Remarks on a policy that is well formed: what never fires, contradicts itself, runs out, or does harm.

`lint_codes` lists every code with its meaning; this module looks at all that is not a rule.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sg_compliance.model.addresses import AddressSet, parse_cidr
from sg_compliance.model.intervals import IntervalSet
from sg_compliance.model.security_group import ALL_PORTS, ALL_PROTOCOLS, WITH_PORTS, Direction
from sg_compliance.policy.bound import Kind, SourceType
from sg_compliance.policy.comparison import Opening, sets_off, steps_outside, traffic_within
from sg_compliance.policy.consistency import override_account
from sg_compliance.policy.lint_codes import INFOS, WARNINGS, Level, Lint, remark
from sg_compliance.policy.lint_rules import Placing, placing_of, rule_lints
from sg_compliance.policy.notation import Sources, parse_protocol
from sg_compliance.policy.resolve import Policy, every_rule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sg_compliance.model.finding import Severity
    from sg_compliance.policy.bound import BoundRule
    from sg_compliance.policy.document import Document, ExemptionEntry
    from sg_compliance.policy.reaction import DummyRule

__all__ = ["INFOS", "WARNINGS", "Level", "Lint", "lint"]

_LONGEST_DESCRIPTION: Final = 255
_DESCRIPTION: Final = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]*")
"""AWS's alphabet for the description of a rule (EC2 API reference, IpRange)."""
_PLACEHOLDER: Final = "{violation_reason}"


def lint(document: Document, now: datetime, soon_days: int = 30) -> list[Lint]:
    """Every remark: on rules in their order, then on the rest. An exemption expires soon within so many days."""
    return [
        *rule_lints(document),
        *_networks(document),
        *_exemptions(document, now, timedelta(days=soon_days)),
        *_accounts(document),
        *_reactions(document),
        *_dummy_rule(document),
    ]


def _networks(document: Document) -> Iterator[Lint]:
    keys = ("source", "destination", "sources", "destinations", "allowed_sources", "allowed_destinations")
    used: set[str] = set()
    for found in every_rule(document):
        for value in (getattr(found.rule, key, None) for key in keys):
            used.update([value] if isinstance(value, str) else value or ())
    for name, cidrs in document.x_networks.items():
        path = f"x_networks.{name}"
        if name not in used:
            yield remark(
                "network-unused", path, f"no rule uses the network {name!r}", "delete it, or name it in a rule"
            )
        if not cidrs:
            yield remark("network-empty", path, f"the network {name!r} holds no address", "add a CIDR")


def _exemptions(document: Document, now: datetime, soon: timedelta) -> Iterator[Lint]:
    exemptions = document.exemptions
    for key, entry in exemptions.security_group_exemptions.items():
        yield from _exemption(f"exemptions.security_group_exemptions.{key}", entry, document, now, soon)
    for account, entry in exemptions.account_exemptions.items():
        path = f"exemptions.account_exemptions.{account}"
        yield from _exemption(path, entry, document, now, soon)
        yield from _approval(path, account, entry, document)
        config = next((each for each in document.accounts_config if each.account_id == account), None)
        if config and config.enforcement_level == "disabled":
            message = f"{account} is not scanned: its enforcement_level is disabled"
            yield remark("exemption-disabled-account", path, message, "delete the exemption, or scan the account")


def _exemption(path: str, entry: ExemptionEntry, document: Document, now: datetime, soon: timedelta) -> Iterator[Lint]:
    expires = entry.expires
    if expires is None:
        message = f"never expires (approved by {entry.approved_by})"
        yield remark(
            "exemption-permanent", f"{path}.expiry_date", message, "give it a date on which it is looked at again"
        )
    elif expires <= now:
        message = f"expired {(now - expires).days} days ago: its findings count again"
        yield remark("exemption-expired", f"{path}.expiry_date", message, "delete it, or have it approved anew")
    elif expires <= now + soon:
        message = f"expires in {(expires - now).days} days"
        yield remark(
            "exemption-expires-soon", f"{path}.expiry_date", message, "mend the groups, or have it approved anew"
        )
    disabled = {found.rule.rule_id for found in every_rule(document) if not found.rule.enabled}
    for index, rule_id in enumerate(entry.exempted_rules):
        if rule_id in disabled:
            message = f"{rule_id} is switched off: there is nothing to exempt from"
            yield remark("exempts-disabled-rule", f"{path}.exempted_rules[{index}]", message)


def _approval(path: str, account: str, entry: ExemptionEntry, document: Document) -> Iterator[Lint]:
    """Known for accounts only: the environment of a group is in its tags."""
    policy = Policy(document)
    wanted = policy.rule_set(account, policy.environment_of_account(account)).required_approvals
    if wanted and entry.approved_by not in wanted:
        message = f"approved by {entry.approved_by}, and its environment accepts only {', '.join(wanted)}"
        yield remark("exemption-unapproved", f"{path}.approved_by", message, f"have it approved by {wanted[0]}")


def _accounts(document: Document) -> Iterator[Lint]:
    listed = {config.account_id for config in document.accounts_config}
    overrides = {f"account_specific_overrides.{key}": override_account(key) for key in _override_keys(document)}
    exempted = {f"exemptions.account_exemptions.{key}": key for key in document.exemptions.account_exemptions}
    for path, account in {**overrides, **exempted}.items() if listed else ():
        if account not in listed:
            message = f"accounts_config does not list {account}"
            yield remark("unknown-account", path, message, "add the account to accounts_config, or correct the id")


def _override_keys(document: Document) -> list[str]:
    return list(document.account_specific_overrides.by_key())


def _reactions(document: Document) -> Iterator[Lint]:
    policies, place = document.policies(), document.path_of("real_time_scanning")
    scanning = policies.real_time_scanning
    yield from _told_twice(document)
    mass = scanning.detection_rules.mass_operations_detected
    if mass.threshold_per_hour < mass.threshold_per_minute:
        message = f"{mass.threshold_per_hour} an hour is reached before {mass.threshold_per_minute} a minute ever is"
        path = f"{place}.detection_rules.mass_operations_detected.threshold_per_minute"
        yield remark("threshold-never-reached", path, message, "make threshold_per_hour the larger one")
    remediation = scanning.remediation_settings
    for name in ("emergency_remediation", "immediate_remediation"):
        settings, path = getattr(remediation, name), f"{place}.remediation_settings.{name}"
        if settings.enabled and not settings.backup_before_action:
            yield _no_backup(f"{path}.backup_before_action", name)
        if settings.enabled and not scanning.enabled:
            message = f"{name} is enabled, and real_time_scanning is not"
            yield remark("real-time-off", f"{path}.enabled", message, "enable real_time_scanning, or disable it here")
    actions = policies.compliance_actions
    if (
        actions.remediation_settings.automatic_remediation
        and not actions.violation_handling.backup_rules_before_remediation
    ):
        path = document.path_of("compliance_actions")
        yield _no_backup(f"{path}.violation_handling.backup_rules_before_remediation", "automatic_remediation")
    for index, config in enumerate(document.accounts_config):
        if config.enforcement_level == "enforce" and not config.actions.backup_before_changes:
            yield _no_backup(f"accounts_config[{index}].actions.backup_before_changes", "enforcement")


def _no_backup(path: str, what: str) -> Lint:
    message = f"{what} is enabled and asks for no backup, but a backup is always made"
    return remark("no-backup", path, message, "write true: a change without a backup could not be rolled back")


def _told_twice(document: Document) -> Iterator[Lint]:
    escalation = document.policies().real_time_scanning.notification_escalation
    told: list[Severity] = [
        *escalation.immediate_alert_severities,
        *escalation.hourly_digest_severities,
        *escalation.daily_digest_severities,
    ]
    for severity, times in Counter(told).items():
        if times > 1:
            path = f"{document.path_of('real_time_scanning')}.notification_escalation"
            yield remark("severity-told-twice", path, f"{severity.value} is told {times} times", "leave it in one list")


def _dummy_rule(document: Document) -> Iterator[Lint]:
    handling = document.policies().compliance_actions.violation_handling
    if not handling.create_dummy_rule:
        return
    path = f"{document.path_of('compliance_actions')}.violation_handling.dummy_rule_config"
    dummy = handling.dummy_rule_config
    yield from _dummy_description(dummy, path)
    addresses = AddressSet.of(map(parse_cidr, dummy.cidr_blocks))
    if addresses.count_globally_routable():
        message = "the rule that marks a locked group lets public addresses in"
        yield remark("dummy-rule-public", f"{path}.cidr_blocks", message, 'write ["127.0.0.1/32"]')
    for rule_id in _violated(_opening(dummy, addresses), placing_of(document)):
        message = f"the rule that marks a locked group violates {rule_id}: the group would never comply"
        yield remark("dummy-rule-violates", path, message, "allow it in allowed_rules, or use another port")


def _dummy_description(dummy: DummyRule, path: str) -> Iterator[Lint]:
    text = dummy.description or ""
    left = text.replace(_PLACEHOLDER, "")
    if len(left) > _LONGEST_DESCRIPTION:
        message = f"longer than the {_LONGEST_DESCRIPTION} characters that AWS allows"
        yield remark("dummy-rule-description", f"{path}.description", message, "shorten it")
    if not _DESCRIPTION.fullmatch(left):
        message = "holds characters that AWS does not allow in the description of a rule"
        yield remark(
            "dummy-rule-description",
            f"{path}.description",
            message,
            "use ASCII letters, digits and ._-:/()#,@[]+=&;{}!$*",
        )


def _opening(dummy: DummyRule, addresses: AddressSet) -> Opening:
    protocol = parse_protocol(dummy.protocol)
    with_ports = protocol in WITH_PORTS and dummy.from_port >= 0
    return Opening(
        Direction.INGRESS,
        frozenset({protocol}) if protocol != ALL_PROTOCOLS else None,
        IntervalSet([(dummy.from_port, dummy.to_port)]) if with_ports else ALL_PORTS,
        Sources(addresses=addresses),
        SourceType.CIDR,
    )


def _violated(opening: Opening, placing: Placing) -> Iterator[str]:
    """The rules that a group with nothing but this traffic violates, somewhere."""
    for placed in placing.rules:
        bound = placed.bound
        test = steps_outside if bound.kind is Kind.RESTRICTED else sets_off
        if bound.kind is Kind.ALLOWED or not test(opening, bound):
            continue
        excused = bound.after_allowances and any(
            _allows(allowance.bound, opening) and placing.binds_wherever(allowance, placed)
            for allowance in placing.of_kind(Kind.ALLOWED)
        )
        if not excused:
            yield bound.rule_id


def _allows(allowance: BoundRule, opening: Opening) -> bool:
    named = allowance.sources is None or allowance.sources.addresses.covers(opening.addresses)
    kinds = (SourceType.ANY, SourceType.CIDR)
    same = allowance.direction is opening.direction and allowance.source_type in kinds
    return same and named and traffic_within(opening, allowance)
