"""Who is blocked, kept in SQLite and DynamoDB; and the policy itself, on IAM as moto plays it, in several accounts."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from sg_compliance.aws import blocks as dynamo
from sg_compliance.aws import iam
from sg_compliance.aws.blocks import DynamoBlocks
from sg_compliance.aws.iam import IamContainment
from sg_compliance.aws.session import Role, Sessions
from sg_compliance.errors import AwsError, StoreError
from sg_compliance.local.blocks import SqliteBlocks
from sg_compliance.local.journal import SqliteJournal
from sg_compliance.model.block import BlockState, BlockStatus
from sg_compliance.realtime.block_record import block_record
from sg_compliance.realtime.deny_policy import POLICY_NAME, deny_document, standing_of
from tests.blocked_world import ADA, DEPLOY, HOUR, block, close_blocks, scene, target
from tests.contract.store_homes import LOST, AwsHome, RealClock, Refusal, Wire, aws_on_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sg_compliance.interfaces import Blocks
    from sg_compliance.model.block import Target

pytestmark = pytest.mark.e2e

MEMBERS = ("111122223333", "444455556666")
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with aws_on_loopback() as started:
        yield started


@pytest.fixture
def aws(wire: Wire) -> AwsHome:
    return AwsHome(wire)


@pytest.fixture(params=["local", "aws"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Blocks]]:
    """Each call makes an adapter of its own, as another process would."""
    if request.param == "aws":
        yield partial(in_table, request.getfixturevalue("aws"))
        return
    made: list[SqliteBlocks] = []

    def adapter() -> SqliteBlocks:
        made.append(SqliteBlocks(tmp_path / "state.sqlite"))
        return made[-1]

    yield adapter
    for each in made:
        each.close()


def in_table(home: AwsHome) -> DynamoBlocks:
    return DynamoBlocks(home.sessions(), home.name, RealClock())


# ---- the record ----


def test_a_block_is_kept_as_it_is_and_found_by_others(opened: Callable[[], Blocks]) -> None:
    made = block(DEPLOY, reason='"; drop \u2028 \U0001f600', causes=("a", "b"), state=BlockState.LIFTED)
    assert opened().keep(made, None)
    assert opened().all() == [made]


def test_one_takes_the_place_of_what_was_read_and_others_stay(opened: Callable[[], Blocks]) -> None:
    store = opened()
    assert store.keep(block(), None)
    assert store.keep(block(DEPLOY), None)
    assert store.keep(block(reason="another"), block())
    assert sorted(each.reason for each in opened().all()) == ["another", "too many"]
    assert [each.id for each in store.all()] == sorted(target(arn).block_id for arn in (ADA, DEPLOY))


def test_nothing_is_written_over_what_another_has_kept_since(opened: Callable[[], Blocks]) -> None:
    mine, theirs = opened(), opened()
    first, second, third = (block(reason=reason) for reason in ("first", "second", "third"))
    assert mine.keep(first, None)
    assert not theirs.keep(second, None)
    assert theirs.keep(second, first)
    assert not mine.keep(third, first)
    assert not mine.forget(first)
    assert opened().all() == [second]
    assert theirs.forget(second)
    assert not mine.keep(third, second)
    assert opened().all() == []


def test_of_several_at_once_each_is_kept_over_another(opened: Callable[[], Blocks]) -> None:
    def add(store: Blocks, name: str) -> int:
        for attempt in range(100):
            kept = next(iter(store.all()), None)
            made = block(causes=(*(kept.causes if kept else ()), name))
            if store.keep(made, kept):
                return attempt
        raise AssertionError(name)

    stores = [opened() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, stores * 3, map(str, range(12))))
    (kept,) = opened().all()
    assert sorted(kept.causes, key=int) == [str(number) for number in range(12)]


def test_what_is_forgotten_is_gone_and_forgetting_it_again_is_fine(opened: Callable[[], Blocks]) -> None:
    store = opened()
    store.keep(block(), None)
    store.keep(block(DEPLOY), None)
    for _ in range(2):
        assert store.forget(block())
        assert opened().all() == [block(DEPLOY)]


def test_a_record_that_an_older_version_wrote_is_still_the_one_that_was_read(tmp_path: Path, aws: AwsHome) -> None:
    old = {name: value for name, value in block_record(block()).items() if name not in {"earlier", "lifted"}}
    item = {"pk": {"S": "block"}, "sk": {"S": block().id}, "record": {"S": json.dumps(old)}}
    path = tmp_path / "state.sqlite"
    acts: list[Callable[[Blocks], bool]] = [
        lambda store: store.keep(block(reason="new"), block()),
        lambda store: store.forget(block()),
    ]
    for act in acts:
        aws.client("dynamodb").put_item(TableName=aws.name, Item=item)
        assert not in_table(aws).keep(block(reason="new"), block(reason="other"))
        assert act(in_table(aws))
        with closing(SqliteBlocks(path)) as store, closing(sqlite3.connect(path)) as other:
            other.execute("INSERT OR REPLACE INTO block VALUES (?, ?)", (block().id, json.dumps(old)))
            other.commit()
            assert act(store)


def test_a_lost_answer_is_not_taken_for_the_writing_of_another(aws: AwsHome) -> None:
    store = in_table(aws)
    aws.wire.refuse("UpdateItem", LOST)
    assert store.keep(block(), None)
    aws.wire.refuse("UpdateItem", LOST)
    assert store.keep(block(reason="new"), block())
    aws.wire.refuse("DeleteItem", LOST)
    assert store.forget(block(reason="new"))
    assert store.all() == []


def test_where_nothing_was_kept_there_is_nothing(opened: Callable[[], Blocks]) -> None:
    assert opened().all() == []


def test_blocks_share_the_file_of_the_journal_and_looking_makes_none(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with closing(SqliteBlocks(path, reading=True)) as store:
        assert store.all() == []
    assert not path.exists()
    with closing(SqliteJournal(path)) as journal, closing(SqliteBlocks(path)) as store:
        store.keep(block(), None)
        assert journal.entries() == []
        with closing(SqliteBlocks(path, reading=True)) as looking:
            assert looking.all() == [block()]
            with pytest.raises(StoreError):
                looking.forget(block())


def test_a_damaged_record_is_said_to_be_damaged(tmp_path: Path, aws: AwsHome) -> None:
    path = tmp_path / "state.sqlite"
    with closing(SqliteBlocks(path)) as store:
        store.keep(block(), None)
        with closing(sqlite3.connect(path)) as other:
            other.execute("UPDATE block SET record = '{}'")
            other.commit()
        with pytest.raises(StoreError, match="a block cannot be read"):
            store.all()
    item = {"pk": {"S": "block"}, "sk": {"S": block().id}, "record": {"S": "[]"}}
    aws.client("dynamodb").put_item(TableName=aws.name, Item=item)
    with pytest.raises(StoreError, match=rf"{aws.name}, block {block().id}: .*cannot be read") as damaged:
        in_table(aws).all()
    assert "policy" in damaged.value.hint


def test_the_table_is_asked_for_no_more_than_is_declared(aws: AwsHome) -> None:
    store = in_table(aws)
    store.keep(block(), None)
    store.all()
    store.forget(block())
    assert {f"dynamodb:{name}" for name in aws.wire.calls} == dynamo.IAM_ACTIONS
    assert set(aws.wire.calls.values()) == {1}
    aws.wire.refuse("UpdateItem", Refusal(400, "AccessDeniedException"))
    with pytest.raises(StoreError, match=aws.name):
        store.keep(block(), None)


# ---- the policy ----


@dataclass
class Members:
    """IAM of two accounts, each with a user and a role that have the same names."""

    wire: Wire

    def client(self, account_id: str) -> Any:  # noqa: ANN401  SDK clients have no types
        sts: Any = boto3.client("sts", endpoint_url=self.wire.url, region_name="us-east-1")
        given = sts.assume_role(RoleArn=f"arn:aws:iam::{account_id}:role/setup", RoleSessionName="setup")["Credentials"]
        return boto3.client(
            "iam",
            endpoint_url=self.wire.url,
            region_name="us-east-1",
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
        )

    def deploy(self) -> None:
        for account_id in MEMBERS:
            client = self.client(account_id)
            client.create_user(UserName="ada", Path="/team/")
            for name, path in (("deploy", "/pipelines/"), ("sg-compliance-contain", "/")):
                client.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(TRUST))
            other = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]}
            client.put_role_policy(RoleName="deploy", PolicyName="other", PolicyDocument=json.dumps(other))

    def names(self, account_id: str, who: Target) -> list[str]:
        client = self.client(account_id)
        found: list[str] = (
            client.list_user_policies(UserName=who.name)
            if who.kind == "user"
            else client.list_role_policies(RoleName=who.name)
        )["PolicyNames"]
        return sorted(found)

    def shown(self, account_id: str, who: Target) -> Any:  # noqa: ANN401  JSON
        client = self.client(account_id)
        if who.kind == "user":
            return client.get_user_policy(UserName=who.name, PolicyName=POLICY_NAME)["PolicyDocument"]
        return client.get_role_policy(RoleName=who.name, PolicyName=POLICY_NAME)["PolicyDocument"]


@pytest.fixture
def members(wire: Wire) -> Members:
    wire.refusals.clear()
    boto3.client("sts", endpoint_url=wire.url, region_name="us-east-1")
    made = Members(wire)
    made.wire.app(_reset(), lambda *_: None)
    made.deploy()
    wire.calls.clear()
    return made


def _reset() -> dict[str, Any]:
    """moto's own way to begin anew."""
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/moto-api/reset",
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "HTTP_HOST": "127.0.0.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(b""),
    }


