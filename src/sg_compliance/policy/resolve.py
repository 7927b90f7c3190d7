"""Document + account + environment → the rule set that binds one group."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from sg_compliance.model.finding import Severity
from sg_compliance.model.security_group import ALL_PORTS, ALL_PROTOCOLS, WITH_PORTS, Direction
from sg_compliance.policy.bound import BoundRule, Hygiene, Kind, Match, RuleSet, SourceType
from sg_compliance.policy.consistency import override_account
from sg_compliance.policy.notation import Sources, environment_name, parse_ports, parse_protocol, parse_sources
from sg_compliance.policy.rule import AllowedRule, ProhibitedRule, RestrictedRule, Restriction, Violable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sg_compliance.model.columns import Whose
    from sg_compliance.model.intervals import IntervalSet
    from sg_compliance.model.security_group import SecurityGroup
    from sg_compliance.policy.document import AccountConfig, AccountOverride, Document, GlobalRules, Policies
    from sg_compliance.policy.rule import Rule

_RULE_SETS = 4096
_TAG = "Environment"


class Found(NamedTuple):
    """A rule of the document and where it stands.

    `direction` None: the rule's own keys say. `environment`, `account`: of the section and the override that it
    stands in, None outside of any.
    """

    path: str
    direction: Direction | None
    rule: Rule
    environment: str | None = None
    account: str | None = None

    def environments(self) -> frozenset[str] | None:
        """Where it binds, by what it says and where it stands; None is everywhere, an empty set is nowhere."""
        named = frozenset(map(environment_name, self.rule.environments))
        if self.environment is None:
            return named or None
        return frozenset({self.environment}) & named if named else frozenset({self.environment})

    def binds_in(self, environment: str | None) -> bool:
        """Whether it binds groups of this environment."""
        wanted = self.environments()
        return wanted is None or environment in wanted


def every_rule(document: Document) -> Iterator[Found]:
    """Every rule of the document, enabled or not, in the order in which findings are told."""
    yield from _rules_of(document.policies(), document.path_of)
    for key, override in document.account_specific_overrides.by_key().items():
        place, account = f"account_specific_overrides.{key}", override_account(key)
        for found in _rules_of(override, f"{place}.{{}}".format):
            yield found._replace(account=account)
        for index, rule in enumerate(override.additional_prohibited_rules):
            yield Found(f"{place}.additional_prohibited_rules[{index}]", None, rule, account=account)


def environments_of(document: Document) -> set[str]:
    """The environments that the document speaks of, under their one name."""
    holders: list[Policies | AccountOverride] = [document.policies()]
    holders += document.account_specific_overrides.by_key().values()
    names = {name for holder in holders for name in holder.environment_specific.by_name()}
    names.update(name for found in every_rule(document) for name in found.rule.environments)
    names.update(config.environment for config in document.accounts_config if config.environment)
    return set(map(environment_name, names))


def _rules_of(policies: Policies | AccountOverride, path_of: Callable[[str], str]) -> Iterator[Found]:
    for name in ("prohibited_rules", "restricted_rules", "allowed_rules"):
        section = getattr(policies, name)
        for key, direction in (("inbound", Direction.INGRESS), ("outbound", Direction.EGRESS)):
            for index, rule in enumerate(getattr(section, key)):
                yield Found(f"{path_of(name)}.{key}[{index}]", direction, rule)
    for name, environment in policies.environment_specific.by_name().items():
        for key in ("additional_restrictions", "additional_allowances"):
            for index, rule in enumerate(getattr(environment, key)):
                path = f"{path_of('environment_specific')}.{name}.{key}[{index}]"
                yield Found(path, None, rule, environment_name(name))


class Policy:
    """A document, and the rule sets that it makes. `environment` is the deployment's, the last to be asked."""

    def __init__(self, document: Document, environment: str | None = None) -> None:
        self.document = document
        self._deployment = environment_name(environment) if environment else None
        self._accounts = {config.account_id: config for config in document.accounts_config}
        self._overrides = {
            account: override
            for key, override in document.account_specific_overrides.by_key().items()
            if (account := override_account(key))
        }
        self._bound = [
            (found, bind(found, document.x_networks)) for found in every_rule(document) if found.rule.enabled
        ]
        self._environments = environments_of(document)
        self.rule_set = lru_cache(maxsize=_RULE_SETS)(self._rule_set)
        self._binding = lru_cache(maxsize=_RULE_SETS)(self._rule_set_of)

    def account(self, account_id: str) -> AccountConfig | None:
        """What `accounts_config` says of the account."""
        return self._accounts.get(account_id)

    def watches(self, account_id: str) -> bool:
        """Whether the account's groups are judged at all: not where its enforcement level is `disabled`."""
        config = self._accounts.get(account_id)
        return config is None or config.enforcement_level != "disabled"

    def environment_of(self, group: SecurityGroup | Whose) -> str | None:
        """The group's `Environment` tag, else its account's environment, else the deployment's."""
        return self._environment(group.account_id, group.tag(_TAG))

    def _environment(self, account_id: str, tag: str | None) -> str | None:
        return environment_name(tag) if tag and tag.strip() else self.environment_of_account(account_id)

    def environment_of_account(self, account_id: str) -> str | None:
        """The environment of groups that have no `Environment` tag."""
        config = self._accounts.get(account_id)
        return environment_name(config.environment) if config and config.environment else self._deployment

    def binding(self, group: SecurityGroup | Whose) -> RuleSet:
        """The rule set that binds the group.

        Environments and accounts that the document does not speak of share one: tags are text of anybody's choice.
        """
        return self._binding(group.account_id, group.tag(_TAG))

    def _rule_set_of(self, account_id: str, tag: str | None) -> RuleSet:
        environment = self._environment(account_id, tag)
        own = account_id if account_id in self._overrides else ""
        return self.rule_set(own, environment if environment in self._environments else None)

    def _rule_set(self, account_id: str, environment: str | None) -> RuleSet:
        override = self._overrides.get(account_id)
        inherited = override is None or override.inherit_global_rules
        policies = self.document.policies() if inherited else None
        accounts = {account_id, None} if inherited else {account_id}
        bound = [bound for found, bound in self._bound if found.account in accounts and found.binds_in(environment)]
        return RuleSet(
            account_id,
            environment,
            tuple(rule for rule in bound if rule.kind is not Kind.ALLOWED),
            tuple(rule for rule in bound if rule.kind is Kind.ALLOWED),
            _hygiene(policies.global_rules if policies else None, override.global_rules if override else None),
            self._approvals(policies, override, environment),
        )

    @staticmethod
    def _approvals(
        policies: Policies | None, override: AccountOverride | None, environment: str | None
    ) -> tuple[str, ...]:
        holders = [holder.environment_specific for holder in (policies, override) if holder]
        named = [
            approver
            for environments in holders
            for name, section in environments.by_name().items()
            if environment_name(name) == environment
            for approver in section.required_approvals
        ]
        return tuple(dict.fromkeys(named))

    def rules(self) -> Iterator[BoundRule]:
        """Every enabled rule of the document, whatever account or environment it is for."""
        return (bound for _, bound in self._bound)


