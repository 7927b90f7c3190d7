"""Whatever JSON stands where AWS's answer should: rules or malformed rules come out, never an exception."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.aws.translate import security_group
from tests.builders import BASELINE, bind, judge

if TYPE_CHECKING:
    from tests.builders import Json

KEYS = (
    *("IpProtocol", "FromPort", "ToPort", "IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs", "CidrIp"),
    *("CidrIpv6", "PrefixListId", "GroupId", "UserId", "GroupName", "Description", "Key", "Value", "x"),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["tcp", "-1", "6", "22", "0.0.0.0/0", "::/0", "9" * 5000, "sg-1", "pl-1", -1, 22, 65536, "٣"]),
)
json = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


def _shaped(key: str) -> st.SearchStrategy[Any]:
    return st.lists(st.fixed_dictionaries({}, optional={key: scalars, "Description": json}) | json, max_size=2) | json


shaped_permissions = st.fixed_dictionaries(
    {
        "IpProtocol": st.sampled_from(["tcp", "-1", "icmp", "47"]) | json,
        "FromPort": st.sampled_from([22, "22", -1, None]) | json,
        "ToPort": st.sampled_from([22, "25", -1, None]) | json,
    },
    optional={
        "IpRanges": _shaped("CidrIp"),
        "Ipv6Ranges": _shaped("CidrIpv6"),
        "PrefixListIds": _shaped("PrefixListId"),
        "UserIdGroupPairs": _shaped("GroupId"),
    },
)
groups = st.fixed_dictionaries(
    {"IpPermissions": st.lists(shaped_permissions | json, max_size=3) | json},
    optional={"IpPermissionsEgress": json, "Tags": json, "OwnerId": json, "GroupId": json, "SecurityGroupArn": json},
)


@given(groups | st.dictionaries(st.sampled_from(["IpPermissions", "Tags", "GroupId", *KEYS]), json, max_size=5))
def test_any_json_is_read_and_judged(raw: Json) -> None:
    group = security_group(raw)
    hash(group)
    judge(bind({**BASELINE, "global_rules": HYGIENE}), group)


HYGIENE = {"require_descriptions": True, "enforce_tagging": True, "required_tags": ["Owner"], "max_rules_per_sg": 1}


@given(shaped_permissions)
def test_every_peer_that_is_written_is_a_rule_or_malformed(permission: Json) -> None:
    group = security_group({"IpPermissions": [permission]})
    written = sum(
        len(value) if isinstance(value, list) else bool(value)
        for value in (permission.get(key) for key in ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs"))
    )
    assert len(group.rules) + len(group.malformed) >= written


@given(st.lists(json, min_size=1, max_size=3))
def test_a_permission_that_is_no_object_is_malformed(permissions: list[Any]) -> None:
    group = security_group({"IpPermissions": permissions})
    strange = [each for each in permissions if each is not None and not isinstance(each, dict)]
    assert len(group.malformed) >= len(strange)
