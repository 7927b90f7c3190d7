"""Prefix lists that cannot be read, in the group and in the policy: never empty, never taken for certain."""

from __future__ import annotations

import pytest

from tests.builders import EVERYONE, allow, group, judge, only, policy, prohibit, restrict, tcp


def test_addresses_that_an_unreadable_list_of_the_policy_may_allow_are_not_certain_to_violate() -> None:
    finding = only(judge(restrict(22, "10.0.0.0/8", "pl-1"), group(tcp(22, "203.0.113.0/24")), {"pl-1": None}))
    assert not finding.certain
    assert finding.unknown_peers == ("pl-1",)


def test_a_group_that_no_list_can_hold_is_certain_to_violate() -> None:
    finding = only(judge(restrict(22, "pl-1"), group(tcp(22, "sg-9")), {"pl-1": None}))
    assert finding.certain


def test_an_unreadable_list_in_an_allowance_leaves_doubt() -> None:
    bound = policy(restricted=[restrict(22, "10.0.0.0/8")], allowed=[allow(22, "pl-1")])
    finding = only(judge(bound, group(tcp(22, "203.0.113.0/24")), {"pl-1": None}))
    assert not finding.certain
    assert finding.unknown_peers == ("pl-1",)
    known = {"pl-1": ["203.0.113.0/24"]}
    assert not judge(bound, group(tcp(22, "203.0.113.0/24")), known)


def test_a_prohibited_list_that_cannot_be_read_may_be_what_is_open() -> None:
    finding = only(judge(prohibit(22, "pl-1"), group(tcp(22, "203.0.113.0/24")), {"pl-1": None}))
    assert not finding.certain
    assert not judge(prohibit(22, "pl-1"), group(tcp(22, "sg-1")), {"pl-1": None})


def test_an_unreadable_list_on_another_port_of_the_rule_is_named_beside_what_is_certain() -> None:
    finding = only(judge(prohibit("22-23"), group(tcp(22, EVERYONE), tcp(23, "pl-1")), {"pl-1": None}))
    assert finding.certain
    assert finding.unknown_peers == ("pl-1",)


@pytest.mark.parametrize(("most", "named"), [(65536, ["3.0.0.0/8"]), (0, ["3.0.0.0/8", "52.1.2.3/32"])])
def test_of_a_budget_the_largest_blocks_go_until_the_rest_is_within_it(most: int, named: list[str]) -> None:
    judged = group(tcp(22, "3.0.0.0/8", "52.1.2.3/32"))
    finding = only(judge(prohibit(22, EVERYONE, max_public_addresses=most), judged))
    assert [str(change.rule.peer[0]) for change in finding.change] == named
