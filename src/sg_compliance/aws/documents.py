"""Texts that people keep in AWS: an object in S3, a parameter in SSM. The policy, and the level of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sg_compliance.aws.failures import explained, malformed
from sg_compliance.errors import InputError
from sg_compliance.interfaces import Text

if TYPE_CHECKING:
    from sg_compliance.aws.session import Sessions

IN_S3: Final = frozenset({"kms:Decrypt", "s3:GetObject"})
IN_SSM: Final = frozenset({"kms:Decrypt", "ssm:GetParameter"})
IAM_ACTIONS: Final = IN_S3 | IN_SSM

_LARGEST: Final = 4 * 1024 * 1024


class S3Document:
    """The Document socket on an object: its version is its ETag. Calls: read 1."""

    def __init__(self, sessions: Sessions, bucket: str, key: str, region: str = "") -> None:
        self._sessions = sessions
        self._bucket = bucket
        self._key = key
        self._region = region

    @property
    def name(self) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self._bucket}/{self._key}"

    def read(self) -> Text:
        """The text, which is UTF-8. Raises AwsError, InputError."""
        client: Any = self._sessions.client("s3", IN_S3, self._region)
        with explained():
            answer = client.get_object(Bucket=self._bucket, Key=self._key)
            data, version = answer["Body"].read(_LARGEST + 1), str(answer["ETag"])
        if len(data) > _LARGEST:
            raise InputError(f"{self.name}: more than 4 MB", hint="put the text that is meant there")
        try:
            return Text(data.decode("utf-8-sig"), version)
        except UnicodeDecodeError as error:
            raise InputError(f"{self.name}: cannot be read: {error}", hint="save it in UTF-8") from error


class SsmDocument:
    """The Document socket on a parameter, SecureString too: its version is the parameter's. Calls: read 1."""

    def __init__(self, sessions: Sessions, parameter: str, region: str = "") -> None:
        self._sessions = sessions
        self._parameter = parameter
        self._region = region

    @property
    def name(self) -> str:
        """`parameter /name`."""
        return f"parameter {self._parameter}"

    def read(self) -> Text:
        """The text. Raises AwsError."""
        client: Any = self._sessions.client("ssm", IN_SSM, self._region)
        with explained():
            found = client.get_parameter(Name=self._parameter, WithDecryption=True).get("Parameter", {})
        if not isinstance(found.get("Value"), str):
            raise malformed("ssm:GetParameter", "holds no value")
        return Text(found["Value"], str(found.get("Version", "")))
