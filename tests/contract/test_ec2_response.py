"""Our reading of EC2's answers against botocore's: the same values or the same failure, whatever arrives."""

from __future__ import annotations

import gc
import gzip
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import botocore.session
import pytest
from botocore.model import ServiceModel
from botocore.parsers import EC2QueryParser, ResponseParserFactory
from hypothesis import example, given
from hypothesis import strategies as st

from sg_compliance.aws import ec2_response
from sg_compliance.aws.ec2 import IAM_ACTIONS
from sg_compliance.aws.ec2_response import FAST, ResponseParsers
from tests.contract.test_aws_scripted_server import REGION, Answer, ScriptedAws, group, groups, scripted_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.model import Shape

MODEL: Final[dict[str, Any]] = dict(botocore.session.Session().get_service_data("ec2"))
NAMESPACE: Final = "http://ec2.amazonaws.com/doc/2016-11-15/"


@pytest.fixture(autouse=True, scope="module")
def no_page_is_long() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ec2_response, "_WORTH_COLUMNS", 1 << 40)
        patch.setattr(ec2_response, "_WORTH_NUMPY", 1 << 40)
        yield


def shape_of(operation: str, model: dict[str, Any] = MODEL) -> Shape:
    shape = ServiceModel(model, "ec2").operation_model(operation).output_shape
    assert shape is not None
    return shape


GROUPS, RULES = shape_of("DescribeSecurityGroups"), shape_of("DescribeSecurityGroupRules")
INTERFACES = shape_of("DescribeNetworkInterfaces")


def document(inner: str, root: str = "DescribeSecurityGroupsResponse") -> str:
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f'{head}<{root} xmlns="{NAMESPACE}"><requestId>r-1</requestId>{inner}</{root}>'


def outcome(parsers: ResponseParserFactory, body: object, shape: Shape | None, status: int = 200) -> object:
    response = {"body": body, "headers": {"X-Amzn-RequestId": "h-1"}, "status_code": status, "context": {}}
    try:
        return parsers.create_parser("ec2").parse(response, shape)  # type: ignore[arg-type]  # None where nothing is told
    except Exception as error:  # noqa: BLE001  whichever it is
        return type(error), str(error)


def assert_same(body: object, shape: Shape | None = GROUPS, status: int = 200) -> object:
    expected = outcome(ResponseParserFactory(), body, shape, status)
    ours = outcome(ResponseParsers(), body, shape, status)
    assert ours == expected or without_addresses(ours) == without_addresses(expected)
    return expected


def without_addresses(value: object) -> str:
    """botocore gives the nodes of XML where an element comes twice, and they are equal to themselves only."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def no_botocore(patch: pytest.MonkeyPatch) -> None:
    def asked(*_: object) -> None:
        raise AssertionError("botocore was asked")

    patch.setattr(EC2QueryParser, "_do_parse", asked)


def read_fast(body: str, shape: Shape, monkeypatch: pytest.MonkeyPatch) -> object:
    with monkeypatch.context() as patch:
        no_botocore(patch)
        return outcome(ResponseParsers(), body.encode(), shape)


# --- what AWS documents -----------------------------------------------------------------------------------------------

A_GROUP: Final = """
        <item>
            <ownerId>123456789012</ownerId>
            <groupId>sg-1a2b3c4d</groupId>
            <groupName>WebServers</groupName>
            <groupDescription>Web &amp; &#34;API&#x22; servers,&#10;&#9;&#13;caf\u00e9</groupDescription>
            <vpcId>vpc-614cc409</vpcId>
            <ipPermissions>
                <item>
                    <ipProtocol>-1</ipProtocol>
                    <groups>
                        <item>
                            <groupId>sg-af8661c0</groupId>
                            <userId>123456789012</userId>
                            <vpcId>vpc-1</vpcId>
                            <vpcPeeringConnectionId>pcx-1</vpcPeeringConnectionId>
                            <peeringStatus>active</peeringStatus>
                        </item>
                    </groups>
                    <ipRanges/>
                    <prefixListIds/>
                </item>
                <item>
                    <fromPort>22</fromPort>
                    <ipProtocol>tcp</ipProtocol>
                    <toPort>22</toPort>
                    <groups/>
                    <ipRanges>
                        <item>
                            <cidrIp>204.246.162.38/32</cidrIp>
                            <description/>
                        </item>
                        <item>
                            <cidrIp>10.0.0.0/8</cidrIp>
                            <description>  the office  </description>
                        </item>
                    </ipRanges>
                    <ipv6Ranges>
                        <item><cidrIpv6>::/0</cidrIpv6></item>
                    </ipv6Ranges>
                    <prefixListIds>
                    </prefixListIds>
                </item>
            </ipPermissions>
            <ipPermissionsEgress>
                <item>
                    <ipProtocol>icmp</ipProtocol><fromPort>-1</fromPort><toPort>-1</toPort>
                    <prefixListIds><item><prefixListId>pl-1</prefixListId></item></prefixListIds>
                </item>
            </ipPermissionsEgress>
            <tagSet><item><key>Name</key><value></value></item></tagSet>
            <securityGroupArn>arn:aws:ec2:us-east-1:123456789012:security-group/sg-1a2b3c4d</securityGroupArn>
        </item>