def _hygiene(inherited: GlobalRules | None, own: GlobalRules | None) -> Hygiene:
    """What an account's own `global_rules` say stands before what it inherits, key by key."""
    if inherited and own:
        own = inherited.model_copy(update={key: getattr(own, key) for key in own.model_fields_set})
    rules = own or inherited
    if rules is None:
        return Hygiene()
    return Hygiene(
        tuple(rules.required_tags) if rules.enforce_tagging else (),
        rules.max_rules_per_sg,
        max(1, rules.min_description_length) if rules.require_descriptions else None,
    )


def bind(found: Found, networks: Mapping[str, Sequence[str]]) -> BoundRule:
    """Turn a rule's text into what the evaluation judges."""
    rule = found.rule
    direction = found.direction or (Direction.EGRESS if _sources_of(rule, outbound=True) else Direction.INGRESS)
    kind = _kind(rule)
    written = _sources_of(rule, outbound=direction is Direction.EGRESS)
    protocols, ports = _traffic(rule)
    prohibited = rule if isinstance(rule, ProhibitedRule) else None
    return BoundRule(
        rule_id=rule.rule_id,
        kind=kind,
        direction=direction,
        severity=Severity(rule.severity),
        path=found.path,
        description=rule.description or "",
        reason=rule.reason or "",
        protocols=protocols,
        ports=ports,
        sources=_sources(written, kind, rule, networks),
        source_type=SourceType(rule.source_type),
        pattern=re.compile(rule.source_pattern) if rule.source_pattern else None,
        after_allowances=kind is Kind.RESTRICTED or found.environment is not None,
        references=tuple(rule.references),
        strategy=rule.strategy if isinstance(rule, Violable) else None,
        port_match=_port_match(prohibited, ports) if prohibited else Match.OVERLAP,
        source_match=Match(prohibited.source_match) if prohibited and prohibited.source_match else None,
        max_public_addresses=prohibited.max_public_addresses if prohibited else None,
    )


def _kind(rule: Rule) -> Kind:
    if isinstance(rule, AllowedRule):
        return Kind.ALLOWED
    if isinstance(rule, Restriction):
        limited = rule.allowed_sources or rule.allowed_destinations or rule.restricted_port_ranges
        return Kind.RESTRICTED if limited else Kind.PROHIBITED
    return Kind.RESTRICTED if isinstance(rule, RestrictedRule) else Kind.PROHIBITED


def _sources_of(rule: Rule, *, outbound: bool) -> list[str]:
    one, many, allowed = (
        ("destination", "destinations", "allowed_destinations")
        if outbound
        else ("source", "sources", "allowed_sources")
    )
    single = getattr(rule, one, None)
    return [*([single] if single else []), *getattr(rule, many, []), *getattr(rule, allowed, [])]


def _sources(written: list[str], kind: Kind, rule: Rule, networks: Mapping[str, Sequence[str]]) -> Sources | None:
    """None is every peer: what a prohibited or allowed rule means that names no peer at all."""
    if written or kind is Kind.RESTRICTED or rule.source_pattern:
        return parse_sources(written, networks)
    return None


def _traffic(rule: Rule) -> tuple[frozenset[int] | None, IntervalSet]:
    """Protocols and ports. Ports without a protocol are ports of tcp and udp, which have them."""
    protocol = parse_protocol(rule.protocol)
    texts = [*([rule.port_range] if rule.port_range else []), *rule.port_ranges]
    for key in ("prohibited_port_ranges", "restricted_port_ranges", "allowed_port_ranges"):
        texts += getattr(rule, key, [])
    ports = parse_ports(texts, protocol) if texts else ALL_PORTS
    if protocol != ALL_PROTOCOLS:
        return frozenset({protocol}), ports
    return (None, ALL_PORTS) if ports == ALL_PORTS else (WITH_PORTS, ports)


def _port_match(rule: ProhibitedRule, ports: IntervalSet) -> Match:
    """As the rule says; else cover for a rule that names every port, for it is about groups that open them all."""
    if rule.port_match:
        return Match(rule.port_match)
    every_port = ports == ALL_PORTS and rule.max_public_addresses is None
    return Match.COVER if every_port else Match.OVERLAP