@pytest.fixture
def containment(members: Members) -> IamContainment:
    return acting(members.wire)


def acting(wire: Wire) -> IamContainment:
    role = Role("sg-compliance-contain", "harbour")
    return IamContainment(Sessions(endpoint_url=wire.url, keys=("AKIATEST", "test"), max_attempts=2, role=role))


@pytest.mark.parametrize("arn", [ADA, DEPLOY])
def test_a_policy_is_put_read_and_taken_away_in_its_account_only(
    arn: str, containment: IamContainment, members: Members
) -> None:
    who, others = target(arn), ["other"] if arn == DEPLOY else []
    assert containment.denied(who) is None
    containment.deny(who, deny_document(block(arn)))
    shown = containment.denied(who)
    assert shown == deny_document(block(arn)) == members.shown(MEMBERS[0], who)
    assert standing_of(shown, who)
    assert members.names(MEMBERS[0], who) == sorted([*others, POLICY_NAME])
    assert members.names(MEMBERS[1], who) == others
    containment.deny(who, deny_document(block(arn, expires=block().expires + HOUR)))
    assert containment.denied(who) != shown
    for _ in range(2):
        containment.release(who)
        assert containment.denied(who) is None
    assert members.names(MEMBERS[0], who) == others


def test_who_is_blocked_is_named_with_the_path_that_iam_knows(containment: IamContainment) -> None:
    assert containment.identify(replace(target(DEPLOY), path="")) == target(DEPLOY)
    assert containment.identify(target(ADA.replace("/team", ""))) == target()


