"""The policy document as pydantic models: every key of the format, nothing else. The JSON Schema is made from these.

A key that is not here is an error (a misspelt rule section that is ignored would be an open door); keys that start
with `x_` belong to the user and are taken out before the models see the document, save the two that have a meaning.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

from pydantic import ConfigDict, Field

from sg_compliance.policy.automation import Automation, PrincipalPattern
from sg_compliance.policy.reaction import ComplianceActions, RealTimeScanning
from sg_compliance.policy.rule import (
    AccountId,
    AllowedRule,
    AllowedRules,
    Count,
    Duration,
    Expiry,
    Flag,
    NonEmpty,
    Points,
    ProhibitedRule,
    ProhibitedRules,
    Region,
    RestrictedRules,
    Restriction,
    Section,
    SecurityGroupId,
    StrategyText,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class GlobalRules(Section):
    """Hygiene that is asked of every group."""

    enforce_tagging: Flag = False
    required_tags: list[NonEmpty] = []
    max_rules_per_sg: Count | None = None
    require_descriptions: Flag = False
    min_description_length: Count = 1


class Environment(Section):
    """What is different in one environment."""

    additional_restrictions: list[Restriction] = []
    additional_allowances: list[AllowedRule] = []
    required_approvals: list[NonEmpty] = []


class Environments(Section):
    """Environments by name."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Environment] = Field(init=False)

    def by_name(self) -> dict[str, Environment]:
        """The environments under their names as written."""
        return self.__pydantic_extra__


class Policies(Section):
    """The sections of the policy proper."""

    global_rules: GlobalRules = GlobalRules()
    prohibited_rules: ProhibitedRules = ProhibitedRules()
    restricted_rules: RestrictedRules = RestrictedRules()
    allowed_rules: AllowedRules = AllowedRules()
    environment_specific: Environments = Environments()
    compliance_actions: ComplianceActions = ComplianceActions()
    real_time_scanning: RealTimeScanning = RealTimeScanning()


class AccountOverride(Section):
    """What is different in one account."""

    inherit_global_rules: Flag = True
    additional_prohibited_rules: list[ProhibitedRule] = []
    global_rules: GlobalRules | None = None
    prohibited_rules: ProhibitedRules = ProhibitedRules()
    restricted_rules: RestrictedRules = RestrictedRules()
    allowed_rules: AllowedRules = AllowedRules()
    environment_specific: Environments = Environments()


class ExemptionEntry(Section):
    """Rules that a group or an account need not keep, until a time or for ever, and who said so."""

    reason: NonEmpty
    exempted_rules: Annotated[list[NonEmpty], Field(min_length=1)]
    expiry_date: Expiry
    approved_by: NonEmpty
    review_frequency: str | None = None

    @property
    def expires(self) -> datetime | None:
        """The time of expiry, or None for a permanent exemption."""
        return self.expiry_date if isinstance(self.expiry_date, datetime) else None


class Granted(NamedTuple):
    """An exemption that was granted outside the document, for a group or an account; `path` is where it is kept."""

    path: str
    subject: str
    entry: ExemptionEntry


class Exemptions(Section):
    """Exemptions by group and by account."""

    security_group_exemptions: dict[SecurityGroupId, ExemptionEntry] = {}
    account_exemptions: dict[AccountId, ExemptionEntry] = {}
    _granted: tuple[Granted, ...] = ()
    """What was granted outside the document."""

    def with_granted(self, granted: Iterable[Granted]) -> Self:
        """The same exemptions with these beside them. None stands in place of another: each counts by itself."""
        made = self.model_copy()
        made._granted = (*self._granted, *granted)  # noqa: SLF001 - its own class
        return made

    def of(self, group_id: str, account_id: str) -> Iterator[Granted]:
        """Every exemption of the group and of its account."""
        for scope, entries, subject in (
            ("security_group_exemptions", self.security_group_exemptions, group_id),
            ("account_exemptions", self.account_exemptions, account_id),
        ):
            if subject in entries:
                yield Granted(f"exemptions.{scope}.{subject}", subject, entries[subject])
        yield from (each for each in self._granted if each.subject in {group_id, account_id})


class Deductions(Section):
    """Points that one open finding costs its group."""

    critical_violation: Points = 25
    high_violation: Points = 10
    medium_violation: Points = 5
    low_violation: Points = 1
    info_violation: Points = 0


class ScoreCalculation(Section):
    """How the compliance score is counted."""

    total_possible_points: Annotated[Points, Field(gt=0)] = 100
    deductions: Deductions = Deductions()


class Reporting(Section):
    """Figures and the score."""

    metrics_to_track: list[NonEmpty] = []
    compliance_score_calculation: ScoreCalculation = ScoreCalculation()


class AccountActions(Section):
    """What may be done in one account."""

    tag_non_compliant: Flag = True
    add_warning_rule: Flag = False
    remove_violating_rules: Flag = False
    send_notifications: Flag = True
    backup_before_changes: Flag = True


class WarningSettings(Section):
    """How a warning becomes more."""

    grace_period_days: Count = 7
    escalation_schedule: list[Duration] = []
    auto_enforce_after_days: Count | None = None


class AccountConfig(Section):
    """One account: who it is and how far the tool may go there."""

    account_id: AccountId
    account_name: str | None = None
    environment: NonEmpty | None = None
    enforcement_level: Literal["disabled", "monitor", "warn", "enforce"] = "monitor"
    regions: list[Region] = []
    cross_account_role_name: NonEmpty | None = None
    strategy: StrategyText | None = None
    actions: AccountActions = AccountActions()
    notification_settings: dict[str, Any] = {}
    warning_settings: WarningSettings = WarningSettings()
    monitoring_settings: dict[str, Any] = {}


class AccountOverrides(Section):
    """Overrides under any key that ends in a 12-digit account id."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, AccountOverride] = Field(init=False)

    def by_key(self) -> dict[str, AccountOverride]:
        """The overrides under their keys as written."""
        return self.__pydantic_extra__


class Document(Policies):
    """The whole document. Sections of `compliance_policies` may also stand at the top level, but not in both places."""

    version: str | None = None
    last_updated: str | None = None
    metadata: dict[str, Any] = {}
    compliance_policies: Policies = Policies()
    account_specific_overrides: AccountOverrides = AccountOverrides()
    exemptions: Exemptions = Exemptions()
    reporting: Reporting = Reporting()
    accounts_config: list[AccountConfig] = []
    x_networks: dict[NonEmpty, list[NonEmpty]] = {}
    x_automation: dict[PrincipalPattern, Automation] = {}

    @staticmethod
    def section_names() -> tuple[str, ...]:
        """The sections that may stand at the top level or in `compliance_policies`."""
        return tuple(name for name in Policies.model_fields if name != "description")

    def policies(self) -> Policies:
        """The sections, wherever they stand."""
        at_top = {name: getattr(self, name) for name in self.section_names() if name in self.model_fields_set}
        return self.compliance_policies.model_copy(update=at_top)

    def path_of(self, section: str) -> str:
        """Where a section stands."""
        return section if section in self.model_fields_set else f"compliance_policies.{section}"
