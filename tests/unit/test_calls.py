"""The calls to a wanted state, by example: which, in what order, and none where there is nothing to do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sg_compliance.enforcement.calls import after, calls, settled
from sg_compliance.model.change import Authorize, Describe, Revoke, Tag, Untag, Wanted
from sg_compliance.model.security_group import Direction, identity
from tests.builders import EVERYONE, all_traffic, group, lists, tcp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sg_compliance.model.change import Call, Tags
    from sg_compliance.model.security_group import Identity, SecurityGroup, SecurityGroupRule
    from tests.builders import Json

IN, OUT = Direction.INGRESS, Direction.EGRESS


def known(*ingress: Json, egress: tuple[Json, ...] = (), tags: Mapping[str, str] | None = None) -> SecurityGroup:
    """A group whose rules have ids: sgr-0, sgr-1, …"""
    judged = group(*ingress, egress=egress, tags=tags)
    return replace(
        judged, rules=tuple(rule._replace(rule_id=f"sgr-{index}") for index, rule in enumerate(judged.rules))
    )


def tagged(judged: SecurityGroup, *tags: Tags) -> SecurityGroup:
    """The same group, its rules with these tags."""
    return replace(judged, rules=tuple(rule._replace(tags=own) for rule, own in zip(judged.rules, tags, strict=True)))


def rule(permission: Json) -> SecurityGroupRule:
    return group(permission).rules[0]


def said(made: tuple[Call, ...]) -> list[str]:
    """`Revoke ingress sgr-0`, `Authorize ingress 443`, `Tag sg-1 A=1`."""
    return [" ".join((type(call).__name__, *_parts(call))) for call in made]


def _parts(call: Call) -> list[str]:
    if isinstance(call, Tag):
        return [*call.resources, *(f"{key}={value}" for key, value in call.tags)]
    if isinstance(call, Untag):
        return [*call.resources, *call.keys]
    named = [str(each.from_port) if isinstance(call, Authorize) else str(each.rule_id) for each in call.rules]
    return [call.direction.value, *named]


def gone(*rules: SecurityGroupRule) -> frozenset[Identity]:
    return frozenset(map(identity, rules))


MARKER = rule(tcp(65535, "127.0.0.1/32"))


# ---- lockdown ----


def test_a_lockdown_closes_both_directions_before_it_explains_itself() -> None:
    judged = known(tcp(22, EVERYONE), tcp(443, EVERYONE), egress=(all_traffic(EVERYONE),))
    made = calls(judged, Wanted(rules=(MARKER,), gone=None, tags=(("STATUS", "NON_COMPLIANT"),)))
    assert said(made) == [
        "Tag sg-0a1b2c3d STATUS=NON_COMPLIANT",
        "Revoke ingress sgr-0 sgr-1",
        "Revoke egress sgr-2",
        "Authorize ingress 65535",
    ]


def test_a_locked_group_is_left_alone() -> None:
    wanted = Wanted(rules=(MARKER,), gone=None, tags=(("A", "1"),))
    locked = known(tcp(65535, "127.0.0.1/32"), tags={"A": "1"})
    assert calls(locked, wanted) == ()
    assert settled(locked, wanted)


def test_a_half_locked_group_is_locked_to_the_end() -> None:
    judged = known(tcp(65535, "127.0.0.1/32"), tcp(22, EVERYONE))
    wanted = Wanted(rules=(MARKER,), gone=None)
    assert said(calls(judged, wanted)) == ["Revoke ingress sgr-1"]
    assert not settled(judged, wanted)


def test_an_empty_group_gets_the_marker_alone() -> None:
    assert said(calls(known(), Wanted(rules=(MARKER,), gone=None))) == ["Authorize ingress 65535"]
    assert calls(known(), Wanted(gone=None)) == ()


# ---- replacing ----


def test_what_is_added_comes_before_what_goes() -> None:
    judged = known(tcp("20-25", EVERYONE), tcp(443, EVERYONE))
    wanted = Wanted(rules=(rule(tcp("23-25", EVERYONE)),), gone=gone(judged.rules[0]))
    assert said(calls(judged, wanted)) == ["Authorize ingress 23", "Revoke ingress sgr-0"]


def test_what_goes_comes_first_where_the_quota_has_no_room() -> None:
    judged = known(tcp("20-25", EVERYONE), tcp(443, EVERYONE))
    wanted = Wanted(rules=(rule(tcp("23-25", EVERYONE)),), gone=gone(judged.rules[0]))
    first = ["Revoke ingress sgr-0", "Authorize ingress 23"]
    assert said(calls(judged, wanted, quota=2)) == first
    assert said(calls(judged, wanted, quota=3)) == first[::-1]
    assert said(calls(judged, wanted, room={IN: False})) == first
    assert said(calls(judged, wanted, quota=2, room={IN: True})) == first[::-1]


def test_ipv6_has_a_quota_of_its_own() -> None:
    judged = known(tcp("20-25", EVERYONE), tcp(443, EVERYONE))
    wanted = Wanted(rules=(rule(tcp(443, "::/0")),), gone=gone(judged.rules[0]))
    assert said(calls(judged, wanted, quota=2))[0] == "Authorize ingress 443"


def test_a_prefix_list_weighs_what_it_holds() -> None:
    judged, many = known(tcp("20-25", EVERYONE)), lists({"pl-1": [f"10.0.{number}.0/24" for number in range(60)]})
    wanted = Wanted(rules=(rule(tcp(443, "pl-1")),), gone=gone(judged.rules[0]))
    assert said(calls(judged, wanted))[0] == "Authorize ingress 443"
    assert said(calls(judged, wanted, prefix_lists=many))[0] == "Revoke ingress sgr-0"


def test_each_direction_has_one_call_of_each_kind() -> None:
    judged = known(tcp(1, EVERYONE), tcp(2, EVERYONE), tcp(9, EVERYONE), egress=(tcp(3, EVERYONE),))
    out = group(egress=[tcp(4, EVERYONE)]).rules[0]
    going = gone(*judged.rules[:2], judged.rules[3])
    wanted = Wanted((rule(tcp(5, EVERYONE)), rule(tcp(6, EVERYONE)), out), going)
    assert said(calls(judged, wanted)) == [
        *("Authorize ingress 5 6", "Revoke ingress sgr-0 sgr-1", "Authorize egress 4", "Revoke egress sgr-3")
    ]


def test_a_rule_that_is_wanted_is_neither_added_nor_revoked() -> None:
    judged = known(tcp(22, EVERYONE), tcp(23, EVERYONE))
    wanted = Wanted(rules=judged.rules[:1], gone=gone(*judged.rules))
    assert said(calls(judged, wanted)) == ["Revoke ingress sgr-1"]
    assert said(calls(judged, replace(wanted, gone=None))) == ["Revoke ingress sgr-1"]


def test_a_rule_that_is_wanted_twice_is_added_once_and_without_an_old_id() -> None:
    wanted = Wanted(rules=(MARKER._replace(rule_id="sgr-old"), MARKER))
    (call,) = calls(known(), wanted)
    assert isinstance(call, Authorize)
    assert [each.rule_id for each in call.rules] == [None]


def test_rules_that_nobody_names_stay() -> None:
    assert calls(known(tcp(22, EVERYONE)), Wanted()) == ()


# ---- tags of the group ----


def test_only_tags_that_differ_are_set_and_aws_tags_never() -> None:
    judged = known(tags={"A": "1", "B": "2", "aws:x": "3"})
    wanted = Wanted(tags=(("A", "1"), ("B", "3"), ("C", ""), ("aws:x", "4")), untagged=frozenset({"aws:x", "D", "B"}))
    assert said(calls(judged, wanted)) == ["Tag sg-0a1b2c3d B=3 C="]
    assert dict(after(judged, wanted).tags) == {"A": "1", "B": "3", "C": "", "aws:x": "3"}


def test_tags_are_deleted_last_unless_there_is_no_room() -> None:
    wanted = Wanted(tags=(("new", "1"),), untagged=frozenset({"k0", "k1"}))
    full = {f"k{number}": "" for number in range(50)}
    assert [type(call) for call in calls(known(tags=full), wanted)] == [Untag, Tag]
    roomy = {f"k{number}": "" for number in range(49)}
    assert said(calls(known(tags=roomy | {"aws:x": ""}), wanted)) == [
        "Tag sg-0a1b2c3d new=1",
        "Untag sg-0a1b2c3d k0 k1",
    ]


# ---- exact: descriptions and tags of rules ----


def test_descriptions_are_corrected_and_none_is_the_empty_one() -> None:
    judged = known(tcp(22, EVERYONE, description="old"), tcp(23, EVERYONE), tcp(24, EVERYONE, description="same"))
    texts = ("new", "", "same")
    new = tuple(each._replace(description=text) for each, text in zip(judged.rules, texts, strict=True))
    (call,) = calls(judged, Wanted(rules=new, exact=True))
    assert isinstance(call, Describe)
    assert [(each.rule_id, each.description) for each in call.rules] == [("sgr-0", "new")]
    assert calls(judged, Wanted(rules=new)) == ()
    assert settled(after(judged, Wanted(rules=new, exact=True)), Wanted(rules=new, exact=True))


def test_rules_that_need_the_same_tags_share_a_call() -> None:
    judged = tagged(
        known(tcp(1, EVERYONE), tcp(2, EVERYONE), tcp(3, EVERYONE)), (("old", ""),), (("old", ""),), (("aws:x", ""),)
    )
    wanted = Wanted(rules=tagged(judged, (("A", "1"),), (("A", "1"),), ()).rules, exact=True)
    assert said(calls(judged, wanted)) == ["Untag sgr-0 sgr-1 old", "Tag sgr-0 sgr-1 A=1"]
    assert [each.tags for each in after(judged, wanted).rules] == [(("A", "1"),), (("A", "1"),), (("aws:x", ""),)]


def test_a_tag_call_names_a_thousand_resources_at_most() -> None:
    judged = known(*(tcp(port, EVERYONE) for port in range(1001)))
    wanted = Wanted(rules=tagged(judged, *[(("A", "1"),)] * 1001).rules, exact=True)
    made = calls(judged, wanted)
    assert [len(call.resources) for call in made if isinstance(call, Tag)] == [1000, 1]


def test_a_restored_rule_gets_its_tags_when_its_new_id_is_known() -> None:
    backup = MARKER._replace(rule_id="sgr-old", tags=(("A", "1"),))
    wanted = Wanted(rules=(backup,), gone=None, exact=True)
    assert said(calls(known(), wanted)) == ["Authorize ingress 65535"]
    assert said(calls(known(tcp(65535, "127.0.0.1/32")), wanted)) == ["Tag sgr-0 A=1"]
    assert after(known(), wanted).rules == (backup._replace(rule_id=None),)


def test_everything_happens_in_one_order() -> None:
    judged = known(tcp(22, EVERYONE), tcp(23, EVERYONE, description="old"), tags={"gone": ""})
    new = (rule(tcp(24, EVERYONE)), judged.rules[1]._replace(description="new", tags=(("A", "1"),)))
    going = gone(judged.rules[0])
    wanted = Wanted(new, going, (("T", "1"),), frozenset({"gone"}), exact=True)
    assert [type(call) for call in calls(judged, wanted)] == [Tag, Authorize, Revoke, Describe, Tag, Untag]


def test_after_names_what_stays_first_and_gives_no_id_to_what_comes() -> None:
    judged = known(tcp(22, EVERYONE), tcp(23, EVERYONE), egress=(tcp(1, EVERYONE),))
    wanted = Wanted(rules=(MARKER._replace(tags=(("A", "1"),)),), gone=gone(judged.rules[0]))
    assert [each.rule_id for each in after(judged, wanted).rules] == ["sgr-1", "sgr-2", None]
    assert after(judged, wanted).rules[-1].tags == ()
    assert OUT in {each.direction for each in after(judged, wanted).rules}
