"""What a response to an event relies on in any Lookup, held against EC2 and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from sg_compliance.enforcement.refusals import GONE
from sg_compliance.errors import AwsError
from sg_compliance.model.security_group import GroupPeer, Place
from tests.builders import ACCOUNT, EVERYONE, REGION, all_traffic, lists, permission, tcp
from tests.contract.lookup_homes import GROUP_ID, PARTNER, Home, InEc2, InFiles

if TYPE_CHECKING:
    from pathlib import Path

ELSEWHERE = "us-east-1"
LIST = "pl-0a1b2c3d"
OTHER_LIST = "pl-0fedcba9"


@pytest.fixture(params=["ec2", "files"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    return InEc2() if request.param == "ec2" else InFiles(tmp_path)


# --- One group


def test_a_group_comes_with_all_that_a_scan_reads_of_it(home: Home) -> None:
    place = home.put(
        tcp(22, EVERYONE, description="for the move"),
        tcp("443-444", "::/0", "10.0.0.0/8"),
        egress=[all_traffic(EVERYONE)],
        tags={"Owner": "web"},
    )
    home.put_interface("eni-1", place.group_id)
    with home.lookup() as lookup:
        found = lookup.group(place).group
    assert (found.place, found.name, found.description, found.vpc_id) == (
        place,
        "web",
        "the group of the test",
        "vpc-1",
    )
    assert found.tags == (("Owner", "web"),)
    assert [(rule.direction, rule.first, rule.last, rule.description) for rule in found.rules] == [
        ("ingress", 22, 22, "for the move"),
        ("ingress", 443, 444, None),
        ("ingress", 443, 444, None),
        ("egress", 0, 65535, None),
    ]
    assert found.interfaces == ("eni-1",)


def test_of_several_groups_it_is_the_one_that_was_asked_for(home: Home) -> None:
    home.put(tcp(22, EVERYONE), group_id="sg-0000001")
    place = home.put(tcp(80, EVERYONE), group_id="sg-0000002")
    home.put(tcp(22, EVERYONE), group_id="sg-0000003")
    home.put_interface("eni-1", "sg-0000001")
    with home.lookup() as lookup:
        found = lookup.group(place).group
    assert (found.group_id, [rule.first for rule in found.rules], found.interfaces) == ("sg-0000002", [80], ())


def test_a_group_without_rules_is_a_group(home: Home) -> None:
    place = home.put()
    with home.lookup() as lookup:
        assert lookup.group(place).group.rules == ()


@pytest.mark.parametrize(
    "place",
    [Place(ACCOUNT, REGION, "sg-0123"), Place(ACCOUNT, ELSEWHERE, GROUP_ID), Place(PARTNER, REGION, GROUP_ID)],
    ids=["group", "region", "account"],
)
def test_a_group_that_is_not_there_is_gone(home: Home, place: Place) -> None:
    home.put()
    with home.lookup() as lookup, pytest.raises(AwsError, match=place.group_id) as caught:
        lookup.group(place)
    assert caught.value.code in GONE
    assert caught.value.hint


def test_the_prefix_lists_that_it_refers_to_come_with_it(home: Home) -> None:
    home.put_list(LIST, "198.51.100.0/24", "203.0.113.0/24")
    place = home.put(tcp(22, LIST))
    with home.lookup() as lookup:
        known = lookup.group(place).prefix_lists
    assert known[LIST].blocks == lists({LIST: ["198.51.100.0/24", "203.0.113.0/24"]})[LIST].blocks
    assert known[LIST].name == "offices"


def test_a_prefix_list_that_cannot_be_read_stays_unknown(home: Home) -> None:
    place = home.put(tcp(22, OTHER_LIST))
    with home.lookup() as lookup:
        known = lookup.group(place).prefix_lists.get(OTHER_LIST)
    assert known is None or known.blocks is None


def test_the_accounts_own_groups_that_it_refers_to_have_names(home: Home) -> None:
    home.put(group_id="sg-00000002", GroupName="bastion")
    place = home.put(tcp(22, "sg-00000002", GROUP_ID, "sg-0000000f"))
    with home.lookup() as lookup:
        peers = [cast("GroupPeer", rule.peer) for rule in lookup.group(place).group.rules]
    assert [each.name for each in peers] == ["bastion", "web", None]


def test_a_rule_that_can_mean_nothing_is_told_beside_the_others(home: Home) -> None:
    place = home.put(permission("tcp", 23, 21, EVERYONE), tcp(80, EVERYONE))
    with home.lookup() as lookup:
        found = lookup.group(place).group
    assert [rule.first for rule in found.rules] == [80]
    assert [rule.problem for rule in found.malformed] == ["ports 23-21: the range is inverted and lets nothing through"]


# --- Groups by name


def named(home: Home, *names: str) -> list[str]:
    with home.lookup() as lookup:
        found = lookup.named(ACCOUNT, REGION, names)
    assert all(place[:2] == (ACCOUNT, REGION) for place in found)
    return [place.group_id for place in found]


def test_groups_are_found_by_name_in_every_vpc_sorted(home: Home) -> None:
    home.put(group_id="sg-0000003", GroupName="shop", VpcId="vpc-1")
    home.put(group_id="sg-0000002", GroupName="shop", VpcId="vpc-2")
    home.put(group_id="sg-0000001", GroupName="shop-2")
    assert named(home, "shop") == ["sg-0000002", "sg-0000003"]
    assert named(home, "shop-2", "shop", "shop") == ["sg-0000001", "sg-0000002", "sg-0000003"]
    assert named(home, "nobody") == named(home) == []


def test_names_are_the_accounts_own_and_of_the_region(home: Home) -> None:
    home.put(group_id="sg-0000001", GroupName="shop", account=PARTNER)
    home.put(group_id="sg-0000002", GroupName="shop", region=ELSEWHERE)
    assert named(home, "shop") == []


@pytest.mark.parametrize("name", ["SHOP", "Shop", "shop", "sHop", "shop  "])
def test_a_group_answers_to_its_name_however_ec2_lets_it_be_written(home: Home, name: str) -> None:
    home.put(group_id="sg-0000001", GroupName="sHop")
    home.put(group_id="sg-0000002", GroupName="ship")
    home.put(group_id="sg-0000003", GroupName="shops")
    assert named(home, name) == ["sg-0000001"]


@pytest.mark.parametrize("name", ["s*", "*", "????", "sh?p", "\\shop", "", " "])
def test_a_name_is_no_pattern(home: Home, name: str) -> None:
    home.put(group_id="sg-0000001", GroupName="shop")
    assert named(home, name) == []


@pytest.mark.parametrize("name", ["team*!$", "*", "a/b (c)"])
def test_a_name_may_hold_all_that_ec2_lets_into_one(home: Home, name: str) -> None:
    home.put(group_id="sg-0000001", GroupName=name)
    assert named(home, name) == ["sg-0000001"]


def test_more_names_than_a_filter_takes_are_looked_for(home: Home) -> None:
    ids = [home.put(group_id=f"sg-{number:08x}", GroupName=f"shop-{number}").group_id for number in range(250)]
    assert named(home, *(f"shop-{number}" for number in range(250))) == ids


# --- What refers to a prefix list


def referring(home: Home, *prefix_lists: str, account: str = ACCOUNT) -> list[Place]:
    with home.lookup() as lookup:
        return lookup.referring(account, REGION, prefix_lists)


def test_groups_that_refer_to_a_list_in_either_direction_are_found_once_sorted(home: Home) -> None:
    home.put_list(LIST)
    home.put_list(OTHER_LIST)
    both = home.put(tcp(22, LIST), egress=[tcp(443, LIST)], group_id="sg-0000003")
    out = home.put(egress=[tcp(443, LIST)], group_id="sg-0000001")
    other = home.put(tcp(22, OTHER_LIST), group_id="sg-0000002")
    home.put(tcp(22, EVERYONE), group_id="sg-0000004")
    assert referring(home, LIST) == [out, both]
    assert referring(home, OTHER_LIST, LIST) == [out, other, both]
    assert referring(home) == referring(home, "pl-0000") == []


def test_groups_of_other_accounts_are_found_but_not_of_other_regions(home: Home) -> None:
    home.put_list(LIST, shared_with=PARTNER)
    partners = home.put(tcp(22, LIST), account=PARTNER, group_id="sg-0000001")
    home.put(tcp(22, LIST), region=ELSEWHERE, group_id="sg-0000002")
    assert referring(home, LIST) == [partners]
