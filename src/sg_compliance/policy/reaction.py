"""What the organisation does about findings and events: the sections `compliance_actions` and `real_time_scanning`."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from sg_compliance.model.finding import Severity
from sg_compliance.model.security_group import LAST_PORT
from sg_compliance.policy.rule import CidrText, Count, Flag, NonEmpty, ProtocolText, Section, StrategyText

Port: TypeAlias = Annotated[int, Field(ge=-1, le=LAST_PORT, strict=True)]


class DummyRule(Section):
    """The rule that explains why a group is empty. `{violation_reason}` is filled in."""

    protocol: ProtocolText = "tcp"
    from_port: Port = LAST_PORT
    to_port: Port = LAST_PORT
    cidr_blocks: list[CidrText] = ["127.0.0.1/32"]

    @model_validator(mode="after")
    def _ports_in_order(self) -> Self:
        if self.protocol.strip().lower() in {"tcp", "udp", "6", "17"} and self.from_port > self.to_port:
            message = "expected from_port to be at most to_port"
            raise ValueError(message)
        return self


class ViolationHandling(Section):
    """What happens to a group that violates."""

    tag_non_compliant: Flag = True
    tag_prefix: NonEmpty = "COMPLIANCE_"
    backup_rules_before_remediation: Flag = True
    create_dummy_rule: Flag = True
    dummy_rule_config: DummyRule = DummyRule()


AlertLevel: TypeAlias = Literal["immediate", "within_1_hour", "daily_digest", "weekly_digest"]


class AlertLevels(Section):
    """When each severity is told."""

    critical: AlertLevel = "immediate"
    high: AlertLevel = "within_1_hour"
    medium: AlertLevel = "daily_digest"
    low: AlertLevel = "weekly_digest"


class NotificationSettings(Section):
    """Who is told, and when."""

    send_immediate_alerts: Flag = True
    alert_levels: AlertLevels = AlertLevels()


class RemediationSettings(Section):
    """When a group may be changed, in hours, and how."""

    automatic_remediation: Flag = False
    require_manual_approval: Flag = True
    grace_period_hours: Count = 24
    escalation_after_hours: Count = 72
    strategy: StrategyText = "lockdown"


class ComplianceActions(Section):
    """Handling, notification, and remediation."""

    violation_handling: ViolationHandling = ViolationHandling()
    notification_settings: NotificationSettings = NotificationSettings()
    remediation_settings: RemediationSettings = RemediationSettings()


class DetectionRule(Section):
    """What to do when a group is created."""

    enabled: Flag = True
    immediate_scan: Flag = True
    scan_within_seconds: Count = 30
    notify_on_violations: Flag = True
    auto_remediate_critical: Flag = False


class CriticalPattern(Section):
    """A CIDR and a protocol that make a new rule critical."""

    pattern: CidrText
    protocol: ProtocolText = "*"


class RiskyRuleAdded(DetectionRule):
    """What to do when a rule is added."""

    scan_within_seconds: Count = 15
    critical_patterns: list[CriticalPattern] = []


class MassOperations(Section):
    """How many changes by one principal are too many."""

    enabled: Flag = True
    threshold_per_minute: Count = 10
    threshold_per_hour: Count = 50
    block_suspicious_users: Flag = False
    notify_security_team: Flag = True
    escalate_after_operations: Count = 20


class DetectionRules(Section):
    """The three detections."""

    new_security_group_created: DetectionRule = DetectionRule()
    risky_rule_added: RiskyRuleAdded = RiskyRuleAdded()
    mass_operations_detected: MassOperations = MassOperations()


class LockdownMode(Section):
    """What an emergency does to a group."""

    remove_all_rules: Flag = True
    add_dummy_rule: Flag = True
    tag_as_emergency: Flag = True


class EmergencyRemediation(Section):
    """Lock a group down at once."""

    enabled: Flag = False
    severity_threshold: Severity = Severity.CRITICAL
    backup_before_action: Flag = True
    lockdown_mode: LockdownMode = LockdownMode()


class ImmediateRemediation(Section):
    """Remediate after a grace period in minutes."""

    enabled: Flag = False
    severity_threshold: Severity = Severity.HIGH
    grace_period_minutes: Count = 5
    backup_before_action: Flag = True


class RealTimeRemediation(Section):
    """The two ways to react to an event."""

    emergency_remediation: EmergencyRemediation = EmergencyRemediation()
    immediate_remediation: ImmediateRemediation = ImmediateRemediation()


class NotificationEscalation(Section):
    """Which severities go where in real time."""

    immediate_alert_severities: list[Severity] = [Severity.CRITICAL]
    hourly_digest_severities: list[Severity] = [Severity.HIGH]
    daily_digest_severities: list[Severity] = [Severity.MEDIUM]
    security_team_channels: list[NonEmpty] = []


class RealTimeScanning(Section):
    """Reacting to API calls."""

    enabled: Flag = False
    detection_rules: DetectionRules = DetectionRules()
    remediation_settings: RealTimeRemediation = RealTimeRemediation()
    notification_escalation: NotificationEscalation = NotificationEscalation()
