"""Long answers as columns: they tell of each group what `translate` makes of botocore's reading, or they doubt it."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

import numpy as np
import pytest
from botocore.parsers import ResponseParserFactory
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.groups import OWNER
from benchmarks.groups import group as estate_group
from benchmarks.loopback_ec2 import render_pages
from sg_compliance.aws import ec2_response, translate
from sg_compliance.aws.ec2_groups import Groups
from sg_compliance.aws.ec2_layout import Tags
from sg_compliance.aws.ec2_response import ResponseParsers
from sg_compliance.model.security_group import CidrPeer, GroupPeer, PrefixListPeer
from tests.columns_of import columns_of
from tests.contract import test_ec2_response as whole
from tests.contract.test_aws_inventory import HERE, read
from tests.contract.test_aws_scripted_server import (
    CALLER,
    MEMBER,
    Answer,
    ScriptedAws,
    ec2,
    entries,
    from_group,
    from_list,
    group,
    groups,
    items,
    permission,
    scripted_aws,
)
from tests.contract.test_ec2_response import GROUPS, bodies, document, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sg_compliance.interfaces import Page
    from sg_compliance.model.columns import Columns

PARSERS: Final = ResponseParsers()
ACCOUNT, HOME = "999999999999", "eu-west-1"


@pytest.fixture(autouse=True, scope="module")
def every_page_is_long() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ec2_response, "_WORTH_COLUMNS", 0)
        patch.setattr(ec2_response, "_WORTH_NUMPY", 0)
        yield


def read_page(body: str) -> Any:  # noqa: ANN401  whatever the SDK gives
    found: Any = outcome(PARSERS, body.encode(), GROUPS)
    return found.get("SecurityGroups")


# --- the same answer --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, (shape, _) in whole.PLAIN.items() if shape is GROUPS])
def test_a_page_is_equal_to_what_botocore_reads(name: str) -> None:
    whole.assert_same(whole.PLAIN[name][1].encode())


@pytest.mark.parametrize("name", whole.ODD)
def test_an_odd_page_is_read_as_botocore_reads_it(name: str) -> None:
    whole.assert_same(whole.ODD[name].encode())


IN_A_GROUP: Final = (
    *("<x/>", "<x>1</x>", "<x> <y>&lt;</y><y/> </x>", "<x><y>1</x></y>", "<x><y></x></y>", "<x>&nbsp;</x>", "</x>"),
    *("text", "<groupId>sg-2</groupId>", "<groupId/>", "<tagSet/>", "<ipPermissions> </ipPermissions>", "<a.b/>"),
    *("<vpcId><x/></vpcId>", "<ownerId/>", "<ipPermissions>text</ipPermissions>", "<x y='1'/>", "<!-- x -->", "<>"),
    *(
        "<x><y>1</y></z>",
        "<ipv6Ranges><x/></ipv6Ranges>",
        "<x>>b></b></x>",
        "<x>1>b>c</b></x>",
        "<x><b<c</b></x>",
        "<x></x/>",
        "<x>1</x/>",
        "<x>1</x/><x/>",
    ),
    *("<1a/>", "</>", "<a/ >", "<a/></a>", "</a/>", "<x>\ufffe</x>", "<x>\x01</x>", "<x>caf\u00e9</x>", "<x>\r</x>"),
    *(
        f"<{'x' * 30}>1</{'x' * 30}>",
        "<groupNamf>1</groupNamf>",
        "<vpcPeeringConnectionIdX>1</vpcPeeringConnectionIdX>",
    ),
    *("<x>" * 40 + "</x>" * 40, "<x>" * 300 + "</x>" * 300, "".join(f"<x{each}/>" for each in range(33_000)), "<", ">"),
    *("<ipPermissionsEgresS/>", "<securityGrouPArn/>", "<vpcid>1</vpcid>", "<ipPermissions><x/></ipPermissions>"),
    *(
        f"<fromPort>{each}</fromPort>"
        for each in ("", "-", "x", "1x", "+1", " 7 ", "1.5", "&#49;", "1" * 30, "1" * 5000)
    ),
    *("<fromPort/>", "<x><![CDATA[<y>]]></x>", "<x>a]]>b</x>"),
    *("</item></item>", "</item><item>", "</x><x>"),
    *(
        "<x>1</y>",
        "<x>&#65;&#xFFFF;</x>",
        "<x><item></x></item>",
        "<x><y/></x><x/>",
        "\n\t ",
        "&#32;",
        "&lt;",
        "\u00a0",
    ),
)


@pytest.mark.parametrize("x", IN_A_GROUP)
@pytest.mark.parametrize("before", ["<ownerId>", "<ipRanges/>", "<cidrIp>", "</item>", "<groupName>", "<toPort>"])
def test_whatever_stands_in_a_group_is_read_as_botocore_reads_it(x: str, before: str) -> None:
    inner = whole.A_GROUP.replace(before, f"{x}{before}", 1)
    whole.assert_same(document(f"<securityGroupInfo>{whole.A_GROUP}{inner}</securityGroupInfo>").encode())
    whole.assert_same(document(f"<securityGroupInfo>{x}{whole.A_GROUP}{x}</securityGroupInfo>").encode())


@pytest.mark.parametrize("name", whole.MODELS)
@pytest.mark.parametrize("x", whole.XS)
def test_with_another_version_of_the_model_too(name: str, x: str) -> None:
    shape = whole.shape_of("DescribeSecurityGroups", whole.MODELS[name])
    inner = whole.A_GROUP.replace("<ownerId>", f"{x}<ownerId>")
    whole.assert_same(document(f"<securityGroupInfo>{inner}</securityGroupInfo>{x}").encode(), shape)


@given(bodies(GROUPS))
def test_pages_are_read_as_botocore_reads_them(body: str) -> None:
    whole.assert_same(body.encode(errors="surrogatepass"))


@given(
    st.one_of(bodies(GROUPS), st.sampled_from([whole.PLAIN["groups"][1], whole.PLAIN["no groups"][1]])),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 30), st.sampled_from(["", *whole.SPOILERS])), max_size=2),
)
def test_a_spoilt_page_is_read_or_fails_as_it_does_with_botocore(
    body: str, changes: list[tuple[int, int, str]]
) -> None:
    for where, cut, put in changes:
        at = where % len(body)
        body = body[:at] + put + body[at + cut :]
    whole.assert_same(body.encode(errors="surrogatepass"))


def test_a_model_without_what_columns_are_made_of_gives_lists() -> None:
    shape = whole.shape_of("DescribeSecurityGroups", whole.MODELS["fewer members"])
    found: Any = outcome(ResponseParsers(), whole.PLAIN["groups"][1].encode(), shape)
    assert type(found["SecurityGroups"]) is list


def test_what_a_list_of_groups_does() -> None:
    body = whole.PLAIN["groups"][1]
    ours: Any = read_page(body)
    theirs: Any = outcome(ResponseParserFactory(), body.encode(), GROUPS)["SecurityGroups"]  # type: ignore[index]
    assert isinstance(ours, Groups)
    assert (len(ours), [*ours], ours[-1], ours[:1]) == (2, theirs, theirs[1], theirs[:1])
    assert ours == read_page(body)
    assert ours != theirs[:1]
    assert ours != "groups"
    assert repr(ours) == "<2 security groups>"
    with pytest.raises(IndexError):
        ours[2]


# --- the same meaning -------------------------------------------------------------------------------------------------


def told(columns: Columns, at: int) -> dict[str, object]:
    """All that columns say of one group."""
    rows = [row for row, group_at in enumerate(columns.group.tolist()) if group_at == at]
    return {
        "rules": [
            (
                *(bool(columns.egress[row]), int(columns.protocol[row]), int(columns.first[row])),
                *(int(columns.last[row]), int(columns.low[row]), int(columns.high[row]), int(columns.described[row])),
                columns.peers[columns.peer[row]] if columns.peer[row] >= 0 else None,
            )
            for row in rows
        ],
        "group": (columns.group_ids[at], columns.names[at], columns.own_described[at]),
        "whose": columns.owners[columns.whose[at]],
    }


def assert_told(body: str) -> list[bool]:
    """Compare with what the groups are as values. Returns which groups the columns doubt."""
    found = read_page(body)
    assert isinstance(found, Groups)
    columns = found.columns(ACCOUNT, HOME)
    values = [translate.security_group(raw, account_id=ACCOUNT, region=HOME) for raw in found]
    expected = columns_of(values)
    doubtful: list[bool] = columns.doubtful.tolist()
    for at in range(len(found)):
        assert doubtful[at] or not values[at].malformed
        assert doubtful[at] or told(columns, at) == told(expected, at)
    assert dtypes(columns) == dtypes(expected)
    assert (columns.group[1:] >= columns.group[:-1]).all()
    return doubtful


def dtypes(columns: Columns) -> list[object]:
    arrays = (columns.group, columns.egress, columns.protocol, columns.first, columns.last, columns.low, columns.high)
    return [each.dtype for each in (*arrays, columns.peer, columns.described, columns.whose, columns.own_described)]


PORTS: Final = (
    "22",
    "0",
    "443",
    "65535",
    "65536",
    "-1",
    "-2",
    " 7 ",
    "1_0",
    "007",
    "999999",
    "1234567",
    "12345678",
    "9999999",
    "4194304",
    "  443  ",
    "-0",
)
PROTOCOLS: Final = (
    "tcp",
    "udp",
    "-1",
    "icmp",
    "6",
    "58",
    "50",
    "all",
    "TCP",
    " tcp ",
    "x",
    "256",
    "",
    "icmpv6",
    "tcp tcp tcp",
)
BLOCKS: Final = (
    *("0.0.0.0/0", "10.0.0.0/8", "1.2.3.4/0", "1.2.3.4", "255.255.255.255/32", "1.2.3.4/33", "256.1.1.1/8", "::/0"),
    *("010.0.0.0/8", "10.0.0.0/08", "10.0.0.0/8 ", "1.2.3.4/", "1.2.3/8", "1.2.3.4.5/8", "1..3.4/8", "", "x", "/8"),
    *("1.2.3.4/8/8", "1.2.3.0400/8", "1.2.3.4/100", "1111.2.3.4/8", ".1.2.3/8", "1.2.3.4.8", "111.222.111.222/111"),
)
BLOCKS6: Final = ("::/0", "2600:1f18::/32", "FE80::1/64", "2600:1F18:0::/32", "x", "", "10.0.0.0/8", "::1")
TEXTS: Final = ("", "a", " a ", "caf\u00e9", "R&D", "\u3000x\u3000", "a\nb", "<x>", "web", "x" * 30, " ", "\u00a0")


def some(key: str, *texts: str) -> st.SearchStrategy[dict[str, str]]:
    return st.one_of(st.just({}), st.sampled_from(texts).map(lambda text: {key: text}))


def merged(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda found: {key: value for part in found for key, value in part.items()})


DESCRIPTION: Final = some("description", *TEXTS)
PEERS: Final = {
    "ipRanges": merged(some("cidrIp", *BLOCKS), DESCRIPTION),
    "ipv6Ranges": merged(some("cidrIpv6", *BLOCKS6), DESCRIPTION),
    "prefixListIds": merged(some("prefixListId", "pl-1", "pl-2", "R&D", ""), DESCRIPTION),
    "groups": merged(
        some("groupId", "sg-1", "sg-2", ""),
        some("userId", "1", "2", ""),
        some("groupName", "web", ""),
        some("vpcId", "vpc-1"),
        some("vpcPeeringConnectionId", "pcx-1"),
        some("peeringStatus", "active"),
        DESCRIPTION,
    ),
}


def lists(key: str, member: st.SearchStrategy[dict[str, Any]], most: int) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(st.just({}), st.lists(member, max_size=most).map(lambda found: {key: found}))


FINE_PEERS: Final = PEERS | {
    "ipRanges": merged(st.sampled_from(BLOCKS[:5]).map(lambda text: {"cidrIp": text}), DESCRIPTION),
    "ipv6Ranges": merged(st.sampled_from(BLOCKS6[:4]).map(lambda text: {"cidrIpv6": text}), DESCRIPTION),
}
PERMISSION: Final = merged(
    some("ipProtocol", *PROTOCOLS),
    some("fromPort", *PORTS),
    some("toPort", *PORTS),
    *(lists(key, member, 3) for key, member in PEERS.items()),
)
FINE_PERMISSION: Final = merged(
    st.sampled_from(["tcp", "udp", "-1", "icmp", " TCP ", "58"]).map(lambda text: {"ipProtocol": text}),
    st.sampled_from(["22", "0", "-1", "007"]).map(lambda port: {"fromPort": port, "toPort": port}),
    *(lists(key, member, 3) for key, member in FINE_PEERS.items()),
)
WHOSE: Final = merged(
    *(some(key, *TEXTS) for key in ("groupName", "groupDescription", "vpcId")),
    some("ownerId", "111111111111", "222222222222", "1&1"),
    some("groupId", "sg-1", "sg-2", "s&g"),
    some("securityGroupArn", "arn:aws:ec2:us-east-1:1:security-group/sg-1", "arn:aws:ec2::1:x", "x", "a:b:c:d:e:f:g"),
    lists("tagSet", merged(some("key", *TEXTS), some("value", *TEXTS)), 2),
    some("unknownThing", *TEXTS),
)
FINE_GROUP: Final = merged(
    WHOSE, lists("ipPermissionsEgress", FINE_PERMISSION, 2), lists("ipPermissions", FINE_PERMISSION, 3)
)
GROUP: Final = merged(WHOSE, lists("ipPermissionsEgress", PERMISSION, 2), lists("ipPermissions", PERMISSION, 2))


def render(value: object, space: str) -> str:
    """As EC2 writes it: elements of a structure, items of a list, or a text."""
    if isinstance(value, str):
        return escape(value)
    named = [("item", each) for each in value] if isinstance(value, list) else [*value.items()]  # type: ignore[attr-defined]
    inner = [f"<{tag}/>" if not each and space else f"<{tag}>{render(each, space)}</{tag}>" for tag, each in named]
    return "".join(f"{space}{each}" for each in inner) + (space if inner else "")


def page(found: Sequence[Mapping[str, Any]], space: str = "") -> str:
    return document(f"<securityGroupInfo>{render(found, space)}</securityGroupInfo>")


@given(st.lists(st.one_of(FINE_GROUP, FINE_GROUP, GROUP), min_size=1, max_size=3), st.sampled_from(["", "\n    "]))
def test_columns_tell_what_groups_are_as_values(found: list[Mapping[str, Any]], space: str) -> None:
    assert_told(page(found, space))


@given(bodies(GROUPS))
def test_columns_of_whatever_the_model_lets_through(body: str) -> None:
    answer = outcome(ResponseParserFactory(), body.encode(), GROUPS)
    if isinstance(answer, dict) and isinstance(read_page(body), Groups):
        assert_told(body)


@pytest.mark.parametrize("space", [b"", b"\n            "])
def test_nothing_of_an_ordinary_estate_is_doubted(space: bytes) -> None:
    body = render_pages(120)[""].replace(b"><", b">" + space + b"<").decode()
    assert not any(assert_told(body))
    assert len(read_page(body)) == 120


def with_rule(**peer: str) -> dict[str, Any]:
    return {"ipPermissions": [{"ipProtocol": "tcp", "fromPort": "22", "toPort": "22", "ipRanges": [peer]}]}


def test_ordinary_texts_are_not_doubted_and_malformed_rules_are() -> None:
    ordinary = [
        with_rule(cidrIp="10.0.0.0/8", description="R&D caf\u00e9"),
        with_rule(cidrIp="10.1.2.3", description=" padded\t"),
        {"groupDescription": "\n padded"},
        {"groupName": "R&D", "groupDescription": " caf\u00e9 ", "tagSet": [{"key": "R&D", "value": "\u3000"}]},
        {"ipPermissions": [{"ipProtocol": "-1", "groups": [{"userId": "R&D", "groupId": "caf\u00e9"}]}]},
        {"unknownThing": "R&D", "another": {"thing": [{"in": "it"}, {}]}} | with_rule(cidrIp="10.0.0.0/8"),
        {"ipPermissions": [{"ipProtocol": "-1"}, {"ipProtocol": " TCP ", "fromPort": "-1", "toPort": "-1"}]},
        {},
    ]
    malformed = [
        with_rule(cidrIp="10.0.0.0/80"),
        with_rule(),
        {"ipPermissions": [{"ipProtocol": "x"}]},
        {"ipPermissions": [{"ipProtocol": "tcp      x"}]},
        {"ipPermissions": [{"ipProtocol": "tcp", "fromPort": "23", "toPort": "22", "ipRanges": []}]},
        {"ipPermissionsEgress": [{"ipProtocol": "tcp", "fromPort": "23"}]},
        {"ipPermissionsEgress": [{}]},
    ]
    expected = [False] * len(ordinary) + [True] * len(malformed)
    assert assert_told(page([*ordinary, *malformed])) == expected
    assert assert_told(page([*ordinary, *malformed], "\n  ")) == expected


def test_every_way_to_write_a_block_is_read_as_it_is_as_a_value() -> None:
    fours = [with_rule(cidrIp=text) for text in BLOCKS]
    sixes = [{"ipPermissions": [{"ipProtocol": "-1", "ipv6Ranges": [{"cidrIpv6": text}]}]} for text in BLOCKS6]
    assert sum(assert_told(page([*fours, *sixes]))) < len(fours)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_way_to_write_ports_is_read_as_it_is_as_a_value(protocol: str) -> None:
    peers = {"ipRanges": [{"cidrIp": "10.0.0.0/8"}]}
    spans = [{}, *({"fromPort": first, "toPort": last} for first in PORTS for last in PORTS), {"toPort": "22"}]
    found = [{"ipPermissionsEgress": [{"ipProtocol": protocol, **span, **peers}]} for span in spans]
    assert_told(page(found))


@pytest.mark.parametrize(
    "body",
    [
        "<R><x><securityGroupInfo>{}</securityGroupInfo></x><securityGroupInfo/></R>",
        "<R><x><securityGroupInfo>{}</securityGroupInfo></x></R>",
        "<R><x><securityGroupInfo/></x><securityGroupInfo>{}</securityGroupInfo></R>",
        "<securityGroupInfo>{}</securityGroupInfo>",
        "<R><securityGroupInfo><securityGroupInfo>{}</securityGroupInfo></securityGroupInfo></R>",
    ],
)
def test_a_list_of_groups_somewhere_else_is_read_as_botocore_reads_it(body: str) -> None:
    whole.assert_same(body.format("<item><groupId>sg-1</groupId></item>").encode())


def test_columns_can_be_asked_for_twice() -> None:
    found = read_page(page([with_rule(cidrIp="10.0.0.0/8")]))
    first, second = found.columns(ACCOUNT, HOME), found.columns(MEMBER, HOME)
    assert told(first, 0)["rules"] == told(second, 0)["rules"] != []
    assert (first.owners[0].account_id, second.owners[0].account_id) == (ACCOUNT, MEMBER)


def test_a_name_that_is_nearly_another_is_told_from_it() -> None:
    names = [b"item", b"groupId", b"ipPermissions", b"vpcPeeringConnectionId", b"securityGroupArn"]
    tags = Tags(names)
    chance = random.Random(20)  # noqa: S311  nothing secret is drawn
    for _ in range(2_500):
        drawn = [_nearly(chance.choice(names), chance) for _ in range(100)]
        body = b"".join(drawn) + b" " * 24
        ends = np.cumsum([len(name) for name in drawn])
        found = tags.ids(body, ends - [len(name) for name in drawn], ends).tolist()
        assert [names[each] if each < len(names) else drawn[at] for at, each in enumerate(found)] == drawn
        assert all(each < len(names) or drawn[at] not in names for at, each in enumerate(found))


def _nearly(name: bytes, chance: random.Random) -> bytes:
    """The name, or one that is different in its last letters, or longer."""
    last = bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz", k=chance.choice([0, 3, 4, 6])))
    return name[: len(name) - min(len(last), len(name) - 1)] + last[: chance.choice([6, len(name) - 1])]


# --- in a region ------------------------------------------------------------------------------------------------------

LISTED: Final = ec2(
    "DescribeManagedPrefixLists",
    items("prefixListSet", *(f"<prefixListId>pl-{each}</prefixListId>" for each in (1, 2))),
)
INVERTED: Final = from_list("pl-3").replace("<fromPort>22", "<fromPort>23")
BROKEN: Final = permission(items("ipRanges", "<cidrIp>10.0.0.0/80</cidrIp>"))


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as server:
        yield server


def region(aws: ScriptedAws, *, names: bool = False) -> list[Page]:
    from sg_compliance.aws.ec2 import Targets  # noqa: PLC0415

    return read(aws, HERE, Targets(names_of_groups=names))[0]


def plain(aws: ScriptedAws, *, names: bool = False) -> list[Page]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ec2_response, "_pages", lambda _: None)
        return region(aws, names=names)


@pytest.mark.e2e
@pytest.mark.parametrize("names", [False, True])
def test_a_region_is_the_same_with_columns_and_without(aws: ScriptedAws, names: bool) -> None:
    answers = {
        "": groups(
            group("sg-1", from_list("pl-1"), from_group("sg-2"), name="one"),
            group("sg-2", BROKEN, from_list("pl-2"), from_group("sg-4"), name="two"),
            group("sg-5", INVERTED, name="five"),
            token="t",
        ),
        "t": groups(
            group("sg-3", from_group("sg-1"), from_group("sg-9")), group("sg-4", from_group("sg-2"), name="four")
        ),
    }
    aws.answers["DescribeSecurityGroups"] = lambda call: answers[call.token]
    aws.answers["DescribeManagedPrefixLists"] = LISTED
    aws.answers["GetManagedPrefixListEntries"] = entries("10.0.0.0/8")
    interface = "<networkInterfaceId>eni-1</networkInterfaceId>" + items("groupSet", "<groupId>sg-2</groupId>")
    aws.answers["DescribeNetworkInterfaces"] = ec2("DescribeNetworkInterfaces", items("networkInterfaceSet", interface))
    with_columns, without = region(aws, names=names), plain(aws, names=names)
    assert [page.columns for page in without] == [None, None]
    for ours, theirs in zip(with_columns, without, strict=True):
        assert [*ours.groups] == theirs.groups
        assert ours.prefix_lists == theirs.prefix_lists
        columns = ours.told
        assert columns is not None
        expected = columns_of(theirs.groups)
        for at in range(len(theirs.groups)):
            assert columns.doubtful[at] or told(columns, at) == told(expected, at)
    assert with_columns[0].groups[1].interfaces == ("eni-1",)
    assert with_columns[0].prefix_lists.keys() == {"pl-1", "pl-2"}
    named = [rule.peer.name for rule in with_columns[0].groups[1].rules if isinstance(rule.peer, GroupPeer)]
    assert named == (["four"] if names else [None])


@pytest.mark.e2e
@pytest.mark.parametrize("other", [group("sg-2", owner=MEMBER), "<ownerId/><groupId>sg-2</groupId>"])
def test_a_page_with_groups_of_another_account_has_no_columns(aws: ScriptedAws, other: str) -> None:
    aws.answers["DescribeSecurityGroups"] = groups(group("sg-1"), other)
    (found,) = region(aws)
    assert [each.group_id for each in found.groups] == ["sg-1"]
    assert found.columns is None


@pytest.mark.e2e
def test_a_page_without_own_groups_is_no_page(aws: ScriptedAws) -> None:
    aws.answers["DescribeSecurityGroups"] = groups(group("sg-2", owner=MEMBER))
    assert region(aws) == []


@pytest.mark.e2e
def test_html_is_not_taken_for_an_empty_region(aws: ScriptedAws) -> None:
    from sg_compliance.errors import AwsError  # noqa: PLC0415

    aws.answers["DescribeSecurityGroups"] = Answer("<html><body>sign in</body></html>")
    with pytest.raises(AwsError, match="neither SecurityGroups nor a request id"):
        region(aws)


# --- who pays for NumPy -----------------------------------------------------------------------------------------------

IN_A_PROCESS: Final = """
import sys
{before}
import sg_compliance.aws.ec2, sg_compliance.aws.ec2_lookup
import botocore.session
from botocore.model import ServiceModel
from sg_compliance.aws.ec2_response import ResponseParsers
model = ServiceModel(botocore.session.Session().get_service_data("ec2"), "ec2")
shape = model.operation_model("DescribeSecurityGroups").output_shape
response = {{"body": sys.stdin.buffer.read(), "headers": {{}}, "status_code": 200}}
found = ResponseParsers().create_parser("ec2").parse(response, shape)["SecurityGroups"]
print(type(found).__name__, len(found), bool(sys.modules.get("numpy")))
"""


def in_a_process(count: int, before: str = "") -> str:
    program = IN_A_PROCESS.format(before=before)
    body = render_pages(count)[""]
    done = subprocess.run([sys.executable, "-c", program], input=body, capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.mark.e2e
def test_who_reads_few_groups_does_not_import_numpy() -> None:
    assert in_a_process(1) == "list 1 False"
    assert in_a_process(100) == "list 100 False"


@pytest.mark.e2e
def test_a_page_of_many_groups_is_laid_out_in_columns_where_numpy_is_there() -> None:
    assert in_a_process(1000) == "Groups 1000 True"
    assert in_a_process(1000, "sys.modules['numpy'] = None") == "list 1000 False"
    assert in_a_process(100, "import numpy") == "Groups 100 True"


def test_the_estate_has_peers_of_every_kind() -> None:
    peers = {type(rule.peer) for at in range(40) for rule in translate.security_group(estate_group(at)).rules}
    assert peers == {CidrPeer, GroupPeer, PrefixListPeer}
    assert OWNER != CALLER
