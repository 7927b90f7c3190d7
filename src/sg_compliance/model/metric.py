"""The figures that are published: alarms, dashboards and docs go by these names."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

NAMESPACE: Final = "SecurityGroup/Compliance"


class Unit(StrEnum):
    """CloudWatch's names of units (CloudWatch API reference, MetricDatum)."""

    COUNT = "Count"
    SECONDS = "Seconds"
    NONE = "None"


class MetricName(StrEnum):
    """What is measured."""

    COMPLIANCE_VIOLATIONS = "ComplianceViolations"
    REMEDIATION_ACTIONS = "RemediationActions"
    LAMBDA_ERRORS = "LambdaErrors"
    SCAN_DURATION = "ScanDuration"
    MASS_OPERATIONS_DETECTED = "MassOperationsDetected"
    CRITICAL_VIOLATIONS_FOUND = "CriticalViolationsFound"
    EMERGENCY_REMEDIATIONS_PERFORMED = "EmergencyRemediationsPerformed"
    REAL_TIME_SCAN_DURATION = "RealTimeScanDuration"
    DETECTION_LATENCY = "DetectionLatency"
    CONTAINMENT_LATENCY = "ContainmentLatency"
    GROUPS_SCANNED = "GroupsScanned"
    ACCOUNTS_FAILED = "AccountsFailed"
    EXEMPTIONS_EXPIRING = "ExemptionsExpiring"
    COMPLIANCE_SCORE = "ComplianceScore"
    EVENTS_REJECTED = "EventsRejected"
    OWN_CHANGES = "OwnChanges"
    PRINCIPALS_BLOCKED = "PrincipalsBlocked"

    @property
    def unit(self) -> Unit:
        """Its unit: it never has another."""
        return _UNITS.get(self, Unit.COUNT)


_UNITS: Final[Mapping[MetricName, Unit]] = {
    MetricName.SCAN_DURATION: Unit.SECONDS,
    MetricName.REAL_TIME_SCAN_DURATION: Unit.SECONDS,
    MetricName.DETECTION_LATENCY: Unit.SECONDS,
    MetricName.CONTAINMENT_LATENCY: Unit.SECONDS,
    MetricName.COMPLIANCE_SCORE: Unit.NONE,
}


class Metric(NamedTuple):
    """One figure. `dimensions` name what it is of, such as `{"severity": "critical", "account": "111122223333"}`."""

    name: MetricName
    value: float = 1.0
    dimensions: Mapping[str, str] = {}


def seconds(span: timedelta) -> float:
    """How long something took, as a figure: never less than nothing, whatever clocks say."""
    return max(span.total_seconds(), 0.0)