"""
A_RULE: Final = """
        <item>
            <groupId>sg-1a2b3c4d</groupId><groupOwnerId>123456789012</groupOwnerId>
            <securityGroupRuleId>sgr-1</securityGroupRuleId><isEgress>true</isEgress><ipProtocol>tcp</ipProtocol>
            <fromPort>80</fromPort><toPort>80</toPort><cidrIpv4>0.0.0.0/0</cidrIpv4><tagSet/>
        </item>
        <item>
            <securityGroupRuleId>sgr-2</securityGroupRuleId><isEgress>false</isEgress><ipProtocol>-1</ipProtocol>
            <fromPort>-1</fromPort><toPort>-1</toPort><isEgress2>no member</isEgress2>
            <referencedGroupInfo><groupId>sg-2</groupId><userId>123456789012</userId></referencedGroupInfo>
        </item>
"""
AN_INTERFACE: Final = """
        <item>
            <networkInterfaceId>eni-1</networkInterfaceId><vpcId>vpc-1</vpcId><description/>
            <requesterManaged>false</requesterManaged><sourceDestCheck>true</sourceDestCheck>
            <groupSet><item><groupId>sg-1</groupId><groupName>web</groupName></item></groupSet>
            <attachment>
                <attachmentId>eni-attach-1</attachmentId><deviceIndex>0</deviceIndex>
                <attachTime>2024-02-29T23:59:59.000Z</attachTime><deleteOnTermination>true</deleteOnTermination>
            </attachment>
            <operator><managed>true</managed><principal>eks.amazonaws.com</principal></operator>
            <privateIpAddressesSet><item><privateIpAddress>10.0.0.1</privateIpAddress></item></privateIpAddressesSet>
        </item>
