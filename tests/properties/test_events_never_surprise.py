"""Whatever arrives as an event: a Change, a Skipped or an EventError comes out. Rules mean what they mean in groups."""

from __future__ import annotations

import contextlib
import json
from copy import deepcopy
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.errors import EventError
from sg_compliance.model.security_group import CidrPeer, GroupPeer, identity
from sg_compliance.realtime.cloudtrail import READERS, parse, read_json
from tests.builders import EVERYONE, EVERYONE_V6, group, permission, tcp
from tests.event_builders import (
    AUTHORIZE,
    AUTHORIZE_EGRESS,
    CREATE,
    CREATE_INTERFACE,
    CREATE_LIST,
    DELETE,
    DESCRIBE,
    GROUP,
    INTERFACE,
    LIST,
    MODIFY,
    MODIFY_INTERFACE,
    MODIFY_LIST,
    OTHER_GROUP,
    OUR_ROLE,
    OUR_SESSION,
    OURS,
    REVOKE,
    ROOT,
    RULE,
    RUN,
    SERVICE,
    USER,
    VPC,
    answered,
    asked,
    changed,
    envelope,
    flat,
    grouped,
    listed,
    record,
    rule,
    session,
    update,
    updates,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sg_compliance.realtime.record import Change, Skipped
    from tests.builders import Json


def nest(innermost: object) -> object:
    """Lists in lists, deeper than Python may recurse."""
    for _ in range(3000):
        innermost = [innermost]
    return innermost


EVENTS = [
    record(AUTHORIZE, asked(tcp(22, EVERYONE, LIST, OTHER_GROUP)), answered(rule(22, EVERYONE))),
    record(AUTHORIZE_EGRESS, asked(tcp(22, EVERYONE_V6)), answered(rule(22, "", isEgress=True, cidrIpv6=EVERYONE_V6))),
    record(AUTHORIZE, flat(tcp(22, EVERYONE)), userIdentity=ROOT),
    record(REVOKE, {"groupName": "web", "securityGroupRuleIds": listed({"securityGroupRuleId": RULE})}),
    record(MODIFY, updates([update(22, EVERYONE)]), userIdentity=session()),
    record(CREATE, {"groupName": "web", "vpcId": VPC}, {"groupId": GROUP}, userIdentity=session(OUR_ROLE, OUR_SESSION)),
    record(DELETE, {"groupId": GROUP}, userIdentity=SERVICE),
    record(DESCRIBE, {"GroupId": GROUP, "SecurityGroupRuleDescription": {"SecurityGroupRuleId": RULE}}),
    record("AssociateSecurityGroupVpc", {"GroupId": GROUP, "VpcId": VPC}),
    record(CREATE_LIST, {"Entry": {"Cidr": EVERYONE}}, {"prefixList": {"prefixListId": LIST}}),
    record(MODIFY_LIST, {f"{MODIFY_LIST}Request": {"PrefixListId": LIST, "AddEntry": [{"Cidr": EVERYONE}]}}),
    record(MODIFY_INTERFACE, grouped(GROUP, networkInterfaceId=INTERFACE)),
    record(CREATE_INTERFACE, {}, {"networkInterface": grouped(GROUP, networkInterfaceId=INTERFACE)}),
    record(RUN, grouped(GROUP), {"instancesSet": listed(grouped(GROUP, networkInterfaceSet=listed(grouped(GROUP))))}),
    record(AUTHORIZE, asked(), errorCode="Client.UnauthorizedOperation"),
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from([GROUP, RULE, LIST, EVERYONE, "tcp", "-1", "22", "9" * 5000, "\ud800", "", 10**400]),
    st.integers(10**3, 10**5).map("x".__mul__),
)
KEYS = ["items", "groupId", "GroupId", "ipPermissions", "ipRanges", "cidrIp", "detail", "type", "arn", "omitted"]
anything = st.recursive(
    scalars,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inside, max_size=4),
    max_leaves=10,
)


