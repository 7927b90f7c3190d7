"""Remedies close what they are to close, open nothing and take no more than they must; calls get a group there.

Traffic is compared as sets, and judged by the oracle as well. The calls are played on a small world of its own that
refuses what AWS refuses.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count, pairwise
from typing import TYPE_CHECKING, Final

from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.aws.render import render_group
from sg_compliance.enforcement.calls import after, calls, settled
from sg_compliance.enforcement.marker import marker
from sg_compliance.enforcement.strategies import Remedy, Strategy, remedy
from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.model.addresses import AddressSet
from sg_compliance.model.change import Authorize, Describe, Revoke, Tag, Untag, Wanted
from sg_compliance.model.finding import FindingState
from sg_compliance.model.intervals import EMPTY, IntervalSet
from sg_compliance.model.quota import quota_count
from sg_compliance.model.security_group import ALL_PROTOCOLS, Direction, identity
from sg_compliance.model.traffic import PeerSet, Traffic
from sg_compliance.policy.reaction import ViolationHandling
from tests import oracle
from tests.builders import NOW, bind, document, lists, read
from tests.properties.cases import LISTS, documents, raw_groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.model.change import Call
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.security_group import SecurityGroup, SecurityGroupRule
    from tests.builders import Json

PREFIX_LISTS: Final = lists(LISTS)
MARKER: Final = marker(ViolationHandling(), "SSH is open")
UNLIMITED: Final = 100_000
strategies = st.sampled_from(Strategy)
gentle = st.sampled_from([Strategy.TRIM, Strategy.REVOKE_VIOLATING])


class Case:
    """A group under a policy, and its remedy by these strategies, drawn rule by rule."""

    def __init__(self, raw: Json, written: Json, draw: st.DataObject, of: st.SearchStrategy[Strategy]) -> None:
        self.evaluator = Evaluator(bind(written), NOW)
        self.group = read(raw)
        self.findings = self.evaluate(self.group)
        self.chosen = {finding.rule_id: draw.draw(of) for finding in self.findings}

    def evaluate(self, group: SecurityGroup) -> list[Finding]:
        return self.evaluator.evaluate(group, PREFIX_LISTS)

    def remedy(self, quota: int = UNLIMITED) -> Remedy:
        return remedy(self.group, self.findings, self.chosen, self.evaluate, PREFIX_LISTS, MARKER, quota)


def left(case: Case, made: Remedy) -> list[Finding]:
    found = case.evaluate(after(case.group, made.wanted))
    return [each for each in found if each.rule_id in case.chosen and each.state is FindingState.OPEN]


@given(raw=raw_groups(), written=documents(), data=st.data())
def test_nothing_remains_of_the_remedied_rules_but_what_is_said_to(
    raw: Json, written: Json, data: st.DataObject
) -> None:
    case = Case(raw, written, data, strategies)
    made = case.remedy(data.draw(st.sampled_from([UNLIMITED, 60, 3])))
    named = {each.rule_id for each in made.remaining}
    assert {each.rule_id for each in left(case, made)} <= named
    marks = set(map(identity, MARKER))
    certain = {each.rule_id for each in case.findings if each.certain}
    for finding in made.remaining:
        own = made.strategy is Strategy.LOCKDOWN and marks.issuperset(map(identity, finding.evidence))
        assert own or (not finding.certain and finding.rule_id in certain)
    assert {each.rule_id for each in made.closed} == set(case.chosen) - named


@given(raw=raw_groups(), written=documents(), data=st.data())
def test_the_oracle_finds_none_of_the_remedied_rules_any_more(raw: Json, written: Json, data: st.DataObject) -> None:
    case = Case(raw, written, data, gentle)
    verdicts = oracle.verdicts(written, render_group(after(case.group, case.remedy().wanted)), LISTS)
    certain = {finding.rule_id: finding.certain for finding in case.findings}
    assert [rule_id for rule_id, sure in verdicts.items() if sure and rule_id in certain] == []
    assert [rule_id for rule_id in verdicts if certain.get(rule_id) is False] == []


@given(raw=raw_groups(), written=documents(), data=st.data())
def test_a_remedy_opens_nothing(raw: Json, written: Json, data: st.DataObject) -> None:
    case = Case(raw, written, data, gentle)
    then = after(case.group, case.remedy(data.draw(st.sampled_from([UNLIMITED, 60, 3]))).wanted)
    for direction in Direction:
        for _, _, before, now in segments(case.group, then, direction):
            assert before.addresses.covers(now.addresses)
            assert before.groups >= now.groups
            assert before.unreadable >= now.unreadable


@given(raw=raw_groups(), written=documents(), data=st.data())
def test_a_lockdown_leaves_the_marker_alone(raw: Json, written: Json, data: st.DataObject) -> None:
    case = Case(raw, written, data, st.just(Strategy.LOCKDOWN))
    made = case.remedy()
    if case.findings:
        assert after(case.group, made.wanted).rules == MARKER


@given(raw=raw_groups(), written=documents(), data=st.data())
def test_a_trim_loses_no_port_that_does_not_violate(raw: Json, written: Json, data: st.DataObject) -> None:
    case = Case(trimmable(raw), written, data, st.just(Strategy.TRIM))
    made = case.remedy()
    assert made.notes == ()
    then = after(case.group, made.wanted)
    for direction in Direction:
        violating = [each for each in case.findings if each.direction is direction]
        for protocol, ports, before, now in segments(case.group, then, direction):
            if before != now:
                assert violating_ports(violating, protocol).covers(ports)


@given(raw=raw_groups(), written=documents(), data=st.data())
def test_a_trim_of_restricted_traffic_loses_no_allowed_address(raw: Json, written: Json, data: st.DataObject) -> None:
    allowed = ["10.0.0.0/9", "8.8.8.0/24", "2600::/20"]
    inbound = [rule | {"allowed_sources": allowed} for rule in written["restricted_rules"]["inbound"]]
    only_cidrs = {**trimmable(raw), "IpPermissionsEgress": []}
    only_cidrs["IpPermissions"] = [each | {"PrefixListIds": []} for each in only_cidrs["IpPermissions"]]
    case = Case(only_cidrs, document(restricted=inbound), data, st.just(Strategy.TRIM))
    then = after(case.group, case.remedy().wanted)
    for _, _, before, now in segments(case.group, then, Direction.INGRESS):
        assert now.addresses.covers(before.addresses & AddressSet.parse(*allowed))


@given(raw=raw_groups(), written=documents(), data=st.data())
def test_a_rule_that_opens_no_violating_port_stays(raw: Json, written: Json, data: st.DataObject) -> None:
    case = Case(raw, written, data, gentle)
    made = case.remedy()
    assert made.wanted.gone is not None
    assert made.wanted.gone.isdisjoint(map(identity, made.wanted.rules))
    for direction, protocol, first, last, _ in made.wanted.gone:
        own = [each for each in case.findings if each.direction is direction]
        wanted = {each.protocol for finding in own for each in finding.overlaps} if protocol == ALL_PROTOCOLS else ()
        assert any(violating_ports(own, each).clip(first, last) for each in wanted or {protocol})


@given(raw=raw_groups(), written=documents(), data=st.data(), quota=st.integers(0, 20))
def test_a_remedy_keeps_the_quota_or_what_the_group_has(
    raw: Json, written: Json, data: st.DataObject, quota: int
) -> None:
    case = Case(raw, written, data, gentle)
    once = {identity(rule): rule for rule in case.group.rules}  # AWS has no rule twice
    case.group = replace(case.group, rules=tuple(once.values()))
    then = after(case.group, case.remedy(quota).wanted)
    for direction in Direction:
        now = quota_count(case.group.rules, direction, PREFIX_LISTS)
        for version, number in quota_count(then.rules, direction, PREFIX_LISTS).items():
            assert number <= max(quota, now[version])


def trimmable(raw: Json) -> Json:
    """Without what is never trimmed: all protocols, and lists that cannot be read."""

    def kept(each: Json) -> Json:
        return each | {"PrefixListIds": [own for own in each["PrefixListIds"] if own["PrefixListId"] != "pl-secret"]}

    keys = ("IpPermissions", "IpPermissionsEgress")
    return raw | {key: [kept(each) for each in raw[key] if each["IpProtocol"] != "-1"] for key in keys}


def violating_ports(findings: list[Finding], protocol: int) -> IntervalSet:
    ports = EMPTY
    for finding in findings:
        own = {each.protocol: each.ports for each in finding.overlaps}  # -1: protocols without their own
        ports |= own.get(protocol, own.get(ALL_PROTOCOLS, EMPTY))
    return ports


def segments(
    one: SecurityGroup, other: SecurityGroup, direction: Direction
) -> Iterator[tuple[int, IntervalSet, PeerSet, PeerSet]]:
    """Protocol and ports on which neither group's peers change, with the peers of both."""
    traffic = [
        Traffic.of([rule for rule in each.rules if rule.direction is direction], PREFIX_LISTS) for each in (one, other)
    ]
    for protocol in {47, 255, *(rule.protocol for rule in one.rules)} - {ALL_PROTOCOLS}:
        spans = [traffic[0].of_protocol(protocol), traffic[1].of_protocol(protocol)]
        cuts = sorted({end for own in spans for each in own for end in (each.first, each.last + 1)})
        for first, following in pairwise(cuts):
            peers = [each.peers(protocol, first) for each in traffic]
            yield protocol, IntervalSet([(first, following - 1)]), peers[0], peers[1]


