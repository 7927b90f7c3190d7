"""Adding a rule never mends a group; the change that a finding proposes does, and takes no more than it must."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given

from sg_compliance.model.addresses import AddressSet
from sg_compliance.model.intervals import EMPTY, IntervalSet
from sg_compliance.model.security_group import ALL_PROTOCOLS, CidrPeer
from tests.builders import bind, document, judge, read
from tests.properties.cases import LISTS, documents, permissions, raw_groups

if TYPE_CHECKING:
    from sg_compliance.model.change import RuleChange
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.security_group import SecurityGroup, SecurityGroupRule
    from tests.builders import Json


def rests(change: RuleChange) -> list[SecurityGroupRule]:
    """The rules that are authorized in place of the one that is revoked."""
    return [
        change.rule._replace(
            first=rest.first,
            last=rest.last,
            peer=change.rule.peer if rest.block is None else CidrPeer(rest.block, str(rest.block)),
        )
        for rest in change.keep
    ]


def changed(group: SecurityGroup, finding: Finding) -> SecurityGroup:
    """The group after the change."""
    revoked = {change.rule for change in finding.change}
    kept = [rule for rule in group.rules if rule not in revoked]
    return replace(group, rules=(*kept, *(rest for change in finding.change for rest in rests(change))))


def addresses(rule: SecurityGroupRule) -> AddressSet:
    return AddressSet.of([rule.peer.block]) if isinstance(rule.peer, CidrPeer) else AddressSet()


@given(raw=raw_groups(), more=permissions(), written=documents())
def test_adding_a_rule_never_makes_a_prohibited_finding_vanish(raw: Json, more: Json, written: Json) -> None:
    prohibited_only = document(
        *written["prohibited_rules"]["inbound"], outbound=written["prohibited_rules"]["outbound"]
    )
    before = judge(bind(prohibited_only), read(raw), LISTS)
    after = judge(bind(prohibited_only), read({**raw, "IpPermissions": [*raw["IpPermissions"], more]}), LISTS)
    assert {each.rule_id for each in before} <= {each.rule_id for each in after}
    assert {each.rule_id for each in before if each.certain} <= {each.rule_id for each in after if each.certain}


@given(raw=raw_groups(), written=documents())
def test_after_the_change_the_rule_does_not_fire_any_more(raw: Json, written: Json) -> None:
    bound, group = bind(written), read(raw)
    for finding in judge(bound, group, LISTS):
        assert finding.change
        after = [each for each in judge(bound, changed(group, finding), LISTS) if each.rule_id == finding.rule_id]
        assert not [each for each in after if each.certain or not finding.certain]


@given(raw=raw_groups(), written=documents())
def test_the_change_opens_nothing_new(raw: Json, written: Json) -> None:
    group = read(raw)
    for finding in judge(bind(written), group, LISTS):
        for change in finding.change:
            assert change.rule in group.rules
            for rest in rests(change):
                assert change.rule.first <= rest.first <= rest.last <= change.rule.last
                assert rest.peer == change.rule.peer or addresses(change.rule).covers(addresses(rest))


@given(raw=raw_groups(), written=documents())
def test_the_change_keeps_every_port_that_does_not_violate(raw: Json, written: Json) -> None:
    for finding in judge(bind(written), read(raw), LISTS):
        for change in finding.change:
            if change.rule.protocol == ALL_PROTOCOLS:
                continue
            own = IntervalSet([(change.rule.first, change.rule.last)])
            whole = IntervalSet([(rest.first, rest.last) for rest in change.keep if rest.block is None])
            violating = {each.protocol: each.ports for each in finding.overlaps}  # -1: protocols without their own
            assert violating.get(change.rule.protocol, violating.get(ALL_PROTOCOLS, EMPTY)).covers(own - whole)


@given(raw=raw_groups(), written=documents())
def test_the_change_of_restricted_traffic_keeps_every_allowed_address(raw: Json, written: Json) -> None:
    inbound = [
        rule | {"allowed_sources": ["10.0.0.0/9", "8.8.8.0/24"]} for rule in written["restricted_rules"]["inbound"]
    ]
    allowed = AddressSet.parse("10.0.0.0/9", "8.8.8.0/24")
    for finding in judge(bind(document(restricted=inbound)), read(raw), LISTS):
        for change in finding.change:
            if change.rule.protocol == ALL_PROTOCOLS or not isinstance(change.rule.peer, CidrPeer):
                continue
            for port in {change.rule.first, change.rule.last}:
                kept = [rest for rest in rests(change) if rest.first <= port <= rest.last]
                assert AddressSet.of(each.peer.block for each in kept if isinstance(each.peer, CidrPeer)).covers(
                    addresses(change.rule) & allowed
                )
