"""What AWS's stores have in common: failures of AWS as StoreError, which names the place, the action and the reason."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sg_compliance.aws.failures import explained
from sg_compliance.enforcement.refusals import DENIED
from sg_compliance.errors import AwsError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.exceptions import ClientError


@contextmanager
def storing(place: str, kms_key: str = "") -> Iterator[None]:
    """Raise what the SDK raises inside as a StoreError at the place: put nothing but calls of the SDK inside."""
    try:
        with explained():
            yield
    except AwsError as error:
        raise StoreError(f"{place}: {error}", hint=_hint(error, kms_key)) from error


def _hint(error: AwsError, kms_key: str) -> str:
    if error.code not in DENIED or not kms_key or kms_key in error.hint:
        return error.hint
    return (
        f"{error.hint}; what is kept here also needs kms:GenerateDataKey (to write), kms:Decrypt (to read) on {kms_key}"
    )


def code_of(error: ClientError) -> str:
    """AWS's code."""
    return str(error.response.get("Error", {}).get("Code", ""))