# ---- calls ----


class RefusedError(Exception):
    """What AWS would say."""


class World:
    """One group, and what AWS does to it. Written from AWS's reference, without the code under test."""

    def __init__(self, group: SecurityGroup, quota: int) -> None:
        self.group_id = group.group_id
        self.numbers = count(1)
        self.rules: dict[str, SecurityGroupRule] = {}
        self.tags: dict[str, dict[str, str]] = {group.group_id: dict(group.tags)}
        for rule in group.rules:
            self.add(rule, dict(rule.tags))
        self.template = group
        self.quota = {each: self.counted(each, quota) for each in Direction}

    def counted(self, direction: Direction, least: int = 0) -> dict[int, int]:
        counts = quota_count(self.rules.values(), direction, PREFIX_LISTS)
        return {version: max(number, least) for version, number in counts.items()}

    def add(self, rule: SecurityGroupRule, tags: dict[str, str]) -> None:
        rule_id = f"sgr-{next(self.numbers)}"
        self.rules[rule_id], self.tags[rule_id] = rule, tags

    def shown(self) -> SecurityGroup:
        rules = tuple(
            rule._replace(rule_id=rule_id, tags=tuple(self.tags[rule_id].items()))
            for rule_id, rule in self.rules.items()
        )
        return replace(self.template, rules=rules, tags=tuple(self.tags[self.group_id].items()))

    def do(self, call: Call) -> None:
        if isinstance(call, Revoke):
            for rule in call.rules:
                assert self.rules.pop(rule.rule_id or "").direction is call.direction
        elif isinstance(call, Authorize):
            self.authorize(call)
        elif isinstance(call, Describe):
            for rule in call.rules:
                assert self.rules[rule.rule_id or ""].direction is call.direction
                self.rules[rule.rule_id or ""] = rule
        else:
            self.retag(call)

    def authorize(self, call: Authorize) -> None:
        for rule in call.rules:
            assert rule.direction is call.direction
            if identity(rule) in set(map(identity, self.rules.values())):
                raise RefusedError("InvalidPermission.Duplicate")
            self.add(rule, {})
        most = self.quota[call.direction]
        if any(number > most[version] for version, number in self.counted(call.direction).items()):
            raise RefusedError("RulesPerSecurityGroupLimitExceeded")

    def retag(self, call: Tag | Untag) -> None:
        assert 0 < len(call.resources) <= 1000
        keys = [key for key, _ in call.tags] if isinstance(call, Tag) else call.keys
        if any(key.startswith("aws:") for key in keys):
            raise RefusedError("InvalidParameterValue")
        for resource in call.resources:
            own = self.tags[resource]
            if isinstance(call, Tag):
                own.update(call.tags)
            else:
                assert own.keys() >= set(keys)
                for key in keys:
                    del own[key]
            if sum(not key.startswith("aws:") for key in own) > 50:
                raise RefusedError("TagLimitExceeded")


