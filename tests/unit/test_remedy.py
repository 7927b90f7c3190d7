"""The smallest change, by example."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.model.security_group import CidrPeer
from tests.builders import (
    EVERYONE,
    all_traffic,
    allow,
    fired,
    group,
    icmp,
    judge,
    only,
    policy,
    prohibit,
    restrict,
    tcp,
)
from tests.properties.test_changes import changed

if TYPE_CHECKING:
    from sg_compliance.model.finding import Finding


def said(finding: Finding) -> list[tuple[str, list[tuple[int, int, str | None]]]]:
    """Each change: the peer of the rule that is revoked, and what stays."""
    return [
        (
            change.rule.peer.text if isinstance(change.rule.peer, CidrPeer) else str(change.rule.peer),
            [(rest.first, rest.last, str(rest.block) if rest.block else None) for rest in change.keep],
        )
        for change in finding.change
    ]


def test_a_rule_on_the_prohibited_port_is_revoked_whole() -> None:
    assert said(only(judge(prohibit(22), group(tcp(22, EVERYONE))))) == [(EVERYONE, [])]


def test_the_ports_around_the_prohibited_one_stay() -> None:
    finding = only(judge(prohibit(22), group(tcp("20-25", EVERYONE))))
    assert said(finding) == [(EVERYONE, [(20, 21, None), (23, 25, None)])]


def test_the_other_peers_of_the_permission_are_left_alone() -> None:
    assert said(only(judge(prohibit(22), group(tcp(22, EVERYONE, "10.0.0.0/8", "sg-1"))))) == [(EVERYONE, [])]


def test_a_block_that_is_uncovered_by_the_change_goes_too() -> None:
    finding = only(judge(prohibit(22), group(tcp(22, EVERYONE, "0.0.0.0/1", "128.0.0.0/1"))))
    assert sorted(peer for peer, _ in said(finding)) == ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1"]


def test_the_allowed_part_of_restricted_traffic_stays() -> None:
    finding = only(judge(restrict(22, "10.0.0.0/8"), group(tcp("20-22", "8.0.0.0/5"))))
    assert said(finding) == [("8.0.0.0/5", [(20, 21, None), (22, 22, "10.0.0.0/8")])]


def test_traffic_that_an_allowed_rule_takes_out_stays() -> None:
    bound = policy(restricted=[restrict(22, "10.0.0.0/8")], allowed=[allow(22, "192.168.0.0/16")])
    finding = only(judge(bound, group(tcp(22, "192.168.0.0/15"))))
    assert said(finding) == [("192.168.0.0/15", [(22, 22, "192.168.0.0/16")])]


def test_a_port_that_an_allowed_rule_takes_out_stays_though_another_rule_violates_there() -> None:
    bound = policy(restricted=[restrict("22-23")], allowed=[allow(22, "9.0.0.0/8")])
    finding = only(judge(bound, group(tcp("22-23", "9.0.0.0/8"), tcp(22, "11.0.0.0/8"))))
    assert said(finding) == [("9.0.0.0/8", [(22, 22, None)]), ("11.0.0.0/8", [])]


def test_all_traffic_keeps_nothing() -> None:
    assert said(only(judge(prohibit(22), group(all_traffic(EVERYONE))))) == [(EVERYONE, [])]


def test_the_other_icmp_types_stay() -> None:
    finding = only(judge(prohibit(8, protocol="icmp"), group(icmp(-1, -1, EVERYONE))))
    assert said(finding) == [(EVERYONE, [(0, 8 * 256 - 1, None), (9 * 256, 65535, None)])]


def test_what_is_certain_is_mended_without_touching_what_is_only_suspected() -> None:
    bound, known = policy(prohibit(22)), {"pl-1": None}
    judged = group(tcp(22, "pl-1", EVERYONE))
    finding = only(judge(bound, judged, known))
    assert finding.certain
    assert finding.unknown_peers == ("pl-1",)
    assert [change.rule.peer for change in finding.change] == [judged.rules[0].peer]
    left = only(judge(bound, changed(judged, finding), known))
    assert not left.certain
    assert fired(bound, changed(changed(judged, finding), left), known) == set()


def test_a_group_outside_is_revoked() -> None:
    judged = group(tcp(22, "sg-1", "10.0.0.0/9"))
    finding = only(judge(restrict(22, "10.0.0.0/8"), judged))
    assert len(finding.change) == 1
    assert fired(restrict(22, "10.0.0.0/8"), changed(judged, finding)) == set()