def test_who_is_not_there_is_no_failure_to_let_go_and_one_to_block(
    containment: IamContainment, members: Members
) -> None:
    gone = target(ADA + "2")
    assert containment.denied(gone) is None
    containment.release(gone)
    for call in (partial(containment.identify, gone), partial(containment.deny, gone, {})):
        with pytest.raises(AwsError) as failed:
            call()
        assert failed.value.code == "NoSuchEntity"
        assert str(failed.value).startswith("iam:")
        assert "check the name" in failed.value.hint
    assert members.names(MEMBERS[0], target()) == []


def test_a_policy_that_is_no_json_of_an_object_is_none_of_ours(containment: IamContainment, members: Members) -> None:
    other = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}}
    client = members.client(MEMBERS[0])
    client.put_user_policy(UserName="ada", PolicyName=POLICY_NAME, PolicyDocument=json.dumps(other))
    found = containment.denied(target())
    assert found == other
    assert standing_of(found, target()) is None


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AccessDenied", "allow iam:PutUserPolicy to arn:aws:iam::111122223333:role/sg-compliance-contain"),
        ("UnmodifiableEntity", "only the service that it belongs to"),
        ("LimitExceeded", "inline policies are full"),
        ("Throttling", "slowing this account's calls down"),
    ],
)
def test_a_refusal_names_the_action_and_the_next_step(
    code: str, said: str, containment: IamContainment, members: Members
) -> None:
    members.wire.refuse("PutUserPolicy", Refusal(400, code), 2)
    with pytest.raises(AwsError, match="iam:PutUserPolicy") as refused:
        containment.deny(target(), deny_document(block()))
    assert refused.value.code == code
    assert said in refused.value.hint