def state(group: SecurityGroup, *, exact: bool) -> object:
    rules = {(identity(each), each.description or "", frozenset(each.tags if exact else ())) for each in group.rules}
    return rules, dict(group.tags)


_tags = st.dictionaries(st.sampled_from(["Owner", "Purpose", "aws:cloudformation:stack-name", "a", "b"]), st.text("xy"))
_texts = st.sampled_from([None, "", "ssh", "web"])


@st.composite
def described(draw: st.DrawFn) -> SecurityGroup:
    """A group as AWS has it: no rule twice, rules with descriptions and tags."""
    group = read(draw(raw_groups()))
    rules = {identity(rule): rule for rule in group.rules}.values()
    full = {f"t{number}": "" for number in range(draw(st.sampled_from([0, 0, 49, 50])))}
    return replace(
        group,
        rules=tuple(
            rule._replace(description=draw(_texts), tags=tuple(draw(_tags).items())) for rule in list(rules)[:40]
        ),
        tags=tuple(full.items()) if full else tuple(draw(_tags).items()),
    )


@st.composite
def wishes(draw: st.DrawFn, group: SecurityGroup) -> Wanted:
    """What the group might be wanted to become: its own rules and those of another, in part."""
    other = draw(described())
    keep = [rule._replace(description=draw(_texts)) for rule in group.rules if draw(st.booleans())]
    gone = None if draw(st.booleans()) else frozenset(identity(each) for each in group.rules if draw(st.booleans()))
    keys = [key for key, _ in group.tags]
    return Wanted(
        rules=(*keep, *(rule for rule in other.rules[:20] if draw(st.booleans()))),
        gone=gone,
        tags=tuple(draw(_tags).items()),
        untagged=frozenset(draw(st.lists(st.sampled_from([*keys, "nobody", "aws:x"]), max_size=4))),
        exact=draw(st.booleans()),
    )


