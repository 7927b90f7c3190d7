"""What only AWS does to a store: answers that get lost, refusals, missing keys and tables; and what each call costs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sg_compliance.aws import dynamodb, s3, s3_audit, sns, ssm
from sg_compliance.aws.s3 import BucketPlace, S3Backups
from sg_compliance.aws.s3_audit import S3AuditLog
from sg_compliance.aws.sns import message_of, subject_of
from sg_compliance.enforcement.audit import verify
from sg_compliance.errors import AwsError, LockLostError, SgComplianceError, StoreError
from sg_compliance.model.finding import Severity
from sg_compliance.model.notice import Notice, NoticeKind
from tests.contract.store_homes import LOST, PREFIX, AwsHome, RealClock, Refusal, Wire, aws_on_loopback, backup_id
from tests.contract.test_store_contract import GRANT, LATER, LEASE, NOW, PLACE, done, entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.e2e

KEY = "arn:aws:kms:us-east-1:111122223333:key/0a1b2c3d"
ROLE = "arn:aws:sts::111122223333:assumed-role/sg-compliance/run"
NO_KMS = Refusal(
    403,
    "AccessDenied",
    f"User: {ROLE} is not authorized to perform: kms:GenerateDataKey on resource: {KEY} because no "
    "identity-based policy allows the kms:GenerateDataKey action",
)
NOTICE = Notice(
    NoticeKind.REMEDIATION, Severity.HIGH, "sg-1 was locked", "all of it", "111122223333", {"group": "sg-1"}
)


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with aws_on_loopback() as started:
        yield started


@pytest.fixture
def home(wire: Wire) -> AwsHome:
    return AwsHome(wire)


def keyed(home: AwsHome) -> S3Backups:
    return S3Backups(home.sessions(), home.name, PREFIX, KEY)


# Answers that get lost: the call took effect, and the SDK makes it again


def test_a_backup_whose_answer_was_lost_is_kept(home: AwsHome) -> None:
    home.wire.refuse("PutObject", LOST)
    home.backups().put(backup_id(), b"{}")
    assert home.wire.calls == {"PutObject": 2, "GetObject": 1}
    assert home.backups().get(backup_id()) == b"{}"


def test_a_lock_whose_answer_was_lost_is_ours(home: AwsHome) -> None:
    home.wire.refuse("UpdateItem", LOST)
    assert home.journal().lock(PLACE, "run-1", NOW, LEASE) == (PLACE, "run-1", 1, LATER, None)


def test_a_lock_whose_answer_was_lost_brings_the_open_entry_all_the_same(home: AwsHome) -> None:
    journal = home.journal()
    journal.begin(journal.lock(PLACE, "run-1", NOW, LEASE), entry())
    home.wire.refuse("UpdateItem", LOST)
    lock = journal.lock(PLACE, "run-2", LATER, LEASE)
    assert (lock.fence, lock.open) == (2, entry())


@pytest.mark.parametrize("action", ["UpdateItem", "TransactWriteItems"])
def test_entries_whose_answers_were_lost_are_written(home: AwsHome, action: str) -> None:
    journal = home.journal()
    lock = journal.lock(PLACE, "run-1", NOW, LEASE)
    home.wire.refuse(action, LOST)
    journal.begin(lock, entry())
    journal.renew(lock, NOW, LEASE)
    journal.end(lock, done(entry()))
    assert home.journal().entries() == [done(entry())]
    assert home.journal().lock(PLACE, "run-2", NOW, LEASE).fence == 2


def test_an_end_whose_every_answer_was_lost_can_be_made_again(home: AwsHome) -> None:
    journal = home.journal()
    lock = journal.lock(PLACE, "run-1", NOW, LEASE)
    journal.begin(lock, entry())
    home.wire.refuse("TransactWriteItems", LOST, 2)
    with pytest.raises(StoreError):
        journal.end(lock, done(entry()))
    journal.end(lock, done(entry()))
    assert home.journal().entries() == [done(entry())]


def test_a_lock_whose_unlock_was_lost_is_free(home: AwsHome) -> None:
    journal = home.journal()
    lock = journal.lock(PLACE, "run-1", NOW, LEASE)
    home.wire.refuse("UpdateItem", LOST)
    journal.unlock(lock)
    assert journal.lock(PLACE, "run-2", NOW, LEASE).fence == 2


def test_a_withdrawal_whose_answer_was_lost_was_there(home: AwsHome) -> None:
    home.concessions().grant(GRANT)
    home.wire.refuse("DeleteItem", LOST)
    assert home.concessions().withdraw(GRANT.id) is True


def test_an_audit_line_whose_answer_was_lost_stands_once(home: AwsHome) -> None:
    home.wire.refuse("PutObject", LOST)
    home.audit().append({"n": 1})
    home.audit().append({"n": 2})
    assert [json.loads(line)["n"] for line in home.audit().lines()] == [1, 2]


def test_equal_events_of_two_writers_are_two_lines(home: AwsHome) -> None:
    behind = home.audit()
    home.client("dynamodb").put_item(
        TableName=home.name,
        Item={
            "pk": {"S": "audit"},
            "sk": {"S": f"{home.name}/{PREFIX}"},
            "sequence": {"N": "0"},
            "hash": {"S": "0" * 64},
        },
    )
    home.audit().append({"n": 1})
    home.client("dynamodb").delete_item(
        TableName=home.name, Key={"pk": {"S": "audit"}, "sk": {"S": f"{home.name}/{PREFIX}"}}
    )
    behind.append({"n": 1})
    assert verify(home.audit().lines()).entries == 2


def test_a_conflict_of_two_writers_is_tried_again(home: AwsHome) -> None:
    home.wire.refuse("PutObject", Refusal(409, "ConditionalRequestConflict"))
    home.backups().put(backup_id(), b"{}")
    assert home.backups().get(backup_id()) == b"{}"
    home.wire.refuse("PutObject", Refusal(409, "ConditionalRequestConflict"), 99)
    with pytest.raises(StoreError, match="at the same time"):
        home.backups().put(backup_id("sg-2"), b"{}")


def test_a_transaction_in_the_way_is_waited_for(home: AwsHome) -> None:
    busy = Refusal(400, "TransactionConflictException")
    home.wire.refuse("UpdateItem", busy, 2)
    lock = home.journal().lock(PLACE, "run-1", NOW, LEASE)
    home.wire.refuse("UpdateItem", busy, 99)
    with pytest.raises(StoreError, match="at the same time"):
        home.journal().renew(lock, NOW, LEASE)


# The note of the audit log's head is a hint


def test_the_chain_goes_on_after_a_writer_that_died_before_its_note(home: AwsHome) -> None:
    home.audit().append({"n": 0})
    home.wire.refuse("UpdateItem", Refusal(400, "AccessDeniedException"), 9)
    for number in (1, 2, 3, 4, 5, 6, 7):
        home.audit().append({"n": number})
    home.wire.refusals.clear()
    home.audit().append({"n": 8})
    report = verify(home.audit().lines())
    assert (report.intact, report.entries) == (True, 9)


def test_the_chain_goes_on_where_the_note_was_lost(home: AwsHome) -> None:
    for number in range(9):
        home.audit().append({"n": number})
    home.client("dynamodb").delete_item(
        TableName=home.name, Key={"pk": {"S": "audit"}, "sk": {"S": f"{home.name}/{PREFIX}"}}
    )
    home.wire.calls.clear()
    home.audit().append({"n": 9})
    assert home.wire.calls["PutObject"] < 7
    assert verify(home.audit().lines()).entries == 10


def test_who_never_gets_a_turn_is_told_that_the_line_is_not_kept(
    home: AwsHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.audit().append({"n": 1})
    monkeypatch.setattr(s3_audit, "_ATTEMPTS", 1)
    home.wire.refuse("UpdateItem", Refusal(400, "AccessDeniedException"))
    home.audit().append({"n": 2})
    with pytest.raises(StoreError, match="this line is not in it"):
        home.audit().append({"n": 3})
    assert verify(home.audit().lines()).entries == 2


def test_nothing_is_added_after_what_is_no_line(home: AwsHome) -> None:
    home.audit().append({"n": 1})
    home.client("s3").put_object(Bucket=home.name, Key=f"{PREFIX}audit/000000000002.json", Body=b'{"n":2}\n')
    with pytest.raises(StoreError, match="no line of the audit log") as damaged:
        home.audit().append({"n": 2})
    assert "audit verify" in damaged.value.hint
    assert not verify(home.audit().lines()).intact


def test_a_line_that_was_changed_in_the_bucket_is_found(home: AwsHome) -> None:
    for number in range(3):
        home.audit().append({"n": number})
    name = {"Bucket": home.name, "Key": f"{PREFIX}audit/000000000002.json"}
    kept = home.client("s3").get_object(**name)["Body"].read()
    home.client("s3").put_object(**name, Body=kept.replace(b'"n":1', b'"n":9'))
    assert [problem.line for problem in verify(home.audit().lines()).problems] == [2]


def test_what_else_is_in_the_folder_is_no_line(home: AwsHome) -> None:
    home.client("s3").put_object(Bucket=home.name, Key=f"{PREFIX}audit/readme.txt", Body=b"hello")
    home.audit().append({"n": 1})
    assert verify(home.audit().lines()).intact


# Refusals


def test_a_denied_backup_names_the_object_the_action_and_the_reason(home: AwsHome) -> None:
    home.wire.refuse("PutObject", Refusal(403, "AccessDenied", "Access Denied"))
    with pytest.raises(StoreError) as denied:
        home.backups().put(backup_id(), b"{}")
    assert str(denied.value).startswith(
        f"s3://{home.name}/{PREFIX}backups/sg-1/{backup_id()}.json: s3:PutObject: Access D"
    )
    assert "allow s3:PutObject" in denied.value.hint
    assert isinstance(denied.value.__cause__, AwsError)
    assert list(home.backups().ids()) == []


def test_a_denied_key_names_the_kms_action_and_the_key(home: AwsHome) -> None:
    home.wire.refuse("PutObject", NO_KMS)
    with pytest.raises(StoreError, match="kms:GenerateDataKey") as denied:
        home.backups().put(backup_id(), b"{}")
    assert f"allow kms:GenerateDataKey on {KEY} to {ROLE}" in denied.value.hint
    assert "policy of the key" in denied.value.hint


def test_where_s3_hides_that_it_was_the_key_the_hint_names_it(home: AwsHome) -> None:
    for action, act in (
        ("PutObject", lambda: keyed(home).put(backup_id(), b"")),
        ("GetObject", lambda: keyed(home).get(backup_id())),
    ):
        home.wire.refuse(action, Refusal(403, "AccessDenied", "Access Denied"))
        with pytest.raises(StoreError) as denied:
            act()
        assert f"kms:GenerateDataKey (to write), kms:Decrypt (to read) on {KEY}" in denied.value.hint


def test_a_key_that_is_off_is_said_to_be(home: AwsHome) -> None:
    home.wire.refuse("GetObject", Refusal(400, "KMS.DisabledException", f"{KEY} is disabled."))
    with pytest.raises(StoreError, match="is disabled") as off:
        home.backups().get(backup_id())
    assert "check the KMS key" in off.value.hint


@pytest.mark.parametrize(
    ("action", "act"),
    [
        ("s3:GetObject", lambda home: home.backups().get(backup_id())),
        ("s3:ListBucket", lambda home: list(home.backups().ids())),
        ("s3:ListBucket", lambda home: list(home.audit().lines())),
        ("dynamodb:UpdateItem", lambda home: home.journal().lock(PLACE, "run-1", NOW, LEASE)),
        ("dynamodb:Query", lambda home: home.journal().entries()),
        ("dynamodb:PutItem", lambda home: home.concessions().grant(GRANT)),
        ("dynamodb:GetItem", lambda home: home.audit().append({})),
        ("ssm:GetParameter", lambda home: home.switch().read()),
        ("ssm:PutParameter", lambda home: home.switch().write("x")),
        ("sns:Publish", lambda home: home.notifier().send(NOTICE)),
    ],
)
def test_whatever_is_denied_is_named_with_what_to_allow(
    home: AwsHome, action: str, act: Callable[[AwsHome], object]
) -> None:
    operation = action.partition(":")[2].replace("ListBucket", "ListObjectsV2")
    code = {"s3": "AccessDenied", "sns": "AuthorizationError"}.get(action.partition(":")[0], "AccessDeniedException")
    home.wire.refuse(operation, Refusal(400 if "dynamodb" in action else 403, code, f"User: {ROLE} is not allowed"))
    with pytest.raises(SgComplianceError, match=f"{action}: User: {ROLE} is not allowed") as denied:
        act(home)
    assert f"allow {action} to {ROLE}" in denied.value.hint


def test_a_denied_transaction_names_both_actions(home: AwsHome) -> None:
    journal = home.journal()
    lock = journal.lock(PLACE, "run-1", NOW, LEASE)
    home.wire.refuse("TransactWriteItems", Refusal(400, "AccessDeniedException"))
    with pytest.raises(StoreError, match=rf"table {home.name}, lock#\w {PLACE}") as denied:
        journal.end(lock, done(entry()))
    assert "dynamodb:UpdateItem and dynamodb:PutItem" in denied.value.hint


def test_what_was_never_deployed_is_said_to_be_missing(home: AwsHome) -> None:
    home.client("dynamodb").delete_table(TableName=home.name)
    home.client("s3").delete_bucket(Bucket=home.name)
    home.client("sns").delete_topic(TopicArn=home.topic)
    for act, hint in (
        (lambda: home.journal().lock(PLACE, "run-1", NOW, LEASE), "table"),
        (lambda: home.backups().put(backup_id(), b""), "bucket"),
        (lambda: home.backups().get(backup_id()), "bucket"),
        (lambda: home.notifier().send(NOTICE), "topic"),
    ):
        with pytest.raises(SgComplianceError) as missing:
            act()
        assert hint in missing.value.hint
        assert "deployed" in missing.value.hint


def test_items_that_are_not_ours_are_said_to_be_unreadable(home: AwsHome) -> None:
    for pk in ("entry", "concession"):
        item = {"pk": {"S": pk}, "sk": {"S": "x"}, "record": {"S": "{}"}}
        home.client("dynamodb").put_item(TableName=home.name, Item=item)
    for act in (home.journal().entries, home.concessions().all):
        with pytest.raises(StoreError, match="cannot be read") as unreadable:
            act()
        assert "point-in-time" in unreadable.value.hint


# What is sent


def test_backups_are_encrypted_by_the_given_key(home: AwsHome) -> None:
    keyed(home).put(backup_id(), b"{}")
    kept = home.client("s3").get_object(Bucket=home.name, Key=f"{PREFIX}backups/sg-1/{backup_id()}.json")
    assert (kept["ServerSideEncryption"], kept["SSEKMSKeyId"]) == ("aws:kms", KEY)
    assert kept["ContentType"] == "application/json"


def test_people_and_filters_of_a_topic_get_theirs(home: AwsHome) -> None:
    home.notifier().send(NOTICE)
    (envelope,) = home.delivered()
    assert envelope["Subject"] == "sg-1 was locked"
    said = {name: each["Value"] for name, each in envelope["MessageAttributes"].items()}
    assert said == {"kind": "remediation", "severity": "high", "account_id": "111122223333"}
    assert json.loads(message_of(NOTICE))["default"] == "all of it"


@pytest.mark.parametrize(
    ("said", "subject"),
    [
        ("sg-1\r\nBcc: all", "sg-1??Bcc: all"),
        ("  \x1b[31mzoë\x7f", "?[31mzo??"),
        ("", "remediation"),
        (" \t ", "?"),
        ("x" * 98 + " yz", "x" * 98),
        ("x" * 300, "x" * 99),
    ],
)
def test_a_subject_is_one_line_of_ascii_that_is_short_enough(said: str, subject: str) -> None:
    assert subject_of(replace(NOTICE, subject=said)) == subject


@pytest.mark.parametrize("text", ["x" * 300_000, "\u2028\U0001f600" * 60_000, "short"])
def test_a_notice_that_is_too_large_is_cut_and_says_so(home: AwsHome, text: str) -> None:
    notice = replace(NOTICE, text=text, record={"groups": ["sg-1"] * 30_000})
    message = message_of(notice)
    assert 1_000 < len(message.encode()) <= 262_144 - 2_048 or text == "short"
    assert json.loads(message)["default"].startswith(text[:20])
    assert "cut off" in json.loads(message)["default"]
    home.notifier().send(notice)
    assert home.told()[0] | {"text": ""} == {
        "kind": "remediation",
        "severity": "high",
        "account_id": "111122223333",
        "subject": "sg-1 was locked",
        "text": "",
        "record": {},
        "cut": True,
    }


def test_a_switch_that_was_cleared_holds_no_empty_value(home: AwsHome) -> None:
    home.switch().write("")
    kept = home.client("ssm").get_parameter(Name=f"/{home.name}/pause")["Parameter"]
    assert (kept["Value"], kept["Type"]) == ("{}", "String")


# What it costs, and what it may do


def test_each_operation_costs_so_many_calls(home: AwsHome) -> None:
    journal, told = home.journal(), {}

    def cost(name: str, act: Callable[[], Any]) -> Any:  # noqa: ANN401  whatever it gives
        home.wire.calls.clear()
        answer = act()
        told[name] = dict(home.wire.calls)
        return answer

    lock = cost("lock", lambda: journal.lock(PLACE, "run-1", NOW, LEASE))
    lock = cost("renew", lambda: journal.renew(lock, NOW, LEASE))
    cost("begin", lambda: journal.begin(lock, entry()))
    cost("end", lambda: journal.end(lock, done(entry())))
    cost("unlock", lambda: journal.unlock(lock))
    cost("unfinished", journal.unfinished)
    cost("entries of all", journal.entries)
    cost("entries of a group", lambda: journal.entries(PLACE.group_id))
    cost("locks", lambda: journal.locks(NOW))
    left = journal.lock(PLACE, "run-2", NOW, LEASE)
    journal.begin(left, entry("e2"))
    cost("lock of what is half done", lambda: journal.lock(PLACE, "run-3", LATER, LEASE))
    cost("unfinished with an entry", journal.unfinished)
    cost("entries of a group with an entry", lambda: journal.entries(PLACE.group_id))
    cost("locks with an entry", lambda: journal.locks(LATER))
    cost("put", lambda: home.backups().put(backup_id(), b"{}"))
    cost("get", lambda: home.backups().get(backup_id()))
    cost("ids", lambda: list(home.backups().ids()))
    cost("append", lambda: home.audit().append({}))
    cost("grant", lambda: home.concessions().grant(GRANT))
    cost("withdraw", lambda: home.concessions().withdraw(GRANT.id))
    cost("read", lambda: home.switch().read())
    cost("write", lambda: home.switch().write("x"))
    cost("send", lambda: home.notifier().send(NOTICE))
    assert told == {
        "lock": {"UpdateItem": 1},
        "renew": {"UpdateItem": 1},
        "begin": {"TransactWriteItems": 1},
        "end": {"TransactWriteItems": 1},
        "unlock": {"UpdateItem": 1},
        "unfinished": {"Query": 1},
        "entries of all": {"Query": 2},
        "entries of a group": {"Query": 1},
        "locks": {"Query": 16},
        "lock of what is half done": {"UpdateItem": 1, "BatchGetItem": 1},
        "unfinished with an entry": {"Query": 1, "BatchGetItem": 1},
        "entries of a group with an entry": {"Query": 1},
        "locks with an entry": {"Query": 16, "BatchGetItem": 1},
        "put": {"PutObject": 1},
        "get": {"GetObject": 1},
        "ids": {"ListObjectsV2": 1},
        "append": {"GetItem": 1, "PutObject": 1, "UpdateItem": 1},
        "grant": {"PutItem": 1},
        "withdraw": {"GetItem": 1, "DeleteItem": 1},
        "read": {"GetParameter": 1},
        "write": {"PutParameter": 1},
        "send": {"Publish": 1},
    }


@pytest.mark.parametrize(
    ("service", "actions", "operations"),
    [
        ("s3", s3.IAM_ACTIONS, {"GetObject", "HeadBucket", "ListObjectsV2", "PutObject"}),
        ("s3", s3_audit.IAM_ACTIONS, {"GetObject", "HeadBucket", "ListObjectsV2", "PutObject"}),
        (
            "dynamodb",
            dynamodb.IAM_ACTIONS,
            {"BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query", "TransactWriteItems", "UpdateItem"},
        ),
        ("ssm", ssm.IAM_ACTIONS, {"GetParameter", "PutParameter"}),
        ("sns", sns.IAM_ACTIONS, {"Publish"}),
    ],
)
def test_a_stores_client_can_do_what_its_actions_allow_and_no_more(
    home: AwsHome, service: str, actions: frozenset[str], operations: set[str]
) -> None:
    made = home.sessions().client(service, actions)
    assert set(made.meta.method_to_api_mapping.values()) == operations


def test_a_place_has_no_key_of_its_own_unless_it_is_given(home: AwsHome) -> None:
    S3AuditLog(home.sessions(), BucketPlace(home.name, kms_key=KEY), home.name, RealClock()).append({})
    kept = home.client("s3").get_object(Bucket=home.name, Key="audit/000000000001.json")
    assert kept["SSEKMSKeyId"] == KEY
    lock = home.journal().lock(PLACE, "run-1", NOW, LEASE)
    with pytest.raises(LockLostError):
        home.journal().renew(lock._replace(fence=9), NOW, LEASE)
