"""The live inventory against a scripted AWS: pages, refusals, throttling, foreign groups, names, rule ids."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from botocore.retries.bucket import TokenBucket

from sg_compliance.aws.ec2 import Ec2Inventory, Targets
from sg_compliance.aws.session import Role, Sessions
from sg_compliance.errors import AwsError
from sg_compliance.interfaces import Page, Shard
from sg_compliance.model.addresses import parse_cidr
from sg_compliance.model.scan import Skipped
from sg_compliance.model.security_group import GroupPeer
from tests.contract.test_aws_scripted_server import (
    CALLER,
    MEMBER,
    REGION,
    ROLE_ARN,
    Answer,
    Call,
    ScriptedAws,
    credentials,
    ec2,
    entries,
    from_group,
    from_list,
    group,
    groups,
    items,
    permission,
    refusal,
    regions,
    scripted_aws,
    sts_refusal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sg_compliance.model.security_group import SecurityGroup

pytestmark = pytest.mark.e2e

HERE = Shard(f"{CALLER}/{REGION}", CALLER, REGION)
THERE = Shard(f"{MEMBER}/{REGION}", MEMBER, REGION)
NO = "You are not authorized to perform this operation."


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as server:
        yield server


def inventory(aws: ScriptedAws, targets: Targets | None = None, *, max_attempts: int = 1) -> Ec2Inventory:
    return Ec2Inventory(aws.sessions(max_attempts=max_attempts), targets or Targets())


def read(aws: ScriptedAws, shard: Shard = HERE, targets: Targets | None = None) -> tuple[list[Page], list[Skipped]]:
    parts = list(inventory(aws, targets).read(shard))
    return [part for part in parts if isinstance(part, Page)], [part for part in parts if isinstance(part, Skipped)]


def read_groups(aws: ScriptedAws, shard: Shard = HERE, targets: Targets | None = None) -> list[SecurityGroup]:
    return [each for page in read(aws, shard, targets)[0] for each in page.groups]


def by_token(**answers: Answer) -> Callable[[Call], Answer]:
    """Answers by page: `first=`, then by token."""
    return lambda call: answers[call.token or "first"]


# --- shards ---------------------------------------------------------------------------------------------------------


def shards(aws: ScriptedAws, targets: Targets) -> list[Shard | Skipped]:
    return list(inventory(aws, targets).shards())


def test_nothing_named_is_the_callers_account_in_all_enabled_regions(aws: ScriptedAws) -> None:
    aws.answers["DescribeRegions"] = ec2(
        "DescribeRegions",
        items(
            "regionInfo",
            "<regionName>us-east-1</regionName><optInStatus>opt-in-not-required</optInStatus>",
            "<regionName>af-south-1</regionName><optInStatus>not-opted-in</optInStatus>",
            "<regionName>ap-east-1</regionName><optInStatus>opted-in</optInStatus>",
        ),
    )
    assert shards(aws, Targets()) == [
        Shard(f"{CALLER}/ap-east-1", CALLER, "ap-east-1"),
        Shard(f"{CALLER}/us-east-1", CALLER, "us-east-1"),
    ]


def test_named_accounts_and_regions_come_in_their_order_and_once(aws: ScriptedAws) -> None:
    targets = Targets((MEMBER, CALLER, MEMBER), ("us-east-2", "eu-west-1", "us-east-2"))
    assert [each.name for each in shards(aws, targets) if isinstance(each, Shard)] == [
        f"{MEMBER}/us-east-2",
        f"{MEMBER}/eu-west-1",
        f"{CALLER}/us-east-2",
        f"{CALLER}/eu-west-1",
    ]
    assert not aws.called("DescribeRegions")


def test_the_policy_can_give_an_account_its_regions_and_its_role(aws: ScriptedAws) -> None:
    targets = Targets((CALLER, MEMBER), role_names={MEMBER: "legacy"}, account_regions={MEMBER: ["eu-south-1"]})
    assert [each.region for each in shards(aws, targets)] == [REGION, "eu-south-1"]
    assert aws.called("AssumeRole")[0].parameters["RoleArn"].endswith(f"::{MEMBER}:role/legacy")
    list(inventory(aws, targets).read(THERE))
    assert {call.parameters["RoleArn"][-6:] for call in aws.called("AssumeRole")} == {"legacy"}


def test_an_account_that_the_policy_disables_is_not_even_entered(aws: ScriptedAws) -> None:
    found = shards(aws, Targets((MEMBER,), disabled_accounts=frozenset({MEMBER})))
    assert found == [Skipped("security groups", "disabled by the policy", account_id=MEMBER, wanted=False)]
    assert not aws.called("AssumeRole")


def test_a_wrong_role_name_skips_that_account_and_no_other(aws: ScriptedAws) -> None:
    aws.answers["AssumeRole"] = sts_refusal("AccessDenied", f"not authorized on resource: {ROLE_ARN}")
    skipped, own = shards(aws, Targets((MEMBER, CALLER), (REGION,)))
    assert own == HERE
    assert isinstance(skipped, Skipped)
    assert (skipped.account_id, skipped.wanted) == (MEMBER, True)
    assert "sts:AssumeRole" in skipped.reason
    assert ROLE_ARN in skipped.hint


def test_an_account_whose_regions_are_denied_is_skipped_with_action_and_role(aws: ScriptedAws) -> None:
    aws.answers["DescribeRegions"] = lambda call: (
        regions(REGION) if call.access_key == "AKIABASE" else refusal("UnauthorizedOperation", NO)
    )
    skipped, own = shards(aws, Targets((MEMBER, CALLER)))
    assert own == HERE
    assert skipped == Skipped(
        "security groups",
        f"ec2:DescribeRegions: {NO} (UnauthorizedOperation)",
        f"allow ec2:DescribeRegions to {ROLE_ARN}",
        MEMBER,
    )


def test_an_account_without_a_role_to_assume_is_skipped(aws: ScriptedAws) -> None:
    found = list(Ec2Inventory(aws.sessions(role=Role()), Targets((MEMBER,))).shards())
    assert [each.reason for each in found if isinstance(each, Skipped)] == [
        f"no role is named to assume in account {MEMBER}"
    ]


def test_many_accounts_are_entered_at_once_and_told_in_their_order(aws: ScriptedAws) -> None:
    accounts = tuple(f"{number:012}" for number in range(40))
    found = shards(aws, Targets(accounts, (REGION,)))
    assert [each.account_id for each in found] == list(accounts)


def test_shards_can_be_abandoned(aws: ScriptedAws) -> None:
    found = inventory(aws, Targets((CALLER, MEMBER), (REGION,))).shards()
    assert next(iter(found)) == HERE
    found.close()  # type: ignore[attr-defined]  # it is a generator


def test_a_caller_who_is_refused_can_read_nothing(aws: ScriptedAws) -> None:
    aws.answers["GetCallerIdentity"] = sts_refusal("InvalidClientTokenId", "The security token is invalid")
    with pytest.raises(AwsError, match="sts:GetCallerIdentity"):
        shards(aws, Targets())


# --- groups ---------------------------------------------------------------------------------------------------------


def test_groups_are_read_page_by_page(aws: ScriptedAws) -> None:
    aws.answers["DescribeSecurityGroups"] = by_token(
        first=groups(group("sg-1"), group("sg-2"), token="two"), two=groups(group("sg-3"))
    )
    assert [[each.group_id for each in page.groups] for page in read(aws)[0]] == [["sg-1", "sg-2"], ["sg-3"]]
    assert {call.parameters["MaxResults"] for call in aws.called("DescribeSecurityGroups")} == {"1000"}


def test_the_first_page_is_there_before_the_second_is_asked_for(aws: ScriptedAws) -> None:
    aws.answers["DescribeSecurityGroups"] = by_token(
        first=groups(group("sg-1"), token="two"), two=groups(group("sg-2"))
    )
    parts = inventory(aws).read(HERE)
    next(parts)
    assert len(aws.called("DescribeSecurityGroups")) == 1
    assert len(list(parts)) == 1


def test_groups_of_other_owners_in_a_shared_vpc_are_not_ours_to_judge(aws: ScriptedAws) -> None:
    aws.answers["DescribeSecurityGroups"] = by_token(
        first=groups(group("sg-theirs", owner="999999999999"), token="two"),
        two=groups(group("sg-ours"), group("sg-theirs-too", owner="999999999999")),
    )
    assert [each.group_id for each in read_groups(aws)] == ["sg-ours"]


def test_a_region_without_groups_has_no_pages_and_costs_one_call(aws: ScriptedAws) -> None:
    aws.answers["DescribeSecurityGroups"] = groups()
    assert read(aws) == ([], [])
    assert [call.action for call in aws.calls] == ["GetCallerIdentity", "DescribeSecurityGroups"]


def test_a_region_without_prefix_lists_in_use_costs_two_calls(aws: ScriptedAws) -> None:
    read(aws)
    assert [call.action for call in aws.calls[1:]] == ["DescribeSecurityGroups", "DescribeNetworkInterfaces"]


def test_another_accounts_groups_are_read_by_its_role(aws: ScriptedAws) -> None:
    aws.answers["DescribeSecurityGroups"] = groups(group("sg-1", owner=MEMBER))
    (found,) = read_groups(aws, THERE)
    assert (found.account_id, found.region) == (MEMBER, REGION)
    assert {call.access_key for call in aws.called("DescribeSecurityGroups")} == {"ASIAROLE"}


def test_denied_groups_are_told_with_the_action_and_the_role(aws: ScriptedAws) -> None:
    aws.answers["DescribeSecurityGroups"] = refusal("UnauthorizedOperation", NO)
    with pytest.raises(AwsError, match=r"ec2:DescribeSecurityGroups: You are not") as caught:
        read(aws, THERE)
    assert caught.value.hint == f"allow ec2:DescribeSecurityGroups to {ROLE_ARN}"


def test_one_region_that_is_off_does_not_stop_the_other(aws: ScriptedAws) -> None:
    aws.answers["DescribeSecurityGroups"] = lambda call: (
        refusal("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
        if call.region == "me-south-1"
        else groups(group("sg-1"))
    )
    found = inventory(aws, Targets(regions=("me-south-1", REGION)))
    off, on = (shard for shard in found.shards() if isinstance(shard, Shard))
    with pytest.raises(AwsError, match="AuthFailure") as caught:
        list(found.read(off))
    assert "enable the region" in caught.value.hint
    assert len(list(found.read(on))) == 1


def test_throttling_is_waited_out(aws: ScriptedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)
    monkeypatch.setattr(TokenBucket, "_sleep_amount", lambda *_: 0)  # adaptive: 2 s between calls after the first no
    turns = iter([refusal("RequestLimitExceeded", "Request limit exceeded.", 503), groups(group("sg-1"))])
    aws.answers["DescribeSecurityGroups"] = lambda _: next(turns)
    assert len(list(inventory(aws, max_attempts=2).read(HERE))) == 1
    assert len([nap for nap in naps if nap]) == 1


def test_throttling_without_end_is_told(aws: ScriptedAws) -> None:
    aws.answers["DescribeSecurityGroups"] = refusal("RequestLimitExceeded", "Request limit exceeded.", 503)
    with pytest.raises(AwsError, match="RequestLimitExceeded") as caught:
        read(aws)
    assert "scan again later" in caught.value.hint


def test_an_unreachable_endpoint_is_told(unused_port: int) -> None:
    sessions = Sessions(endpoint_url=f"http://127.0.0.1:{unused_port}", keys=("a", "b"), max_attempts=1)
    with pytest.raises(AwsError, match="Could not connect to the endpoint URL") as caught:
        list(Ec2Inventory(sessions, Targets()).shards())
    assert "--endpoint-url" in caught.value.hint


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer("<html><body>Welcome to the hotel<br></body></html>"), "cannot be read: Unable to parse"),
        (Answer("<html><body>Welcome to the hotel</body></html>"), "neither SecurityGroups nor a request id"),
        (groups(group("sg-1", permission("").replace("22", "ssh"))), "invalid literal for int"),
        (groups(group("sg-1"), token="again"), "The same next token was received twice"),
        (Answer("<html>Bad gateway</html>", 502), "502"),
        (Answer("Bad gateway", 502), "cannot be read: Unable to parse"),
        (Answer(""), "cannot be read"),
    ],
)
def test_an_answer_that_is_not_of_aws_is_no_empty_region(aws: ScriptedAws, answer: Answer, said: str) -> None:
    aws.answers["DescribeSecurityGroups"] = answer
    with pytest.raises(AwsError, match=said) as caught:
        read(aws)
    assert "\n" not in str(caught.value)


def test_an_answer_of_aws_without_the_list_is_an_empty_one(aws: ScriptedAws) -> None:
    aws.answers["DescribeSecurityGroups"] = ec2("DescribeSecurityGroups", "")
    assert read(aws) == ([], [])


def test_credentials_that_end_in_the_middle_of_a_region_are_renewed_and_the_page_repeated(aws: ScriptedAws) -> None:
    keys = iter(["ASIA1", "ASIA2"])
    aws.answers["AssumeRole"] = lambda _: credentials(next(keys))
    pages = by_token(first=groups(group("sg-1", owner=MEMBER), token="two"), two=groups(group("sg-2", owner=MEMBER)))
    aws.answers["DescribeSecurityGroups"] = lambda call: (
        refusal("ExpiredToken") if (call.token, call.access_key) == ("two", "ASIA1") else pages(call)
    )
    assert [each.group_id for each in read_groups(aws, THERE)] == ["sg-1", "sg-2"]


def test_the_callers_keys_that_end_in_the_middle_of_a_region_end_the_region(aws: ScriptedAws) -> None:
    aws.answers["DescribeSecurityGroups"] = by_token(
        first=groups(group("sg-1"), token="two"), two=refusal("RequestExpired", "Request has expired.")
    )
    parts = inventory(aws).read(HERE)
    assert isinstance(next(parts), Page)
    with pytest.raises(AwsError, match="RequestExpired") as caught:
        next(parts)
    assert "log in again" in caught.value.hint


def test_several_regions_are_read_at_once(aws: ScriptedAws) -> None:
    found = inventory(aws, Targets((MEMBER,), tuple(f"eu-west-{number}" for number in range(12))))
    aws.answers["DescribeSecurityGroups"] = lambda call: groups(group(f"sg-{call.region}", owner=MEMBER))
    places = [shard for shard in found.shards() if isinstance(shard, Shard)]

    def ids(shard: Shard) -> list[str]:
        return [each.group_id for part in found.read(shard) if isinstance(part, Page) for each in part.groups]

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(ids, places)) == [[f"sg-{shard.region}"] for shard in places]
    assert len(aws.called("AssumeRole")) == 1


# --- network interfaces ---------------------------------------------------------------------------------------------


def interface(interface_id: str, *group_ids: str) -> str:
    return f"<networkInterfaceId>{interface_id}</networkInterfaceId>" + items(
        "groupSet", *(f"<groupId>{each}</groupId>" for each in group_ids)
    )


def test_groups_know_the_interfaces_that_have_them(aws: ScriptedAws) -> None:
    aws.answers["DescribeSecurityGroups"] = by_token(
        first=groups(group("sg-1"), group("sg-2"), token="two"), two=groups(group("sg-3"))
    )
    aws.answers["DescribeNetworkInterfaces"] = by_token(
        first=ec2(
            "DescribeNetworkInterfaces",
            items("networkInterfaceSet", interface("eni-1", "sg-1", "sg-3")) + "<nextToken>two</nextToken>",
        ),
        two=ec2("DescribeNetworkInterfaces", items("networkInterfaceSet", interface("eni-2", "sg-3"))),
    )
    found = {each.group_id: each.interfaces for each in read_groups(aws)}
    assert found == {"sg-1": ("eni-1",), "sg-2": (), "sg-3": ("eni-1", "eni-2")}
    assert len(aws.called("DescribeNetworkInterfaces")) == 2


def test_interfaces_that_aws_manages_are_asked_for_too(aws: ScriptedAws) -> None:
    read(aws)
    assert aws.called("DescribeNetworkInterfaces")[0].parameters["IncludeManagedResources"] == "true"


def test_denied_interfaces_are_unknown_and_told_once(aws: ScriptedAws) -> None:
    aws.answers["DescribeNetworkInterfaces"] = refusal("UnauthorizedOperation", NO)
    aws.answers["DescribeSecurityGroups"] = by_token(
        first=groups(group("sg-1"), token="two"), two=groups(group("sg-2"))
    )
    pages, skipped = read(aws)
    assert [each.interfaces for page in pages for each in page.groups] == [None, None]
    assert [(each.what, each.account_id, each.region) for each in skipped] == [("network interfaces", CALLER, REGION)]
    assert skipped[0].hint.startswith("allow ec2:DescribeNetworkInterfaces to")


# --- prefix lists ---------------------------------------------------------------------------------------------------


def described(*lists: tuple[str, str, str]) -> Answer:
    return ec2(
        "DescribeManagedPrefixLists",
        items(
            "prefixListSet",
            *(
                f"<prefixListId>{each}</prefixListId><prefixListName>{name}</prefixListName><ownerId>{owner}</ownerId>"
                f"{'' if owner == 'AWS' else '<maxEntries>20</maxEntries>'}"
                for each, name, owner in lists
            ),
        ),
    )


LISTS = described(("pl-own", "office", CALLER), ("pl-aws", "com.amazonaws.s3", "AWS"), ("pl-shared", "hq", MEMBER))


def test_lists_are_read_when_a_page_first_refers_to_them_and_once(aws: ScriptedAws) -> None:
    aws.answers |= {
        "DescribeSecurityGroups": by_token(
            first=groups(group("sg-1"), token="two"),
            two=groups(group("sg-2", from_list("pl-own")), token="three"),
            three=groups(group("sg-3", from_list("pl-own")), group("sg-4", from_list("pl-aws"))),
        ),
        "DescribeManagedPrefixLists": LISTS,
        "GetManagedPrefixListEntries": entries("192.0.2.0/24"),
    }
    first, second, third = read(aws)[0]
    assert (set(first.prefix_lists), set(second.prefix_lists)) == (set(), {"pl-own"})
    assert set(third.prefix_lists) == {"pl-own", "pl-aws"}
    assert len(aws.called("DescribeManagedPrefixLists")) == 1
    asked = [call.parameters["PrefixListId"] for call in aws.called("GetManagedPrefixListEntries")]
    assert asked == ["pl-own", "pl-aws"]


def test_own_shared_and_awss_lists_have_names_sizes_and_all_pages_of_entries(aws: ScriptedAws) -> None:
    aws.answers |= {
        "DescribeSecurityGroups": groups(
            group("sg-1", from_list("pl-own"), from_list("pl-aws"), from_list("pl-shared"))
        ),
        "DescribeManagedPrefixLists": LISTS,
        "GetManagedPrefixListEntries": by_token(
            first=entries("192.0.2.0/24", token="two"), two=entries("2001:db8::/32")
        ),
    }
    (page,) = read(aws)[0]
    blocks = (parse_cidr("192.0.2.0/24"), parse_cidr("2001:db8::/32"))
    assert {each.name: (each.blocks, each.max_entries) for each in page.prefix_lists.values()} == {
        "office": (blocks, 20),
        "hq": (blocks, 20),
        "com.amazonaws.s3": (blocks, None),
    }
    assert {call.parameters["MaxResults"] for call in aws.called("GetManagedPrefixListEntries")} == {"100"}


def test_lists_that_cannot_be_read_are_unknown_and_told_once(aws: ScriptedAws) -> None:
    lists = [from_list("pl-own"), from_list("pl-gone"), from_list("pl-shared")]
    aws.answers |= {
        "DescribeSecurityGroups": groups(group("sg-1", *lists)),
        "DescribeManagedPrefixLists": LISTS,
        "GetManagedPrefixListEntries": lambda call: {
            "pl-own": entries("192.0.2.0/24"),
            "pl-gone": refusal("InvalidPrefixListID.NotFound", "The prefix list ID 'pl-gone' does not exist", 400),
            "pl-shared": refusal("UnauthorizedOperation", NO),
        }[call.parameters["PrefixListId"]],
    }
    (page,), (skipped,) = read(aws)
    known = {each.prefix_list_id: each.blocks is not None for each in page.prefix_lists.values()}
    assert known == {"pl-own": True, "pl-gone": False, "pl-shared": False}
    assert (skipped.what, skipped.account_id, skipped.region) == ("prefix lists", CALLER, REGION)
    assert skipped.reason.startswith("what pl-gone, pl-shared hold is unknown: ec2:GetManagedPrefixListEntries")
    assert "remove the rules" in skipped.hint


def test_names_that_are_denied_do_not_hide_the_entries(aws: ScriptedAws) -> None:
    aws.answers |= {
        "DescribeSecurityGroups": groups(group("sg-1", from_list("pl-own"))),
        "DescribeManagedPrefixLists": refusal("UnauthorizedOperation", NO),
        "GetManagedPrefixListEntries": entries("192.0.2.0/24"),
    }
    (page,), skipped = read(aws)
    assert page.prefix_lists["pl-own"].blocks == (parse_cidr("192.0.2.0/24"),)
    assert not skipped


def test_an_entry_that_is_no_cidr_makes_its_list_unknown_and_is_told(aws: ScriptedAws) -> None:
    aws.answers |= {
        "DescribeSecurityGroups": groups(group("sg-1", from_list("pl-own"))),
        "GetManagedPrefixListEntries": entries("192.0.2.0/24", "everywhere"),
    }
    (page,), (skipped,) = read(aws)
    assert page.prefix_lists["pl-own"].blocks is None
    assert "an entry that is no CIDR" in skipped.reason


@pytest.mark.parametrize(
    "action", ["DescribeManagedPrefixLists", "GetManagedPrefixListEntries", "DescribeNetworkInterfaces"]
)
def test_what_concerns_every_call_ends_the_region(aws: ScriptedAws, action: str) -> None:
    aws.answers |= {
        "DescribeSecurityGroups": groups(group("sg-1", from_list("pl-own"))),
        action: Answer("<html><br></html>"),
    }
    with pytest.raises(AwsError, match="cannot be read"):
        read(aws)


# --- names of referenced groups -------------------------------------------------------------------------------------

NAMES = Targets(names_of_groups=True)


def names_of(found: Sequence[SecurityGroup]) -> dict[str, str | None]:
    return {each.group_id: rule.peer.name for each in found for rule in each.rules if isinstance(rule.peer, GroupPeer)}


def test_references_get_the_names_of_groups_on_later_pages(aws: ScriptedAws) -> None:
    aws.answers["DescribeSecurityGroups"] = by_token(
        first=groups(group("sg-1", from_group("sg-3")), token="two"),
        two=groups(group("sg-2", from_group("sg-1")), token="three"),
        three=groups(group("sg-3", name="bastion"), token="four"),
        four=groups(group("sg-4", from_group("sg-4"), name="self")),
    )
    pages, _ = read(aws, targets=NAMES)
    assert [page.groups[0].group_id for page in pages] == ["sg-1", "sg-2", "sg-3", "sg-4"]
    assert names_of([page.groups[0] for page in pages]) == {"sg-1": "bastion", "sg-2": "sg-1", "sg-4": "self"}


def test_a_page_that_misses_no_name_does_not_wait(aws: ScriptedAws) -> None:
    aws.answers["DescribeSecurityGroups"] = by_token(
        first=groups(group("sg-1", from_group("sg-1"), from_group("sg-away", MEMBER)), token="two"),
        two=groups(group("sg-2")),
    )
    parts = inventory(aws, NAMES).read(HERE)
    assert isinstance(next(parts), Page)
    assert len(aws.called("DescribeSecurityGroups")) == 1


def test_a_reference_to_a_deleted_group_stays_without_a_name(aws: ScriptedAws) -> None:
    aws.answers["DescribeSecurityGroups"] = by_token(
        first=groups(group("sg-1", from_group("sg-gone")), token="two"), two=groups(group("sg-2"))
    )
    aws.answers["DescribeNetworkInterfaces"] = refusal("UnauthorizedOperation", NO)
    pages, skipped = read(aws, targets=NAMES)
    assert names_of(pages[0].groups) == {"sg-1": None}
    assert (len(pages), len(skipped)) == (2, 1)


def test_names_that_nobody_asks_for_hold_nothing_up(aws: ScriptedAws) -> None:
    aws.answers["DescribeSecurityGroups"] = by_token(
        first=groups(group("sg-1", from_group("sg-2")), token="two"), two=groups(group("sg-2"))
    )
    parts = inventory(aws).read(HERE)
    assert isinstance(next(parts), Page)
    assert len(aws.called("DescribeSecurityGroups")) == 1


# --- rule ids -------------------------------------------------------------------------------------------------------


def rule(group_id: str, rule_id: str, peer: str) -> str:
    return (
        f"<groupId>{group_id}</groupId><securityGroupRuleId>{rule_id}</securityGroupRuleId><isEgress>false</isEgress>"
        f"<ipProtocol>tcp</ipProtocol><fromPort>22</fromPort><toPort>22</toPort>{peer}"
    )


def rules(*found: str, token: str = "") -> Answer:
    more = f"<nextToken>{token}</nextToken>" if token else ""
    return ec2("DescribeSecurityGroupRules", items("securityGroupRuleSet", *found) + more)


def test_rules_get_their_ids_whatever_their_peer(aws: ScriptedAws) -> None:
    peers = [
        permission(items("ipRanges", "<cidrIp>0.0.0.0/0</cidrIp>")),
        permission(items("ipv6Ranges", "<cidrIpv6>::/0</cidrIpv6>")),
        from_list("pl-1"),
        from_group("sg-9"),
    ]
    aws.answers |= {
        "DescribeSecurityGroups": groups(group("sg-1", *peers), group("sg-2", *peers)),
        "GetManagedPrefixListEntries": entries(),
        "DescribeSecurityGroupRules": by_token(
            first=rules(
                rule("sg-1", "sgr-1", "<cidrIpv4>0.0.0.0/0</cidrIpv4>"),
                rule("sg-1", "sgr-2", "<cidrIpv6>::/0</cidrIpv6>"),
                rule("sg-unasked", "sgr-9", "<cidrIpv6>::/0</cidrIpv6>"),
                token="two",
            ),
            two=rules(
                rule("sg-1", "sgr-3", "<prefixListId>pl-1</prefixListId>"),
                rule("sg-1", "sgr-4", "<referencedGroupInfo><groupId>sg-9</groupId></referencedGroupInfo>"),
            ),
        ),
    }
    found = inventory(aws).with_rule_ids(HERE, read_groups(aws))
    assert [[each.rule_id for each in one.rules] for one in found] == [
        ["sgr-1", "sgr-2", "sgr-3", "sgr-4"],
        [None] * 4,
    ]


def test_rules_of_many_groups_are_asked_for_by_two_hundred(aws: ScriptedAws) -> None:
    aws.answers |= {
        "DescribeSecurityGroups": groups(*(group(f"sg-{number}") for number in range(450))),
        "DescribeSecurityGroupRules": rules(),
    }
    found = read_groups(aws)
    assert [each.group_id for each in inventory(aws).with_rule_ids(HERE, found)] == [each.group_id for each in found]
    sent = [call.parameters for call in aws.called("DescribeSecurityGroupRules")]
    assert [sum(name.startswith("Filter.1.Value.") for name in each) for each in sent] == [200, 200, 50]
    assert {each["Filter.1.Name"] for each in sent} == {"group-id"}


def test_denied_rule_ids_leave_the_groups_as_they_are_and_are_not_asked_for_again(aws: ScriptedAws) -> None:
    aws.answers["DescribeSecurityGroupRules"] = refusal("UnauthorizedOperation", NO)
    found, reader = read_groups(aws), inventory(aws)
    assert reader.with_rule_ids(HERE, found) is found
    assert reader.with_rule_ids(HERE, found) is found
    assert len(aws.called("DescribeSecurityGroupRules")) == 1


def test_rule_ids_that_fail_in_another_way_are_told(aws: ScriptedAws) -> None:
    aws.answers["DescribeSecurityGroupRules"] = refusal("RequestLimitExceeded")
    with pytest.raises(AwsError, match="RequestLimitExceeded"):
        inventory(aws).with_rule_ids(HERE, read_groups(aws))


def test_no_groups_need_no_rule_ids(aws: ScriptedAws) -> None:
    assert list(inventory(aws).with_rule_ids(HERE, [])) == []
    assert not aws.called("DescribeSecurityGroupRules")