def test_an_answer_that_is_lost_is_asked_for_again(containment: IamContainment, members: Members) -> None:
    members.wire.refuse("PutRolePolicy", LOST)
    containment.deny(target(DEPLOY), deny_document(block(DEPLOY)))
    members.wire.refuse("DeleteRolePolicy", LOST)
    containment.release(target(DEPLOY))
    assert containment.denied(target(DEPLOY)) is None


def test_an_answer_about_somebody_else_is_not_believed() -> None:
    class Other:
        def client(self, *_: object) -> object:
            return self

        def enter(self, *_: object) -> str:
            return ""

        def get_user(self, **_: object) -> dict[str, Any]:
            return {"User": {"Arn": DEPLOY}}

    with pytest.raises(AwsError, match="not about user ada"):
        IamContainment(Other()).identify(target())  # type: ignore[arg-type]


def test_iam_is_asked_for_no_more_than_is_declared(containment: IamContainment, members: Members) -> None:
    for arn in (ADA, DEPLOY):
        containment.identify(target(arn))
        containment.deny(target(arn), deny_document(block(arn)))
        containment.denied(target(arn))
        containment.release(target(arn))
    of_iam = {name for name in members.wire.calls if name not in {"AssumeRole", "GetCallerIdentity"}}
    assert {f"iam:{name}" for name in of_iam} == iam.IAM_ACTIONS
    assert members.wire.calls["AssumeRole"] == 1


@pytest.mark.parametrize(
    ("partition", "region"), [("aws", "us-east-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")]
)
def test_iam_is_asked_where_it_is_at_home(partition: str, region: str) -> None:
    asked: list[str] = []

    class Asked:
        def client(self, service: str, actions: frozenset[str], place: str, account_id: str) -> object:
            del actions
            asked.extend((service, place, account_id))
            return self

        def enter(self, *_: object) -> str:
            return ""

        def get_role_policy(self, **_: object) -> dict[str, Any]:
            return {"PolicyDocument": "no JSON"}

    who = replace(target(DEPLOY), partition=partition)
    assert IamContainment(Asked()).denied(who) == {}  # type: ignore[arg-type]
    assert asked == ["iam", region, MEMBERS[0]]


def test_a_block_from_end_to_end(containment: IamContainment, members: Members, tmp_path: Path) -> None:
    here = scene(tmp_path, containment=containment)
    made = here.containing.block(DEPLOY, "x", HOUR)
    assert made.status is BlockStatus.BLOCKED
    assert made.block
    assert members.shown(MEMBERS[0], target(DEPLOY)) == deny_document(made.block)
    assert here.containing.unblock(made.block.id).status is BlockStatus.LIFTED
    assert members.names(MEMBERS[0], target(DEPLOY)) == ["other"]
    close_blocks()