def outcome(event: object) -> Change | Skipped | None:
    """What comes out; None for a rejection, whose message can be shown. Whatever else is raised fails the test."""
    try:
        read = parse(event, OURS)
    except EventError as error:
        str(error).encode()
        return None
    hash(read)
    for each in texts(read):
        assert len(each.encode()) < 10_000
    return read


def texts(value: object) -> Iterator[str]:
    """Every text in an outcome."""
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        yield from (each for name in fields(value) for each in texts(getattr(value, name.name)))
    elif isinstance(value, tuple):
        yield from (each for item in value for each in texts(item))


@given(anything)
def test_any_json_is_a_change_a_skip_or_a_rejection(event: object) -> None:
    outcome(event)
    outcome(envelope(event))


@given(st.sampled_from(sorted(READERS)), anything, anything, anything)
def test_any_request_and_any_response_of_any_call_is(name: str, request: object, response: object, who: object) -> None:
    outcome(record(name, request, response))
    outcome(record(name, request, response, userIdentity=who))
    outcome(record(name, {f"{name}Request": request}, {f"{name}Response": response}))


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")) | anything.map(repr))
def test_any_text_is(body: str) -> None:
    with contextlib.suppress(EventError):
        parse(read_json(body), OURS)


Place = tuple[Any, Any]
"""An object or a list, and the key or index of what stands there."""


