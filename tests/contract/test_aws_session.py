"""Whose credentials a call is made with: assumed once an account, renewed in time, and renewed when refused."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from botocore.loaders import JSONFileLoader

from sg_compliance import __version__
from sg_compliance.aws import ec2, session
from sg_compliance.aws.session import Role, Sessions
from sg_compliance.errors import AwsError, InputError
from tests.contract.test_aws_scripted_server import (
    CALLER,
    CALLER_ARN,
    MEMBER,
    REGION,
    ROLE_ARN,
    Answer,
    Call,
    ScriptedAws,
    credentials,
    identity,
    refusal,
    regions,
    scripted_aws,
    sts_refusal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as server:
        yield server


def client(sessions: Sessions, account_id: str = MEMBER, region: str = REGION) -> Any:  # noqa: ANN401  its calls are made at run time
    return sessions.client("ec2", ec2.IAM_ACTIONS, region, account_id)


def test_the_callers_own_account_is_entered_without_a_role(aws: ScriptedAws) -> None:
    sessions = aws.sessions()
    client(sessions, CALLER).describe_regions()
    assert sessions.enter(CALLER) == CALLER_ARN
    assert not aws.called("AssumeRole")
    assert aws.called("DescribeRegions")[0].access_key == "AKIABASE"


def test_another_account_is_entered_by_its_role(aws: ScriptedAws) -> None:
    sessions = aws.sessions(role=Role("scan", "harbour", "audit-7", 1800))
    assert sessions.enter(MEMBER) == ROLE_ARN
    asked = aws.called("AssumeRole")[0].parameters
    assert asked["RoleArn"] == ROLE_ARN
    assert (asked["ExternalId"], asked["RoleSessionName"], asked["DurationSeconds"]) == ("harbour", "audit-7", "1800")


def test_no_external_id_is_sent_where_there_is_none(aws: ScriptedAws) -> None:
    aws.sessions().enter(MEMBER)
    assert "ExternalId" not in aws.called("AssumeRole")[0].parameters


def test_an_account_can_have_a_role_of_another_name(aws: ScriptedAws) -> None:
    assert aws.sessions().enter(MEMBER, "path/legacy") == f"arn:aws:iam::{MEMBER}:role/path/legacy"


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_roles_are_in_the_partition_of_the_caller(aws: ScriptedAws, partition: str) -> None:
    aws.answers["GetCallerIdentity"] = identity(CALLER, f"arn:{partition}:sts::{CALLER}:assumed-role/admin/ada")
    assert aws.sessions().enter(MEMBER) == f"arn:{partition}:iam::{MEMBER}:role/scan"


def test_a_role_is_assumed_once_for_all_regions_and_threads(aws: ScriptedAws) -> None:
    sessions = aws.sessions()
    places = [f"eu-west-{number}" for number in (1, 2, 3)] * 8
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda region: client(sessions, MEMBER, region).describe_regions(), places))
    assert len(aws.called("AssumeRole")) == len(aws.called("GetCallerIdentity")) == 1
    assert {call.access_key for call in aws.called("DescribeRegions")} == {"ASIAROLE"}
    assert {call.region for call in aws.called("DescribeRegions")} == set(places)


def test_one_client_serves_a_place(aws: ScriptedAws) -> None:
    sessions = aws.sessions()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: client(sessions), range(16)))
    assert len({id(each) for each in made}) == 1
    assert client(sessions, region="eu-west-2") is not made[0]


def test_what_stands_in_files_is_read_once_for_all_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    session.service_models.cache_clear()
    usual, read = JSONFileLoader.load_file, list[str]()

    def counted(self: JSONFileLoader, path: str) -> Any:  # noqa: ANN401  as the SDK has it
        found = usual(self, path)
        read.extend([path] if found is not None else [])
        return found

    monkeypatch.setattr(JSONFileLoader, "load_file", counted)
    keys = ("AKIA", "secret")
    for actions in (frozenset({"ec2:DescribeRegions"}), frozenset({"ec2:CreateTags"})):
        made: Any = Sessions(keys=keys).client("ec2", actions, REGION)
        assert {name for name in ("describe_regions", "create_tags") if hasattr(made, name)} == {
            {"ec2:DescribeRegions": "describe_regions", "ec2:CreateTags": "create_tags"}[each] for each in actions
        }
    assert len([each for each in read if "ec2" in each and each.endswith("service-2")]) == 1
    assert not {each: count for each, count in Counter(read).items() if count > 1}


def test_clients_that_were_not_used_for_long_are_let_go(aws: ScriptedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_MAX_CLIENTS", 2)
    sessions = aws.sessions()
    first = client(sessions, CALLER, "eu-west-1")
    client(sessions, CALLER, "eu-west-2")
    client(sessions, CALLER, "eu-west-3")
    assert client(sessions, CALLER, "eu-west-1") is not first


def test_a_client_can_make_the_declared_calls_and_no_other(aws: ScriptedAws) -> None:
    made = client(aws.sessions())
    assert set(made.meta.method_to_api_mapping.values()) == {each.removeprefix("ec2:") for each in ec2.IAM_ACTIONS}
    assert not hasattr(made, "authorize_security_group_ingress")


def test_clients_are_patient_and_say_who_they_are(aws: ScriptedAws) -> None:
    made = client(aws.sessions(max_attempts=session.MAX_ATTEMPTS))
    assert made.meta.config.retries == {"mode": "adaptive", "total_max_attempts": 6}
    assert (made.meta.config.connect_timeout, made.meta.config.read_timeout) == (5, 60)
    assert f"sg-compliance/{__version__}" in made.meta.config.user_agent
    made.describe_regions()
    assert f"sg-compliance/{__version__}" in aws.called("DescribeRegions")[0].user_agent


class Keys:
    """AssumeRole that gives key after key; the first ones end after the given seconds, the last after an hour."""

    def __init__(self, *seconds: int) -> None:
        self.seconds = list(seconds)
        self.given = 0

    def __call__(self, _: Call) -> Answer:
        self.given += 1
        return credentials(f"ASIA{self.given}", self.seconds.pop(0) if self.seconds else 3600)


def test_credentials_are_renewed_before_they_end(aws: ScriptedAws) -> None:
    aws.answers["AssumeRole"] = Keys(60)
    made = client(aws.sessions())
    made.describe_regions()
    made.describe_regions()
    made.describe_regions()
    assert [call.access_key for call in aws.called("DescribeRegions")] == ["ASIA1", "ASIA2", "ASIA2"]


def test_the_shortest_session_is_not_renewed_at_every_call(aws: ScriptedAws) -> None:
    aws.answers["AssumeRole"] = Keys(899, 899, 899)
    made = client(aws.sessions(role=Role("scan", seconds=900)))
    made.describe_regions()
    made.describe_regions()
    assert len(aws.called("AssumeRole")) == 1


def refused_while(*refused_keys: str) -> Callable[[Call], Answer]:
    return lambda call: refusal("RequestExpired") if call.access_key in refused_keys else regions(REGION)


def test_credentials_that_are_refused_as_expired_are_renewed_and_the_call_repeated(aws: ScriptedAws) -> None:
    aws.answers |= {"AssumeRole": Keys(), "DescribeRegions": refused_while("ASIA1")}
    assert client(aws.sessions()).describe_regions()["Regions"]
    assert [call.access_key for call in aws.called("DescribeRegions")] == ["ASIA1", "ASIA2"]


def test_credentials_that_stay_refused_are_renewed_once_a_call(aws: ScriptedAws) -> None:
    aws.answers |= {"AssumeRole": Keys(), "DescribeRegions": refused_while("ASIA1", "ASIA2")}
    with pytest.raises(ClientError, match="RequestExpired"):
        client(aws.sessions()).describe_regions()
    assert len(aws.called("AssumeRole")) == 2


def test_the_callers_own_expired_keys_are_told_with_what_to_do(aws: ScriptedAws) -> None:
    aws.answers["GetCallerIdentity"] = sts_refusal("ExpiredToken", "The security token is expired")
    with pytest.raises(AwsError, match="sts:GetCallerIdentity: The security token is expired") as caught:
        aws.sessions().caller()
    assert caught.value.code == "ExpiredToken"
    assert "log in again" in caught.value.hint


def test_a_caller_who_was_refused_can_be_asked_for_again(aws: ScriptedAws) -> None:
    sessions = aws.sessions()
    aws.answers["GetCallerIdentity"] = sts_refusal("ExpiredToken", "expired")
    with pytest.raises(AwsError):
        sessions.caller()
    del aws.answers["GetCallerIdentity"]
    assert sessions.caller().account_id == CALLER


def test_a_role_that_is_refused_is_told_with_both_sides_of_the_trust(aws: ScriptedAws) -> None:
    said = f"User: {CALLER_ARN} is not authorized to perform: sts:AssumeRole on resource: {ROLE_ARN}"
    aws.answers["AssumeRole"] = sts_refusal("AccessDenied", said)
    with pytest.raises(AwsError) as caught:
        aws.sessions().enter(MEMBER)
    assert caught.value.code == "AccessDenied"
    assert ROLE_ARN in caught.value.hint
    assert CALLER_ARN in caught.value.hint


def test_credentials_that_have_ended_on_arrival_are_blamed_on_the_clock(aws: ScriptedAws) -> None:
    aws.answers["AssumeRole"] = credentials(seconds=-5)
    with pytest.raises(AwsError, match="this machine's clock"):
        aws.sessions().enter(MEMBER)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer("<html><body>Log in to the hotel</body></html>"), "cannot be read: 'GetCallerIdentityResult'"),
        (Answer("<html><body>Log in to the hotel<br></body></html>"), "cannot be read: Unable to parse"),
        (identity(arn="nobody"), "does not say who calls"),
    ],
)
def test_an_answer_that_does_not_say_who_calls_is_not_believed(aws: ScriptedAws, answer: Answer, said: str) -> None:
    aws.answers["GetCallerIdentity"] = answer
    with pytest.raises(AwsError, match=said):
        aws.sessions().caller()


def test_another_account_needs_a_role(aws: ScriptedAws) -> None:
    with pytest.raises(AwsError, match=f"no role is named to assume in account {MEMBER}"):
        aws.sessions(role=Role()).enter(MEMBER)


@pytest.mark.parametrize("url", ["localhost:5000", "ftp://127.0.0.1", "http://", ""])
def test_an_endpoint_has_to_be_a_url(url: str) -> None:
    with pytest.raises(InputError, match="is no endpoint"):
        Sessions(endpoint_url=url)


def test_an_unknown_profile_is_told_with_how_to_list_them() -> None:
    with pytest.raises(AwsError, match="nowhere") as caught:
        Sessions(profile="nowhere")
    assert "aws configure list-profiles" in caught.value.hint


def test_no_credentials_at_all_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AwsError, match="Unable to locate credentials") as caught:
        Sessions(endpoint_url="http://127.0.0.1:9").caller()
    assert "--profile" in caught.value.hint


def test_an_impossible_region_is_told(aws: ScriptedAws) -> None:
    with pytest.raises(AwsError, match="Europe/Dublin"):
        client(aws.sessions(), CALLER, "Europe/Dublin")


def test_the_region_at_home_is_the_configured_one_or_the_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Sessions(fallback_region="cn-north-1").home_region == "us-east-1"
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert Sessions(fallback_region="cn-north-1").home_region == "cn-north-1"


def test_a_profile_that_assumes_a_role_itself_still_works(
    aws: ScriptedAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile keys]\naws_access_key_id=AKIAPROFILE\naws_secret_access_key=s\n"
        f"[profile admin]\nsource_profile=keys\nrole_arn=arn:aws:iam::{CALLER}:role/admin\nregion=eu-north-1\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint_url)
    sessions = Sessions(profile="admin", role=Role("scan"))
    aws.answers["AssumeRole"] = Keys()
    client(sessions).describe_regions()
    assert sessions.home_region == "eu-north-1"
    assert [(call.action, call.access_key) for call in aws.calls] == [
        ("AssumeRole", "AKIAPROFILE"),
        ("GetCallerIdentity", "ASIA1"),
        ("AssumeRole", "ASIA1"),
        ("DescribeRegions", "ASIA2"),
    ]