def crowded(wanted: Wanted, group: SecurityGroup) -> bool:
    """Whether even the end has more tags than AWS allows, on the group or on a rule."""
    then = after(group, wanted)
    return sum(not key.startswith("aws:") for key, _ in then.tags) > 50


@given(group=described(), data=st.data(), quota=st.integers(1, 60))
def test_the_calls_reach_what_is_wanted_and_then_there_are_none(
    group: SecurityGroup, data: st.DataObject, quota: int
) -> None:
    world = World(group, quota)
    group = world.shown()
    wanted = data.draw(wishes(group))
    then = after(group, wanted)
    fits = all(
        number <= world.quota[direction][version]
        for direction in Direction
        for version, number in quota_count(then.rules, direction, PREFIX_LISTS).items()
    )
    if crowded(wanted, group) or not fits:
        return
    stays = {rule.rule_id for rule in group.rules} & {rule.rule_id for rule in then.rules}
    for _ in range(2 if wanted.exact else 1):
        for call in calls(world.shown(), wanted, prefix_lists=PREFIX_LISTS, quota=quota):
            world.do(call)
    assert stays <= world.rules.keys()
    assert state(world.shown(), exact=wanted.exact) == state(then, exact=wanted.exact)
    assert settled(world.shown(), wanted)
    assert state(after(world.shown(), wanted), exact=True) == state(world.shown(), exact=True)


@given(group=described(), data=st.data())
def test_a_run_that_stops_anywhere_goes_on_to_the_same_end(group: SecurityGroup, data: st.DataObject) -> None:
    world = World(group, UNLIMITED)
    group = world.shown()
    wanted = data.draw(wishes(group))
    if crowded(wanted, group):
        return
    then = after(group, wanted)
    planned = calls(group, wanted)
    for call in planned[: data.draw(st.integers(0, len(planned)))]:
        world.do(call)
    for _ in range(2):
        for call in calls(world.shown(), wanted):
            world.do(call)
    assert settled(world.shown(), wanted)
    assert state(world.shown(), exact=wanted.exact) == state(then, exact=wanted.exact)


@given(raw=raw_groups(), written=documents(), data=st.data())
def test_a_remedied_group_is_left_alone_by_a_second_run(raw: Json, written: Json, data: st.DataObject) -> None:
    case = Case(raw, written, data, strategies)
    made = case.remedy()
    then = after(case.group, made.wanted)
    again = remedy(then, case.evaluate(then), case.chosen | others(case, then), case.evaluate, PREFIX_LISTS, MARKER)
    assert settled(then, made.wanted)
    if not made.remaining and made.strategy is not Strategy.LOCKDOWN:
        assert settled(then, again.wanted)


def others(case: Case, then: SecurityGroup) -> dict[str, Strategy]:
    return {each.rule_id: Strategy.TRIM for each in case.evaluate(then) if each.rule_id not in case.chosen}