"""
PLAIN: Final = {
    "groups": (GROUPS, document(f"<securityGroupInfo>{A_GROUP}{A_GROUP}</securityGroupInfo>\n    ")),
    "more groups": (GROUPS, document(f"<securityGroupInfo>{A_GROUP}</securityGroupInfo><nextToken>t=</nextToken>")),
    "no groups": (GROUPS, document("<securityGroupInfo/>")),
    "no groups, in two tags": (GROUPS, document("<securityGroupInfo></securityGroupInfo>")),
    "no list": (GROUPS, document("")),
    "without declaration": (GROUPS, document("<securityGroupInfo/>").partition("\n")[2] + "\n"),
    "without name space": (GROUPS, "<Response><securityGroupInfo><item/></securityGroupInfo></Response>"),
    "an empty request id": (GROUPS, "<Response><requestId/></Response>"),
    "rules": (RULES, document(f"<securityGroupRuleSet>{A_RULE}</securityGroupRuleSet>")),
    "a list that the model does not name": (
        GROUPS,
        document(f"<newSet><item><a>1</a><b/><c></c></item></newSet><securityGroupInfo>{A_GROUP}</securityGroupInfo>"),
    ),
    "interfaces": (INTERFACES, document(f"<networkInterfaceSet>{AN_INTERFACE}</networkInterfaceSet>")),
    "the page of a proxy": (GROUPS, "<html><head><title>Sign in</title></head><body>please</body></html>"),
    "a long page": (GROUPS, document(f"<securityGroupInfo>{A_GROUP * 150}</securityGroupInfo>")),
    "a long text": (GROUPS, document(f"<securityGroupInfo>{A_GROUP}</securityGroupInfo><x>{'y' * 300_000}</x>")),
}


@pytest.mark.parametrize("name", PLAIN)
def test_what_ec2_usually_writes_is_read_without_botocore(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shape, body = PLAIN[name]
    assert read_fast(body, shape, monkeypatch) == assert_same(body.encode(), shape)


ODD: Final = {
    "a comment": document("<!-- none --><securityGroupInfo/>"),
    "CDATA": document("<nextToken><![CDATA[<t>]]></nextToken>"),
    "an attribute": document('<nextToken a="1">t</nextToken>'),
    "an instruction": document("<?a b?><nextToken>t</nextToken>"),
    "a document type": f'<!DOCTYPE a [<!ENTITY b "c">]>{document("<nextToken>&b;</nextToken>").partition(chr(10))[2]}',
    "another entity": document("<nextToken>&nbsp;</nextToken>"),
    "an entity left open": document("<nextToken>a&amp</nextToken>"),
    "a bare ampersand": document("<nextToken>a & b</nextToken>"),
    "an entity in an unknown element": document("<x>&nbsp;</x>"),
    "the number of no character": document("<nextToken>&#0;</nextToken>"),
    "the number of half a character": document("<nextToken>&#xD800;</nextToken>"),
    "the number of a character that XML does not have": document("<nextToken>&#xFFFE;</nextToken>"),
    "too large a number": document("<nextToken>&#x110000;</nextToken>"),
    "a very long number": document("<nextToken>&#0000000065;</nextToken>"),
    "a capital X": document("<nextToken>&#X41;</nextToken>"),
    "a character that XML does not have": document("<nextToken>\ufffe</nextToken>"),
    "another that XML does not have": document("<nextToken>\uffff</nextToken>"),
    "a control character": document("<nextToken>\x01</nextToken>"),
    "carriage returns": document("<nextToken>a\r\nb</nextToken>").replace("\n", "\r\n"),
    "the end of CDATA": document("<nextToken>a]]>b</nextToken>"),
    "a greater-than sign": document("<nextToken>a>b</nextToken>"),
    "a tag with a space": document("<nextToken >t</nextToken>"),
    "an end tag with a space": document("<nextToken>t</nextToken >"),
    "a prefix": document(f'<e:nextToken xmlns:e="{NAMESPACE}">t</e:nextToken>'),
    "another name space": document("").replace(NAMESPACE, "http://www.w3.org/2000/xmlns/"),
    "a name space that ends early": document("").replace(NAMESPACE, "http://}ec2.amazonaws.com/"),
    "text beside elements": document("<securityGroupInfo>none<item/></securityGroupInfo>"),
    "an entity in place of elements": document("<securityGroupInfo>&nbsp;</securityGroupInfo>"),
    "text in place of elements": document("<securityGroupInfo>none</securityGroupInfo>"),
    "an element in text": document("<nextToken><a>b</a></nextToken>"),
    "text around an element": document("<nextToken>t<a>b</a></nextToken>"),
    "an element twice": document("<nextToken>a</nextToken><nextToken>b</nextToken>"),
    "an empty element twice": document("<nextToken/><nextToken/>"),
    "two request ids": document("<requestId>r-2</requestId>"),
    "a list twice": document("<securityGroupInfo/><securityGroupInfo/>"),
    "an item of another name": document("<securityGroupInfo><member/></securityGroupInfo>"),
    "a number that is none": document(f"<securityGroupInfo>{A_GROUP}</securityGroupInfo>").replace(">22<", ">x<"),
    "an empty number": document(f"<securityGroupInfo>{A_GROUP}</securityGroupInfo>").replace(">22<", "><"),
    "a number without end tag": document(f"<securityGroupInfo>{A_GROUP}</securityGroupInfo>").replace(
        "<toPort>22</toPort>", "<toPort/>"
    ),
    "an end tag that is empty too": document("<nextToken/>t</nextToken/>"),
    "a double end": document("</nextToken>t<//nextToken>"),
    "an end that holds text": document("<a></a>t<//a>"),
    "an end of another name": document("<a><b></a></b>"),
    "an end without a beginning": document("</a>"),
    "a name that is none": document("<1a>t</1a>"),
    "more after the end": document("") + "<a/>",
    "text after the end": document("") + "a",
    "space before the declaration": " " + document(""),
    "a mark of the byte order": "\ufeff" + document(""),
    "another encoding": document("<nextToken>\u00e9</nextToken>").replace("UTF-8", "ISO-8859-1"),
    "a root that is empty": "<a/>",
    "cut off": document(f"<securityGroupInfo>{A_GROUP}</securityGroupInfo>")[:-40],
    "cut off in an item": document(f"<securityGroupInfo>{A_GROUP}")[:900],
    "nothing": "",
    "text": "upstream connect error",
    "HTML": "<html><head><meta charset=utf-8></head><body><br>sign in</body></html>",
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_read_as_botocore_reads_it(name: str) -> None:
    assert_same(ODD[name].encode())


@pytest.mark.parametrize(
    "body",
    [
        document("<nextToken>\u00e9</nextToken>").encode("latin-1"),
        document("<nextToken>t</nextToken>").encode("utf-16"),
        document("").encode().replace(b"r-1", b"\xed\xa0\x80"),
        gzip.compress(document("").encode()),
        None,
        "<a></a>",
        bytearray(document("").encode()),
    ],
)
def test_bytes_that_are_no_utf_8_fail_or_not_as_they_do_with_botocore(body: object) -> None:
    assert_same(body)


DRY_RUN: Final = (
    "<Response><Errors><Error><Code>DryRunOperation</Code><Message>Request would have succeeded, but DryRun flag is "
    "set.</Message></Error></Errors><RequestID>r-1</RequestID></Response>"
)


@pytest.mark.parametrize("status", [200, 204, 299, 300, 301, 400, 412, 500, 503])
@pytest.mark.parametrize(
    "body",
    [
        PLAIN["groups"][1],
        "<html>Service Unavailable</html>",
        "",
        DRY_RUN,
    ],
)
def test_refusals_are_botocores(body: str, status: int) -> None:
    assert_same(body.encode(), GROUPS, status)


@pytest.mark.parametrize("operation", ["DescribeRegions", "DescribeSubnets", "DescribeVpcs"])
def test_other_calls_are_botocores(operation: str) -> None:
    shape = shape_of(operation)
    assert shape.name not in FAST
    assert_same(document("<regionInfo><item><regionName>a</regionName></item></regionInfo>").encode(), shape)
    assert_same(document("").encode(), None)


@pytest.mark.parametrize("protocol", ["query", "json", "rest-json", "rest-xml"])
def test_other_protocols_are_botocores(protocol: str) -> None:
    assert type(ResponseParsers().create_parser(protocol)) is type(ResponseParserFactory().create_parser(protocol))


# --- other models -----------------------------------------------------------------------------------------------------


def with_members(shape: str, members: dict[str, Any], **shapes: dict[str, Any]) -> dict[str, Any]:
    return {**MODEL, "shapes": {**MODEL["shapes"], shape: {**MODEL["shapes"][shape], "members": members}, **shapes}}


def with_member(shape: str, name: str, member: dict[str, Any], **shapes: dict[str, Any]) -> dict[str, Any]:
    return with_members(shape, {**MODEL["shapes"][shape]["members"], name: member}, **shapes)


FEWER: Final = {
    name: member for name, member in MODEL["shapes"]["SecurityGroup"]["members"].items() if name != "IpPermissions"
}


TEXTS: Final = {"type": "list", "member": {"shape": "String", "locationName": "item"}}
MODELS: Final = {
    "a new member": with_member("SecurityGroup", "Color", {"shape": "String", "locationName": "x"}),
    "a member without a name on the wire": with_member("SecurityGroup", "x", {"shape": "String"}),
    "a list of texts": with_member("SecurityGroup", "Color", {"shape": "Ts", "locationName": "x"}, Ts=TEXTS),
    "items of another name": with_member(
        "SecurityGroup", "X", {"shape": "Ts", "locationName": "x"}, Ts=TEXTS | {"member": {"shape": "String"}}
    ),
    "a flattened list": with_member(
        "SecurityGroup", "X", {"shape": "Ts", "locationName": "x"}, Ts=TEXTS | {"flattened": True}
    ),
    "a number": with_member("SecurityGroup", "X", {"shape": "N", "locationName": "x"}, N={"type": "long"}),
    "a fraction": with_member("SecurityGroup", "X", {"shape": "N", "locationName": "x"}, N={"type": "double"}),
    "a time": with_member("SecurityGroup", "X", {"shape": "N", "locationName": "x"}, N={"type": "timestamp"}),
    "bytes": with_member("SecurityGroup", "X", {"shape": "N", "locationName": "x"}, N={"type": "blob"}),
    "a map": with_member(
        "SecurityGroup",
        "X",
        {"shape": "N", "locationName": "x"},
        N={"type": "map", "key": {"shape": "String"}, "value": {"shape": "String"}},
    ),
    "a union": with_member(
        "SecurityGroup",
        "X",
        {"shape": "N", "locationName": "x"},
        N={"type": "structure", "union": True, "members": {"a": {"shape": "String"}, "b": {"shape": "String"}}},
    ),
    "an attribute": with_member("SecurityGroup", "X", {"shape": "String", "locationName": "a", "xmlAttribute": True}),
    "a header": with_member(
        "DescribeSecurityGroupsResult", "X", {"shape": "String", "locationName": "x", "location": "header"}
    ),
    "two members of one name": with_member("SecurityGroup", "X", {"shape": "String", "locationName": "groupId"}),
    "a groups within groups": with_member("SecurityGroup", "X", {"shape": "SecurityGroupList", "locationName": "x"}),
    "the request id as a member": with_member(
        "DescribeSecurityGroupsResult", "X", {"shape": "String", "locationName": "requestId"}
    ),
    "a member that is called as metadata are": with_member(
        "DescribeSecurityGroupsResult", "ResponseMetadata", {"shape": "String", "locationName": "x"}
    ),
    "fewer members": with_members("SecurityGroup", FEWER),
}
XS: Final = (
    *("<x/>", "<x>7</x>", "<x>1.5</x>", "<x>2024-05-06T07:08:09Z</x>", "<x><a>1</a></x>", "<x></x>", "<x>true</x>"),
    *("<x><item>1</item><item/><item>&lt;</item></x>", "<x><member>1</member></x>", "<x>1</x><x>2</x>", "<x> </x>"),
    *("<x><entry><key>1</key><value>2</value></entry></x>", "<x><item><groupId>sg-2</groupId></item></x>", ""),
)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("x", XS)
def test_another_version_of_the_model_is_read_as_botocore_reads_it(name: str, x: str) -> None:
    shape = shape_of("DescribeSecurityGroups", MODELS[name])
    inner = A_GROUP.replace("<ownerId>", f"{x}<ownerId>")
    assert_same(document(f"<securityGroupInfo>{inner}</securityGroupInfo>{x}").encode(), shape)
    assert_same(f"<Response>{x}</Response>".encode(), shape)


def test_a_new_member_is_read_without_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = shape_of("DescribeSecurityGroups", MODELS["a list of texts"])
    x = "<item>1</item><item></item><item/>"
    body = document(f"<securityGroupInfo><item><x>{x * 9000}</x></item></securityGroupInfo>")
    answer: Any = read_fast(body, shape, monkeypatch)
    assert answer["SecurityGroups"] == [{"Color": ["1", "", ""] * 9000}]


# --- whatever the model lets through ----------------------------------------------------------------------------------

SPACES: Final = st.sampled_from(["", "", "\n    ", " ", "\t"])
TEXT: Final = st.one_of(
    st.sampled_from(["", "sg-1", "10.0.0.0/8", "true", "22", "-1", " ", "\n", "a\tb", "&amp;", "&#x41;&lt;b", "&#13;"]),
    st.text(max_size=5).map(lambda text: text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")),
)
NUMBERS: Final = st.sampled_from(["22", "-1", "65535", " 7 ", "1_0", "\u0667", "&#49;", "", "x"])
SOME_TIMES: Final = (
    *("2024-02-29T23:59:59.000Z", "2024-01-01T00:00:00Z", "1999-12-31T00:00:00.123Z", "2024-01-01T00:00:00+02:00"),
    *("2023-02-29T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01", "2024-01-01T00:00:00", "1700000000", "1e9", ""),
    *(
        "soon",
        "2024-01-01T00:00:00.1234567Z",
        "0000-01-01T00:00:00Z",
        "2024-01-01T00:00:00Z\n",
        "\u0662024-01-01T00:00:00Z",
    ),
)
TIMES: Final = st.one_of(st.sampled_from(SOME_TIMES), st.datetimes().map("{:%Y-%m-%dT%H:%M:%S}Z".format))
SPOILERS: Final = (
    *("<!-- c -->", "<![CDATA[x]]>", "<?p?>", "&", "&nbsp;", "<", ">", "]]>", "\r", "\x00", "\ufffe", "\ufeff"),
    *("<x/>", "<x>1</x>", "<x><y> </y></x>", "</item>", "<item>", "<item/>", ' a="1"', "text", " ", "/", "</x>"),
)


def element(tag: str, inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda text, before, short: before + (f"<{tag}/>" if short and not text else f"<{tag}>{text}</{tag}>"),
        inner,
        SPACES,
        st.booleans(),
    )


def inside(shape: Any) -> st.SearchStrategy[str]:  # noqa: ANN401  kinds of shapes have no type in common
    if shape.type_name == "structure":
        members = [
            element(member.serialization.get("name", name), inside(member)) for name, member in shape.members.items()
        ]
        chosen = st.lists(st.sampled_from(range(len(members))), unique=True)
        return chosen.flatmap(lambda which: st.tuples(*(members[each] for each in which))).map("".join)
    if shape.type_name == "list":
        items = element(shape.member.serialization.get("name", "member"), inside(shape.member))
        return st.builds("{}{}".format, st.lists(items, max_size=3).map("".join), SPACES)
    return {"integer": NUMBERS, "timestamp": TIMES}.get(shape.type_name, TEXT)


def bodies(shape: Shape) -> st.SearchStrategy[str]:
    return st.deferred(lambda: inside(shape)).map(document)


@given(bodies(GROUPS))
def test_groups_are_read_as_botocore_reads_them(body: str) -> None:
    assert_same(body.encode(errors="surrogatepass"), GROUPS)


@given(bodies(RULES))
def test_rules_are_read_as_botocore_reads_them(body: str) -> None:
    assert_same(body.encode(errors="surrogatepass"), RULES)


@pytest.mark.parametrize("time", SOME_TIMES)
def test_times_are_read_as_botocore_reads_them(time: str) -> None:
    item = f"<item><attachment><attachTime>{time}</attachTime></attachment></item>"
    assert_same(document(f"<networkInterfaceSet>{item}</networkInterfaceSet>").encode(), INTERFACES)


@given(bodies(INTERFACES))
def test_interfaces_are_read_as_botocore_reads_them(body: str) -> None:
    assert_same(body.encode(errors="surrogatepass"), INTERFACES)


@given(
    st.one_of(bodies(GROUPS), st.sampled_from([PLAIN["groups"][1], PLAIN["no groups"][1]])),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 30), st.sampled_from(["", *SPOILERS])), max_size=2),
)
@example(document("<securityGroupInfo></securityGroupInfo>"), [(0, 0, "\ufeff")])
def test_a_spoilt_answer_is_read_or_fails_as_it_does_with_botocore(
    body: str, changes: list[tuple[int, int, str]]
) -> None:
    for where, cut, put in changes:
        at = where % len(body)
        body = body[:at] + put + body[at + cut :]
    assert_same(body.encode(errors="surrogatepass"), GROUPS)


# --- in the SDK -------------------------------------------------------------------------------------------------------


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as server:
        yield server


def client(aws: ScriptedAws) -> Any:  # noqa: ANN401  as the SDK has it
    return aws.sessions().client("ec2", IAM_ACTIONS, REGION)


@pytest.mark.e2e
def test_a_client_reads_groups_without_botocores_parser(aws: ScriptedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.answers["DescribeSecurityGroups"] = groups(group("sg-1"), group("sg-2"), token="t")
    ec2 = client(aws)
    no_botocore(monkeypatch)
    answer = ec2.describe_security_groups()
    assert [each["GroupId"] for each in answer["SecurityGroups"]] == ["sg-1", "sg-2"]
    assert (answer["NextToken"], answer["ResponseMetadata"]["RequestId"]) == ("t", "r-1")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "text/xml"


@pytest.mark.e2e
def test_the_hooks_of_the_sdk_see_the_answer(aws: ScriptedAws) -> None:
    ec2, seen = client(aws), []
    ec2.meta.events.register(
        "before-parse.ec2", lambda customized_response_dict, **_: customized_response_dict.update(X=1)
    )
    ec2.meta.events.register("response-received.ec2", lambda parsed_response, **_: seen.append(parsed_response))
    answer = ec2.describe_security_groups()
    assert (answer["X"], seen[0]["SecurityGroups"]) == (1, answer["SecurityGroups"])


@pytest.mark.e2e
def test_a_dry_run_is_told_by_an_error(aws: ScriptedAws) -> None:
    aws.answers["DescribeSecurityGroups"] = Answer(DRY_RUN, 412)
    ec2 = client(aws)
    with pytest.raises(ec2.exceptions.ClientError, match="DryRunOperation"):
        ec2.describe_security_groups(DryRun=True)


# --- what it leaves behind --------------------------------------------------------------------------------------------


def test_nothing_holds_the_body_once_it_is_read() -> None:
    body = PLAIN["a long page"][1].encode()
    before = sys.getrefcount(body)
    answer = outcome(ResponseParsers(), body, GROUPS)
    assert sys.getrefcount(body) == before
    assert answer


@pytest.mark.parametrize("collects", [True, False])
@pytest.mark.parametrize("cut", [0, 100])
def test_garbage_is_collected_afterwards_as_it_was_before(collects: bool, cut: int) -> None:
    body = PLAIN["a long page"][1].encode()
    try:
        (gc.enable if collects else gc.disable)()
        outcome(ResponseParsers(), body[: len(body) - cut], GROUPS)
        assert gc.isenabled() is collects
    finally:
        gc.enable()


def test_threads_share_what_they_know_of_the_model() -> None:
    parsers, shape = ResponseParsers(), shape_of("DescribeSecurityGroups")
    body = PLAIN["a long page"][1].encode()
    expected = outcome(ResponseParserFactory(), body, shape)
    with ThreadPoolExecutor(8) as pool:
        assert all(each == expected for each in pool.map(lambda _: outcome(parsers, body, shape), range(24)))
    assert gc.isenabled()


def test_defaults_of_parsers_are_kept() -> None:
    parsers = ResponseParsers()
    parsers.set_parser_defaults(timestamp_parser=str)
    xml = document(
        "<networkInterfaceSet><item><attachment><attachTime>now</attachTime></attachment></item></networkInterfaceSet>"
    )
    answer: Any = outcome(parsers, xml.encode(), shape_of("DescribeNetworkInterfaces"))
    assert answer["NetworkInterfaces"][0]["Attachment"]["AttachTime"] == "now"
