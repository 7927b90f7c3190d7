"""Unit tests of a policy: what the file may say, and what is told when the policy does not do what it says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from sg_compliance.aws import translate
from sg_compliance.errors import InputError
from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.evaluation.expectations import Expectations, Result, parse_expectations, run
from tests.builders import ACCOUNT, EVERYONE, NOW, bind, document, permission, prohibit, restrict, tcp

Json = dict[str, Any]
OPEN_SSH: Json = {"IpPermissions": [tcp(22, EVERYONE)]}
CLOSED: Json = {"IpPermissions": [tcp(22, "10.0.0.0/8")]}
POLICY: Json = document(
    prohibit(22, rule_id="SSH"),
    prohibit(3389, rule_id="RDP"),
    environments={"production": {"additional_restrictions": [prohibit(22, "10.0.0.0/8", rule_id="PROD_SSH")]}},
    global_rules={"enforce_tagging": True, "required_tags": ["Owner"]},
    exemptions={
        "security_group_exemptions": {
            "sg-legacy": {
                "reason": "r",
                "exempted_rules": ["SSH"],
                "expiry_date": "2026-06-01T00:00:00Z",
                "approved_by": "ciso",
            }
        }
    },
)


def parse(written: object, source: str = "t.json") -> Expectations:
    return parse_expectations(written if isinstance(written, str) else json.dumps(written), source)


def results(*tests: Json, policy: Json = POLICY, **keys: object) -> list[Result]:
    expectations = parse({"tests": [{"name": f"test {index}", **each} for index, each in enumerate(tests)], **keys})
    now = expectations.now or NOW
    return run(expectations, lambda environment: Evaluator(bind(policy, environment), now), translate)


def result(group: Json, policy: Json = POLICY, file: Json | None = None, **keys: object) -> Result:
    (found,) = results({"group": group, **keys}, policy=policy, **(file or {}))
    return found


def refused(written: object, source: str = "t.json") -> str:
    with pytest.raises(InputError) as caught:
        parse(written, source)
    return str(caught.value)


def test_a_group_that_violates_what_is_expected_passes() -> None:
    found = result(OPEN_SSH, expect=["SSH"])
    assert found.passed
    assert {finding.rule_id for finding in found.findings} == {"SSH", "GLOBAL_REQUIRED_TAGS"}


def test_a_group_that_is_expected_to_be_clean_and_is_passes() -> None:
    assert result(CLOSED, expect=[]).passed


def test_what_is_missing_and_what_is_unexpected_is_told_apart() -> None:
    found = result(OPEN_SSH, expect=["RDP"])
    assert not found.passed
    assert (found.missing, found.unexpected) == (("RDP",), ("SSH",))


def test_only_what_must_not_be_is_held_when_nothing_else_is_expected() -> None:
    assert result(OPEN_SSH, not_expect=["RDP"]).passed
    assert result(OPEN_SSH, not_expect=["SSH"]).unexpected == ("SSH",)


def test_hygiene_counts_only_where_a_test_names_it() -> None:
    assert result(CLOSED, expect=["GLOBAL_REQUIRED_TAGS"]).passed
    assert result(CLOSED, not_expect=["GLOBAL_REQUIRED_TAGS"]).unexpected == ("GLOBAL_REQUIRED_TAGS",)
    tagged = {**CLOSED, "Tags": [{"Key": "Owner", "Value": "me"}]}
    assert result(tagged, expect=["GLOBAL_REQUIRED_TAGS"]).missing == ("GLOBAL_REQUIRED_TAGS",)


def test_a_group_that_cannot_be_read_is_never_a_clean_group() -> None:
    inverted = {"IpPermissions": [permission("tcp", 25, 20, EVERYONE)]}
    assert result(inverted, expect=[]).unexpected == ("GLOBAL_MALFORMED_RULE",)
    assert result(inverted, expect=["GLOBAL_MALFORMED_RULE"]).passed


def test_an_exempt_finding_is_expected_as_exempt() -> None:
    legacy = {**OPEN_SSH, "GroupId": "sg-legacy"}
    assert result(legacy, expect=[], expect_exempt=["SSH"]).passed
    assert result(legacy, expect_exempt=["SSH"]).passed
    assert result(legacy, expect=[]).unexpected_exempt == ("SSH",)
    found = result(legacy, expect=["SSH"])
    assert (found.missing, found.unexpected_exempt) == (("SSH",), ("SSH",))
    assert result(OPEN_SSH, expect_exempt=["SSH"]).missing_exempt == ("SSH",)


def test_the_time_of_the_file_decides_whether_an_exemption_has_expired() -> None:
    legacy = {**OPEN_SSH, "GroupId": "sg-legacy"}
    later: Json = {"now": "2026-06-01T00:00:00Z"}
    assert result(legacy, file=later, expect=["SSH"]).passed
    assert parse({"tests": [{"name": "a", "group": {}, "expect": []}], **later}).now == datetime(2026, 6, 1, tzinfo=UTC)


def test_the_environment_is_the_tests_then_the_files_and_the_groups_tag_comes_first() -> None:
    production: Json = {"environment": "prod"}
    assert result(CLOSED, file=production, expect=["PROD_SSH"]).passed
    assert result(CLOSED, file=production, expect=[], environment="staging").passed
    assert result(CLOSED, expect=["PROD_SSH"], environment="production").passed
    tagged = {**CLOSED, "Tags": [{"Key": "Environment", "Value": "dev"}]}
    assert result(tagged, expect=[], environment="production").passed


def test_the_account_of_a_test_brings_its_override() -> None:
    more = {"account_specific_overrides": {ACCOUNT: {"additional_prohibited_rules": [prohibit(8080, rule_id="MORE")]}}}
    opened = {"IpPermissions": [tcp(8080, EVERYONE)]}
    assert result(opened, policy=POLICY | more, expect=["MORE"], account_id=ACCOUNT).passed
    assert result({**opened, "OwnerId": ACCOUNT}, policy=POLICY | more, expect=["MORE"]).passed
    assert result(opened, policy=POLICY | more, expect=[]).passed


def test_prefix_lists_are_read_and_one_without_entries_is_unreadable() -> None:
    listed = [
        {"PrefixListId": "pl-all", "PrefixListName": "all", "MaxEntries": 3, "Entries": [{"Cidr": EVERYONE}]},
        {"PrefixListId": "pl-none", "Entries": []},
        {"PrefixListId": "pl-secret"},
    ]
    file: Json = {"prefix_lists": listed}
    assert result({"IpPermissions": [tcp(22, "pl-all")]}, file=file, expect=["SSH"]).passed
    assert result({"IpPermissions": [tcp(22, "pl-none")]}, file=file, expect=[]).passed
    (finding,) = (
        f for f in result({"IpPermissions": [tcp(22, "pl-secret")]}, file=file, expect=["SSH"]).findings if f.direction
    )
    assert not finding.certain


def test_names_of_referenced_groups_are_taken_from_the_test() -> None:
    policy = document(restricted=[restrict(22, rule_id="SSH", source_pattern="bastion-.*")])
    pair = {"GroupId": "sg-1", "GroupName": "bastion-1"}
    opened = {"IpPermissions": [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [pair]}]}
    assert result(opened, policy=policy, expect=[]).passed
    pair["GroupName"] = "web"
    assert result(opened, policy=policy, expect=["SSH"]).passed


def test_egress_null_lists_numbers_and_text_are_read_as_aws_writes_them() -> None:
    policy = document(outbound=[{"rule_id": "OUT", "destination": EVERYONE}])
    opened = {
        "IpPermissions": None,
        "Tags": None,
        "IpPermissionsEgress": [{"IpProtocol": -1, "IpRanges": [{"CidrIp": EVERYONE}]}],
    }
    assert result(opened, policy=policy, expect=["OUT"]).passed
    assert result({"IpPermissions": [permission("6", "22", "22", EVERYONE)]}, expect=["SSH"]).passed


def test_one_evaluator_serves_all_tests_of_an_environment() -> None:
    made: list[str | None] = []

    def evaluator(environment: str | None) -> Evaluator:
        made.append(environment)
        return Evaluator(bind(POLICY, environment), NOW)

    tests = [
        {"name": "a", "group": {}, "expect": []},
        {"name": "b", "group": {}, "expect": []},
        {"name": "c", "group": {}, "expect": [], "environment": "prod"},
    ]
    assert all(each.passed for each in run(parse({"tests": tests}), evaluator, translate))
    assert made == [None, "prod"]


@pytest.mark.parametrize("key", ["expect", "expect_exempt", "not_expect"])
def test_a_rule_id_that_the_policy_does_not_have_is_an_error(key: str) -> None:
    with pytest.raises(InputError) as caught:
        results({"group": CLOSED, key: ["PROD_SHH"]})
    message = str(caught.value)
    assert "tests[0]: expected the id of a rule in the policy, got 'PROD_SHH'; did you mean 'PROD_SSH'?" in message


def test_a_rule_that_is_switched_off_may_be_named() -> None:
    off = document(prohibit(22, rule_id="SSH", enabled=False))
    assert result(OPEN_SSH, policy=off, not_expect=["SSH"]).passed


TEST: Json = {"name": "a", "group": {}, "expect": []}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"tests": []}, "tests: expected a list of at least 1 item, got []"),
        ({}, "tests: expected a value, for this key is required, got nothing"),
        ({"test": [], "tests": [TEST]}, "test: expected a known key, got 'test'; did you mean 'tests'?"),
        (
            {"tests": [{**TEST, "expects": []}]},
            "tests[0].expects: expected a known key, got 'expects'; did you mean 'expect'?",
        ),
        ({"tests": [{"name": "a", "group": {}}]}, 'tests[0]: expected "expect" (an empty list for no finding)'),
        ({"tests": [{**TEST, "name": ""}]}, "tests[0].name: expected"),
        ({"tests": [{**TEST, "account_id": "1"}]}, "tests[0].account_id: expected"),
        ({"tests": [{**TEST, "expect": "SSH"}]}, 'tests[0].expect: expected a list, got "SSH"'),
        (
            {"tests": [{**TEST, "group": {"IpPermission": []}}]},
            "tests[0].group.IpPermission: expected a known key, got 'IpPermission'; did you mean 'IpPermissions'?",
        ),
        (
            {"tests": [{**TEST, "group": {"IpPermissions": [{"IpProtocol": "tcp", "FromPrt": 1}]}}]},
            "tests[0].group.IpPermissions[0].FromPrt: expected a known key, got 'FromPrt'; did you mean 'FromPort'?",
        ),
        (
            {
                "tests": [
                    {**TEST, "group": {"IpPermissions": [{"IpProtocol": "tcp", "IpRanges": [{"Cidr": EVERYONE}]}]}}
                ]
            },
            "IpRanges[0].Cidr: expected a known key, got 'Cidr'; did you mean 'CidrIp'?",
        ),
        (
            {"tests": [{**TEST, "group": {"IpPermissions": [{}]}}]},
            "tests[0].group.IpPermissions[0].IpProtocol: expected a value",
        ),
        (
            {"tests": [{**TEST, "group": {"IpPermissions": [{"IpProtocol": "tcp", "FromPort": True}]}}]},
            "tests[0].group.IpPermissions[0].FromPort: expected a port as a number or a text, got true",
        ),
        ({"tests": [TEST], "now": "today"}, "now: expected an RFC 3339 time"),
        (
            {"tests": [TEST], "prefix_lists": [{"PrefixListId": "pl-1", "Entries": [{"Cidr": "x"}]}]},
            "prefix_lists[0].Entries[0].Cidr: expected",
        ),
        ("{", "a well-formed document"),
        ("[]", "an object"),
        ('{"tests": [], "tests": []}', "'tests' stands twice"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_place_and_nearest_key(written: object, said: str) -> None:
    assert said in refused(written)


def test_all_that_is_wrong_with_a_file_is_told_at_once() -> None:
    message = refused({"now": "x", "tests": [{**TEST, "expcet": []}, {"group": {}, "expect": []}]})
    assert message.startswith("t.json: 3 problems in the tests\n")
    assert message.count("\n") == 3


def test_yaml_and_keys_of_the_user_are_as_good() -> None:
    written = {"policy": "p.json", "x_owner": "me", "tests": [{**TEST, "x_ticket": 1, "description": "d"}]}
    assert parse(yaml.safe_dump(written), "t.yaml") == parse(written)
    assert parse(written).policy == "p.json"
