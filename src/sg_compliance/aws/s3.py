"""Backups in S3: one object each, encrypted by KMS, that is written once and never replaced.

What is kept is only as final as the bucket: versions and Object Lock are switched on where it is deployed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from botocore.exceptions import ClientError

from sg_compliance.aws.stores import code_of, storing
from sg_compliance.enforcement.backup import BACKUP_ID
from sg_compliance.enforcement.wire import backup_ids
from sg_compliance.errors import BackupNotFoundError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sg_compliance.aws.session import Sessions

IAM_ACTIONS: Final = frozenset({"kms:Decrypt", "kms:GenerateDataKey", "s3:GetObject", "s3:ListBucket", "s3:PutObject"})

_THERE: Final = "PreconditionFailed"
_CONFLICT: Final = "ConditionalRequestConflict"
_MISSING: Final = "NoSuchKey"
_ATTEMPTS: Final = 5


class BucketPlace(NamedTuple):
    """Where objects are kept. `prefix` ends in a slash or is empty; without `kms_key` it is AWS's key for S3."""

    bucket: str
    prefix: str = ""
    kms_key: str = ""
    region: str = ""


class Object(NamedTuple):
    """What is kept under a key."""

    data: bytes
    metadata: Mapping[str, str]


class Bucket:
    """Objects that are written once. Keys are relative to the prefix. Raises StoreError."""

    def __init__(self, sessions: Sessions, place: BucketPlace) -> None:
        self._sessions = sessions
        self._place = place

    def put_new(self, key: str, data: bytes, metadata: Mapping[str, str] | None = None) -> bool:
        """Write an object that is not there yet; False where one is, which may be this one: answers get lost.

        412 is the answer where there is one, 409 where another writer is at it, to be tried again (S3 API reference,
        PutObject, If-None-Match). S3 checks the bytes against their SHA-256.
        """
        encryption = {"SSEKMSKeyId": self._place.kms_key} if self._place.kms_key else {}
        for _ in range(_ATTEMPTS):
            with storing(self.name(key), self._place.kms_key):
                try:
                    self._client().put_object(
                        Bucket=self._place.bucket,
                        Key=self._place.prefix + key,
                        Body=data,
                        IfNoneMatch="*",
                        ChecksumAlgorithm="SHA256",
                        ContentType="application/json",
                        Metadata=dict(metadata or {}),
                        ServerSideEncryption="aws:kms",
                        **encryption,
                    )
                except ClientError as error:
                    if code_of(error) not in {_THERE, _CONFLICT}:
                        raise
                    if code_of(error) == _THERE:
                        return False
                else:
                    return True
        raise StoreError(f"{self.name(key)}: others kept writing it at the same time", hint="try again")

    def get(self, key: str) -> Object | None:
        """What is kept under the key, checked against its SHA-256; None where nothing is."""
        with storing(self.name(key), self._place.kms_key):
            try:
                answer = self._client().get_object(
                    Bucket=self._place.bucket, Key=self._place.prefix + key, ChecksumMode="ENABLED"
                )
                return Object(answer["Body"].read(), answer.get("Metadata", {}))
            except ClientError as error:
                if code_of(error) != _MISSING:
                    raise
        return None

    def keys(self, folder: str, after: str = "") -> Iterator[str]:
        """All keys in the folder in their order, a thousand a call; those after the given one."""
        start = {"StartAfter": self._place.prefix + after} if after else {}
        prefix = self._place.prefix + folder
        with storing(self.name(folder), self._place.kms_key):
            pages = (
                self._client()
                .get_paginator("list_objects_v2")
                .paginate(Bucket=self._place.bucket, Prefix=prefix, **start)
            )
            for page in pages:
                yield from [each["Key"].removeprefix(self._place.prefix) for each in page.get("Contents", ())]

    def name(self, key: str) -> str:
        """`s3://bucket/prefix/key`, as people read it."""
        return f"s3://{self._place.bucket}/{self._place.prefix}{key}"

    def _client(self) -> Any:  # noqa: ANN401  SDK clients have no types of their own
        return self._sessions.client("s3", IAM_ACTIONS, self._place.region)


class S3Backups:
    """The BackupStore socket on a bucket: `<prefix>backups/<group id>/<backup id>.json`.

    Calls: put 1 (where the object is there 2), get 1, ids 1 for each thousand.
    """

    def __init__(self, sessions: Sessions, bucket: str, prefix: str = "", kms_key: str = "") -> None:
        self._bucket = Bucket(sessions, BucketPlace(bucket, prefix, kms_key))

    def put(self, backup_id: str, data: bytes) -> None:
        """Keep the bytes. Raises StoreError."""
        key = _key(backup_id)
        if key is None:
            raise StoreError(f"{backup_id!r} is no id of a backup", hint="report this: the id was made by the program")
        if self._bucket.put_new(key, data):
            return
        kept = self._bucket.get(key)
        if kept is None or kept.data != data:
            raise StoreError(
                f"{self._bucket.name(key)}: another backup is kept under this id, and was left as it is",
                hint="find out what wrote that object before anything is changed in the group",
            )

    def get(self, backup_id: str) -> bytes:
        """The bytes. Raises BackupNotFoundError, StoreError."""
        key = _key(backup_id)
        kept = self._bucket.get(key) if key else None
        if kept is None:
            raise BackupNotFoundError(
                f"there is no backup {backup_id!r} in {self._bucket.name('backups/')}",
                hint="see which there are: sg-compliance backups list",
            )
        return kept.data

    def ids(self, group_id: str = "") -> Iterator[str]:
        """The ids, oldest first by the time in them. Raises StoreError."""
        folder = f"backups/{group_id}/" if group_id else "backups/"
        yield from backup_ids(key.rpartition("/")[2] for key in self._bucket.keys(folder))


def _key(backup_id: str) -> str | None:
    match = BACKUP_ID.fullmatch(backup_id)
    return f"backups/{match[1]}/{backup_id}.json" if match else None
