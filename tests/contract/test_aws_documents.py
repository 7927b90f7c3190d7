"""Texts in S3 and SSM, reports, and things that are done once: in moto."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from sg_compliance.aws.documents import S3Document, SsmDocument
from sg_compliance.aws.once import DynamoOnce
from sg_compliance.aws.s3 import BucketPlace
from sg_compliance.aws.s3_reports import S3Reports
from sg_compliance.aws.session import Sessions
from sg_compliance.errors import AwsError, BusyError, InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.interfaces import Document

REGION = "eu-west-1"
BUCKET = "my-bucket"


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield


def client(service: str) -> Any:  # noqa: ANN401  SDK clients have no types of their own
    return boto3.client(service, region_name=REGION)  # type: ignore[call-overload]


# ---- documents ----


def write(place: str, text: str) -> Document:
    """Keep the text there."""
    if place == "s3":
        client("s3").put_object(Bucket=BUCKET, Key="config/text", Body=text.encode())
        return S3Document(Sessions(), BUCKET, "config/text")
    client("ssm").put_parameter(Name="/config/text", Value=text, Type=place, Overwrite=True)
    return SsmDocument(Sessions(), "/config/text")


@pytest.mark.parametrize("place", ["s3", "String", "SecureString"])
def test_a_text_is_read_as_it_is_and_has_another_version_when_it_is_another(place: str) -> None:
    document = write(place, '{"a": "ä"}')
    first = document.read()
    assert first.text == '{"a": "ä"}'
    assert document.read() == first
    write(place, "{}")
    assert document.read().text == "{}"
    assert document.read().version != first.version


def test_a_mark_at_the_beginning_is_no_text() -> None:
    assert write("s3", "\ufeff{}").read().text == "{}"


def test_a_text_that_is_not_there_is_named_with_a_next_step() -> None:
    with pytest.raises(AwsError, match="s3:GetObject") as caught:
        S3Document(Sessions(), BUCKET, "nowhere").read()
    assert "key" in caught.value.hint
    with pytest.raises(AwsError, match="ssm:GetParameter") as other:
        SsmDocument(Sessions(), "/nowhere").read()
    assert "parameter" in other.value.hint


@pytest.mark.parametrize("data", [b"\xff\xfe{", b"x" * (4 * 1024 * 1024 + 1)])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    client("s3").put_object(Bucket=BUCKET, Key="config/text", Body=data)
    with pytest.raises(InputError, match="s3://my-bucket/config/text"):
        S3Document(Sessions(), BUCKET, "config/text").read()


# ---- reports ----


def test_a_report_is_packed_and_written_once() -> None:
    reports = S3Reports(Sessions(), BucketPlace(BUCKET, "state/"))
    place = reports.put("2026/01/15/scan-1", iter(['{"a": 1}\n', '{"b": "\ud800"}\n']))
    assert place == "s3://my-bucket/state/reports/2026/01/15/scan-1.jsonl.gz"
    found = client("s3").get_object(Bucket=BUCKET, Key="state/reports/2026/01/15/scan-1.jsonl.gz")
    assert gzip.decompress(found["Body"].read()) == b'{"a": 1}\n{"b": "\\ud800"}\n'
    assert found["ServerSideEncryption"] == "aws:kms"
    with pytest.raises(StoreError, match="there is one already"):
        reports.put("2026/01/15/scan-1", ["{}\n"])


# ---- once ----


class Invocation:
    """What is left of an invocation."""

    def __init__(self, left: int = 60_000) -> None:
        self.left = left

    def get_remaining_time_in_millis(self) -> int:
        return self.left


class FailedError(Exception):
    """What was done failed."""


class KilledError(BaseException):
    """The process ended."""


@pytest.fixture
def table() -> str:
    keys = [{"AttributeName": name, "KeyType": kind} for name, kind in (("pk", "HASH"), ("sk", "RANGE"))]
    attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]
    client("dynamodb").create_table(
        TableName="table", KeySchema=keys, AttributeDefinitions=attributes, BillingMode="PAY_PER_REQUEST"
    )
    return "table"


def once(table: str, what: str = "message", left: int = 60_000) -> DynamoOnce:
    return DynamoOnce(Sessions(), table, what, Invocation(left))


def test_what_was_done_is_not_done_again_whoever_asks(table: str) -> None:
    done: list[int] = []
    assert once(table).do("key", lambda: done.append(1))
    assert not once(table).do("key", lambda: done.append(2))
    assert done == [1]


def test_other_keys_and_other_purposes_are_apart(table: str) -> None:
    first = once(table)
    assert first.do("a", lambda: None)
    assert first.do("b", lambda: None)
    assert once(table, "another").do("a", lambda: None)
    assert not first.do("a", lambda: None)


@pytest.mark.parametrize("answer", [None, 0, "", {"a": 1}, object()])
def test_whatever_comes_of_it_is_nobody_elses_business(table: str, answer: object) -> None:
    assert once(table).do("key", lambda: answer)
    assert not once(table).do("key", lambda: answer)


def test_what_says_that_nothing_was_done_is_done_again(table: str) -> None:
    asked: list[bool] = []

    def act() -> bool:
        asked.append(len(asked) > 1)
        return asked[-1]

    assert [once(table).do("key", act) for _ in range(4)] == [True, True, True, False]
    assert asked == [False, False, True]


def test_what_failed_is_done_again(table: str) -> None:
    def failing() -> None:
        raise FailedError

    for _ in range(2):
        with pytest.raises(FailedError):
            once(table).do("key", failing)
    assert once(table).do("key", lambda: None)


def test_who_was_killed_is_waited_for_until_its_time_is_over(table: str) -> None:
    def killed() -> None:
        raise KilledError

    with pytest.raises(KilledError):
        once(table, left=60_000).do("key", killed)
    with pytest.raises(BusyError, match="table table, once message: another is at it"):
        once(table).do("key", lambda: None)
    with pytest.raises(KilledError):
        once(table, left=-1_000).do("other", killed)
    assert once(table).do("other", lambda: None)


def test_what_is_remembered_ends(table: str) -> None:
    once(table).do("key", lambda: None)
    (item,) = client("dynamodb").scan(TableName=table)["Items"]
    assert item["pk"] == {"S": "once"}
    left = int(item["expires"]["N"]) - datetime.now(UTC).timestamp()
    assert 86_000 < left <= 86_401
    client("dynamodb").put_item(TableName=table, Item={**item, "expires": {"N": "1"}})
    assert once(table).do("key", lambda: None), "DynamoDB deletes what is over days later"


@pytest.mark.parametrize("key", ["", "\ud800", "x" * 100_000, "a\x00b"])
def test_any_text_is_a_key(table: str, key: str) -> None:
    assert once(table).do(key, lambda: None)
    assert not once(table).do(key, lambda: None)


def test_without_the_table_nothing_is_done(table: str) -> None:
    done: list[int] = []
    with pytest.raises(StoreError, match="table nowhere"):
        once("nowhere").do("key", lambda: done.append(1))
    assert done == []
    assert table