def places(value: object, depth: int = 12) -> Iterator[Place]:
    """Every place in JSON, down to a depth."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield value, key
        yield from places(each, depth - 1) if depth else ()


def drop(where: Any, key: Any) -> None:  # noqa: ANN401 - JSON
    del where[key]


def put(make: Callable[[Any], Any]) -> Callable[[Any, Any], None]:
    def replace(where: Any, key: Any) -> None:  # noqa: ANN401 - JSON
        where[key] = make(where[key])

    return replace


MUTATIONS = [
    drop,
    put(lambda _: None),
    put(lambda _: {}),
    put(nest),
    put(lambda old: {"items": nest(old)}),
    put(lambda _: "x" * 10**5),
    put(lambda old: [old]),
    put(lambda old: {"items": old}),
    put(lambda old: {"items": [old] * 3}),
    put(lambda old: dict(enumerate(old)) if isinstance(old, list) else old),
    put(lambda old: list(old.values()) if isinstance(old, dict) else old),
    put(lambda old: old[0] if isinstance(old, list) and old else old),
    put(lambda old: str(old) if isinstance(old, bool | int) else old),
    put(lambda old: int(old) if isinstance(old, str) and old.isdecimal() else old),
    put(lambda old: f"{old}\n" if isinstance(old, str) else old),
    put(lambda old: {key[0].upper() + key[1:]: each for key, each in old.items()} if isinstance(old, dict) else old),
]


@given(st.sampled_from(EVENTS), st.booleans(), st.data())
def test_a_valid_event_with_some_of_it_broken_is(valid: Json, wrapped: bool, data: st.DataObject) -> None:
    event = deepcopy(envelope(valid) if wrapped else valid)
    for _ in range(data.draw(st.integers(1, 4))):
        everywhere = list(places(event))
        where, key = everywhere[data.draw(st.integers(0, len(everywhere) - 1))]
        mutate = data.draw(st.sampled_from(MUTATIONS) | anything.map(lambda new: put(lambda _: new)))
        mutate(where, key)
    outcome(event)


@given(st.sampled_from(EVENTS))
def test_a_valid_event_is_no_rejection_and_reads_the_same_as_text(valid: Json) -> None:
    assert outcome(valid) is not None
    assert outcome(valid) == outcome(envelope(valid)) == parse(read_json(json.dumps(envelope(valid))), OURS)


# Rules mean in an event what they mean in a group.

ports = st.sampled_from([None, -1, 0, 21, 22, 65535, 65536, "22", "3389", " 80 ", "ssh", "-1"])
protocols = st.sampled_from(["tcp", "udp", "icmp", "icmpv6", "-1", "6", "47", 17, -1, "TCP", "all", "256", "gre"])
v4 = st.sampled_from([EVERYONE, "1.2.3.4/0", "10.0.0.0/8", "192.0.2.1", "10.0.0.0/33", "10.0.0.1/255.0.0.0"])
cidrs = v4 | st.sampled_from([EVERYONE_V6, "2001:0db8::1/32", "fe80::1%eth0/64"])
peers = st.one_of(cidrs, st.sampled_from([LIST, GROUP, OTHER_GROUP]))
permissions = st.builds(
    lambda protocol, first, last, sources, description: permission(
        protocol, first, last, *sources, description=description
    ),
    protocols,
    ports,
    ports,
    st.lists(peers, max_size=4, unique=True),
    st.none() | st.text(max_size=20),
)


@given(st.lists(permissions, max_size=4))
def test_permissions_in_an_event_are_the_rules_that_they_are_in_a_group(written: list[Json]) -> None:
    for name, read in ((AUTHORIZE, group(*written)), (AUTHORIZE_EGRESS, group(egress=written))):
        change = changed(record(name, asked(*written)))
        assert change.rules_added == read.rules
        assert [each[2:] for each in change.malformed] == [each[2:] for each in read.malformed]


@given(protocols, ports, ports, v4)
def test_flat_parameters_are_the_rule_that_they_are_in_a_group(
    protocol: object, first: object, last: object, cidr: str
) -> None:
    written = permission(protocol, first, last, cidr)
    change = changed(record(AUTHORIZE, flat(written)))
    assert change.rules_added == group(written).rules
    assert len(change.malformed) == len(group(written).malformed)


@given(st.lists(permissions, max_size=4))
def test_the_response_to_a_request_is_the_same_rules_again(written: list[Json]) -> None:
    rules = group(*written).rules
    told = [
        {**as_told(each), "groupId": GROUP, "securityGroupRuleId": f"sgr-{number:017x}", "isEgress": False}
        for number, each in enumerate(rules)
    ]
    change = changed(record(AUTHORIZE, asked(*written), answered(*told)))
    assert [identity(each) for each in change.rules_added] == [identity(each) for each in rules]
    assert all(each.rule_id for each in change.rules_added)
    alone = changed(record(AUTHORIZE, {"groupId": GROUP}, answered(*told))).rules_added
    assert {identity(each) for each in alone} == {identity(each) for each in rules}


def as_told(each: Any) -> Json:  # noqa: ANN401 - a rule
    """A rule as an item of `securityGroupRuleSet`, its CIDR in AWS's canonical form."""
    peer = each.peer
    if isinstance(peer, CidrPeer):
        named: Json = {"cidrIpv4" if peer.block.version == 4 else "cidrIpv6": str(peer.block)}
    elif isinstance(peer, GroupPeer):
        named = {"referencedGroupInfo": {"groupId": peer.group_id, "userId": peer.account_id}}
    else:
        named = {"prefixListId": peer.prefix_list_id}
    return {"ipProtocol": each.ip_protocol, "fromPort": each.from_port, "toPort": each.to_port, **named}


@given(st.lists(permissions, min_size=1, max_size=4))
def test_every_peer_in_an_event_is_a_rule_or_malformed(written: list[Json]) -> None:
    change = changed(record(AUTHORIZE, asked(*written)))
    keys = ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs")
    assert len(change.rules_added) + len(change.malformed) >= sum(len(each[key]) for each in written for key in keys)


@given(st.sampled_from([USER, ROOT, SERVICE, session(), session(OUR_ROLE, "thief")]), st.sampled_from(EVENTS))
def test_nobody_but_us_is_passed_over_as_us(who: Json, valid: Json) -> None:
    read = outcome({**valid, "userIdentity": who})
    assert read is not None
    assert not read.own
