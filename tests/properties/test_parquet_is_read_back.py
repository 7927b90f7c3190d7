"""Whatever groups are written to Parquet: read back they are those that JSON Lines give, and so are their columns."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sg_compliance.aws import render, translate
from sg_compliance.interfaces import Page
from sg_compliance.local.parquet_rules import ipv4_blocks
from sg_compliance.local.snapshot_file import open_snapshot
from sg_compliance.model.addresses import parse_cidr
from sg_compliance.workflows.snapshot import Documents
from tests.builders import lists
from tests.columns_of import columns_of
from tests.parquet_files import Read, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.model.columns import Columns
    from sg_compliance.model.security_group import SecurityGroup

Json = dict[str, Any]

PLAIN = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), max_size=12)
NASTY = st.one_of(
    PLAIN, st.text(max_size=8), st.sampled_from(["\ud800", "\x00", " \u2003x\x1c", "\x85", "'; DROP", "é" * 40])
)
AWS_PROTOCOLS = st.sampled_from(["tcp", "udp", "icmp", "icmpv6", "-1", "47", "6", "17", "1", "58", "0", "255"])
ODD_PROTOCOLS = st.sampled_from(["TCP", "all", " tcp", "06", "256", "", "nonsense", None, 6])
AWS_PORTS = st.sampled_from([None, -1, 0, 3, 8, 22, 80, 255, 443, 65535])
ODD_PORTS = st.sampled_from([-2, 256, 65536, 2**31, -(2**40), 10**30, "22", "x", "", "-1", True, 1.5])
BLOCKS = st.sampled_from(
    ["0.0.0.0/0", "1.2.3.4/0", "10.0.0.0/8", "10.1.2.3/8", "192.168.0.1/32", "8.8.8.8/1", "255.255.255.255/32"]
)
ODD_BLOCKS = st.sampled_from(
    *[["10.0.0.0", "01.2.3.4/8", "1.2.3.4/033", "1.2.3/8", "300.0.0.0/8", "1.2.3.4/33", "", "::1", "1.2.3.4/", "a/1"]]
)
BLOCKS_6 = st.sampled_from(["::/0", "fe80::1/64", "2001:db8::/32", "0:0::/0", "2001:db8:0::/33"])


def peers(key: str, value: st.SearchStrategy[Any], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Json]]:
    return st.lists(st.fixed_dictionaries({key: value}, optional=optional), max_size=3)


def permissions(
    protocols: st.SearchStrategy[Any],
    ports: st.SearchStrategy[Any],
    blocks: st.SearchStrategy[str],
    text: st.SearchStrategy[str],
) -> st.SearchStrategy[Json]:
    named = st.sampled_from(["sg-1", "sg-2", "sg-0ff"])
    more = {"UserId": st.sampled_from(["1", "2"]), "GroupName": text, "VpcId": PLAIN, "PeeringStatus": PLAIN}
    return st.fixed_dictionaries(
        {"IpProtocol": protocols, "FromPort": ports, "ToPort": ports},
        optional={
            "IpRanges": peers("CidrIp", blocks, Description=text),
            "Ipv6Ranges": peers("CidrIpv6", BLOCKS_6, Description=text),
            "PrefixListIds": peers("PrefixListId", st.sampled_from(["pl-1", "pl-2"]), Description=text),
            "UserIdGroupPairs": peers("GroupId", named, Description=text, VpcPeeringConnectionId=PLAIN, **more),
        },
    )


as_aws = permissions(AWS_PROTOCOLS, AWS_PORTS, BLOCKS, PLAIN)
odd = permissions(AWS_PROTOCOLS | ODD_PROTOCOLS, AWS_PORTS | ODD_PORTS, BLOCKS | ODD_BLOCKS, NASTY)


def raw_groups(rules: st.SearchStrategy[Any], text: st.SearchStrategy[str]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries(
        {
            "GroupId": st.from_regex(r"sg-[0-9a-f]{1,8}", fullmatch=True),
            "IpPermissions": st.lists(rules, max_size=4),
            "IpPermissionsEgress": st.lists(rules, max_size=2),
        },
        optional={
            "GroupName": text,
            "Description": text,
            "OwnerId": st.sampled_from(["111122223333", "444455556666"]),
            "VpcId": st.sampled_from(["vpc-1", None]),
            "Tags": st.lists(st.fixed_dictionaries({"Key": text, "Value": text}), max_size=3),
            "AttachedNetworkInterfaceIds": st.lists(PLAIN, max_size=2),
            "ManagedNetworkInterfaceIds": st.lists(PLAIN, max_size=1),
        },
    )


estates = st.lists(
    raw_groups(as_aws, PLAIN) | raw_groups(odd | st.sampled_from([7, None, "x"]), NASTY),
    min_size=1,
    max_size=6,
    unique_by=lambda raw: str(raw["GroupId"]),
)


def model(raw: list[Json]) -> list[SecurityGroup]:
    """The groups, some rules with ids."""
    groups = [translate.security_group(each, region="eu-west-1") for each in raw]
    return [translate.with_rule_ids(group, _ids(group)) for group in groups]


def _ids(group: SecurityGroup) -> dict[tuple[Any, ...], str]:
    every_second = [rule._replace(rule_id=f"sgr-{number}") for number, rule in enumerate(group.rules) if number % 2]
    rendered = [raw for rule in every_second for raw in render.render_rules(_with(group, rule))]
    return translate.rule_ids(rendered)


def _with(group: SecurityGroup, *rules: Any) -> SecurityGroup:  # noqa: ANN401 - rules
    return type(group)(group.account_id, group.region, group.group_id, rules=rules)


@settings(max_examples=100, deadline=None)
@given(raw=estates, cut=st.integers(0, 6))
@example(raw=[{"GroupId": "sg-1", "IpPermissions": [], "IpPermissionsEgress": []}], cut=0)
def test_groups_come_back_as_json_lines_give_them(raw: list[Json], cut: int) -> None:
    groups = model(raw)
    known = lists({"pl-1": ["10.0.0.0/8", "2001:db8::/32"], "pl-2": None})
    with tempfile.TemporaryDirectory() as folder:
        parquet, lines = Path(folder) / "x.parquet", Path(folder) / "x.jsonl"
        write(parquet, groups[:cut], groups[cut:], prefix_lists=known)
        with open_snapshot(lines, replace=False) as file:
            Documents(render, file.write).add(Page(groups, known))
        columnar, plain = Read(parquet), Read(lines)
        assert columnar.groups == plain.groups
        assert columnar.lists == plain.lists == known
        assert columnar.skipped == plain.skipped == []


@settings(max_examples=100, deadline=None)
@given(raw=estates)
def test_columns_tell_what_the_groups_are(raw: list[Json]) -> None:
    groups = model(raw)
    with tempfile.TemporaryDirectory() as folder:
        (page,) = Read(write(Path(folder) / "x.parquet", groups)).pages
    columns, expected = page.columns, columns_of(page.groups)
    assert columns is not None
    assert bool((expected.doubtful <= columns.doubtful).all())
    sure = {at for at in range(len(groups)) if not columns.doubtful[at]}
    assert [each for each in rows(columns) if each[0] in sure] == [each for each in rows(expected) if each[0] in sure]
    assert [each for at, each in enumerate(heads(columns))] == [
        (*each[:-1], heads(columns)[at][-1] if at not in sure else each[-1]) for at, each in enumerate(heads(expected))
    ]
    assert [columns.group_ids[at] for at in sure] == [groups[at].group_id for at in sure]


def rows(columns: Columns) -> Iterator[tuple[Any, ...]]:
    """Rules as plain values, their peers looked up."""
    arrays = ("group", "egress", "protocol", "first", "last", "low", "high", "described", "peer")
    for *values, peer in zip(*(getattr(columns, name).tolist() for name in arrays), strict=True):
        yield (*values, columns.peers[peer] if peer >= 0 else None)


def heads(columns: Columns) -> list[tuple[Any, ...]]:
    """Groups without their rules."""
    owners = [columns.owners[at] for at in columns.whose.tolist()]
    return [*zip(columns.group_ids, columns.names, owners, columns.own_described.tolist(), strict=True)]


@settings(max_examples=50, deadline=None)
@given(raw=st.lists(raw_groups(as_aws, PLAIN), min_size=1, max_size=4, unique_by=lambda raw: str(raw["GroupId"])))
def test_only_malformed_groups_as_aws_spells_them_are_doubtful(raw: list[Json]) -> None:
    groups = model(raw)
    with tempfile.TemporaryDirectory() as folder:
        (page,) = Read(write(Path(folder) / "x.parquet", groups)).pages
    assert page.columns is not None
    assert page.columns.doubtful.tolist() == [bool(group.malformed) for group in groups]


PIECES = (
    "",
    "0",
    "00",
    "01",
    "1",
    "9",
    "10",
    "99",
    "010",
    "100",
    "255",
    "256",
    "300",
    "1000",
    "a",
    ":",
    "1:",
    "-1",
    " 1",
)
LENGTHS = (*PIECES, "8", "32", "33", "24", "/", "08")


def one_by_one(texts: list[str]) -> None:
    low, high, unread = ipv4_blocks(pa.array(["10.0.0.0/8", *texts], pa.string())[1:])
    for text, found in zip(texts, zip(low.tolist(), high.tolist(), unread.tolist(), strict=True), strict=True):
        try:
            block = parse_cidr(text)
        except ValueError:
            block = None
        ends = (block.first, block.last, False) if block and block.version == 4 else None
        assert (found == ends) if ends else found[2], text


def test_many_blocks_are_read_as_each_by_itself_whatever_one_piece_is() -> None:
    good = ["1.2.3.4/8", "255.255.255.255/32", "0.0.0.0/0", "10.99.100.200/9"]
    texts = []
    for text in good:
        pieces = text.replace("/", ".").split(".")
        for at in range(5):
            for piece in LENGTHS if at == 4 else PIECES:
                changed = [*pieces[:at], piece, *pieces[at + 1 :]]
                texts += [form.format(*changed) for form in ("{}.{}.{}.{}/{}", "{}/{}.{}.{}.{}", "{}.{}.{}.{}.{}")]
    one_by_one(texts)
    one_by_one([])


octets = st.integers(0, 255).map(str) | st.sampled_from(PIECES)
texts = st.builds("{}.{}.{}.{}/{}".format, octets, octets, octets, octets, st.sampled_from(LENGTHS))
anything = st.text(st.sampled_from("0123456789./:ab\x00²"), max_size=12)


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(st.one_of(texts, anything, BLOCKS, ODD_BLOCKS, BLOCKS_6), max_size=12))
def test_many_blocks_are_read_as_each_by_itself(texts: list[str]) -> None:
    one_by_one(texts)
