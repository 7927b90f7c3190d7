"""What went wrong with AWS, in words, and what to do about it: the SDK's exceptions → AwsError. Pure functions.

A message names the call as the IAM action that it needs, then AWS's own text and code. The hint is the next step.
Where a call was made (account, region) is not repeated: who reports a failure knows the place.

Sources: EC2 API reference, "Error codes for the Amazon EC2 API"; STS and Organizations API references, "Common
Errors"; botocore's `exceptions.py`.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from botocore import exceptions as sdk
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from sg_compliance.enforcement.refusals import DENIED
from sg_compliance.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNREADABLE: Final = (ResponseParserError, KeyError, ValueError)
SDK_FAILURES: Final = (BotoCoreError, ClientError, TimeoutError, *_UNREADABLE)
"""All that a call can end in. botocore lets KeyError and ValueError through where an answer is not AWS's."""

EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_THROTTLED: Final = frozenset(
    {
        "EC2ThrottledException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_REGION_OFF: Final = frozenset({"AuthFailure", "OptInRequired", "RegionDisabledException"})
_BAD_KEYS: Final = frozenset(
    {
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_UNKNOWN_LIST: Final = frozenset({"InvalidPrefixListID.NotFound", "InvalidPrefixListId.NotFound"})
_KEY_UNUSABLE: Final = frozenset(
    {
        "InvalidKeyId",
        "KMS.DisabledException",
        "KMS.KMSInvalidStateException",
        "KMS.NotFoundException",
        "KMSDisabledException",
        "KMSInvalidStateException",
        "KMSNotFoundException",
    }
)
_UNKNOWN_QUEUE: Final = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_UNKNOWN_UNIT: Final = frozenset({"ParentNotFoundException", "InvalidInputException"})

_FAILED_INSIDE: Final = frozenset(
    {"InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable", "Unavailable", "500", "503"}
)

_TRY_LATER: Final = "try again later; if it stays, see https://health.aws.amazon.com"
_LOG_IN: Final = "log in again (aws sso login, or new keys), and check that this machine's clock is right"
_CHECK_KEYS: Final = "check the credentials and this machine's clock: aws sts get-caller-identity"
_HINTS_BY_CODE: Final[tuple[tuple[frozenset[str], str], ...]] = (
    (EXPIRED, _LOG_IN),
    (_THROTTLED, "AWS is slowing this account's calls down: scan again later, or fewer accounts and regions at once"),
    (_REGION_OFF, f"enable the region for this account or leave it out of --regions; if none works, {_CHECK_KEYS}"),
    (_BAD_KEYS, _CHECK_KEYS),
    (_UNKNOWN_LIST, "the list was deleted or is not shared any more: remove the rules that refer to it, or share it"),
    (frozenset({"AWSOrganizationsNotInUseException"}), "this account is in no organisation: scan without --org"),
    (_UNKNOWN_UNIT, "check the ids given with --ou: ou-…, or r-… for the root"),
    (_KEY_UNUSABLE, "check the KMS key: it is off, about to be deleted, not there, or in another region"),
    (
        frozenset({"InvalidGroup.NotFound", "InvalidGroupId.NotFound"}),
        "the group was deleted, or is in another account or region: nothing is left to be done about it",
    ),
    (frozenset({"NoSuchKey"}), "check the key of the object, and that it was put there"),
    (frozenset({"ParameterNotFound"}), "check the name and region of the parameter, and that it was deployed"),
    (frozenset({"NoSuchBucket"}), "check the name of the bucket, and that it was deployed"),
    (frozenset({"ResourceNotFoundException"}), "check the name and region of the table, and that it was deployed"),
    (_UNKNOWN_QUEUE, "check the URL and region of the queue, and that it was deployed"),
    (frozenset({"NotFound", "NotFoundException"}), "check the ARN and region of the topic, and that it was deployed"),
    (frozenset({"NoSuchEntity"}), "check the name and the account: there is no such user or role (any more)"),
    (
        frozenset({"UnmodifiableEntity"}),
        "AWS lets only the service that it belongs to change it: stop in that service what it does",
    ),
    (
        frozenset({"LimitExceeded"}),
        "its inline policies are full: make them shorter, or make one of them a managed policy, and block again",
    ),
    (_FAILED_INSIDE, _TRY_LATER),
)
_HINTS_BY_TYPE: Final[tuple[tuple[tuple[type[Exception], ...], str], ...]] = (
    (
        (sdk.NoCredentialsError, sdk.PartialCredentialsError),
        "log in (aws sso login), name a --profile, set AWS_ACCESS_KEY_ID …, or run where a role is attached",
    ),
    ((sdk.ProfileNotFound,), "see which profiles there are: aws configure list-profiles"),
    ((sdk.ConfigParseError,), "mend the file, or name another with AWS_CONFIG_FILE"),
    ((sdk.SSOError, sdk.TokenRetrievalError, sdk.CredentialRetrievalError), _LOG_IN),
    ((sdk.MetadataRetrievalError,), "check the role that is attached to this machine"),
    ((sdk.ReadTimeoutError, TimeoutError), "the endpoint took the call and did not answer in time: try again later"),
    (
        (sdk.ConnectionError, sdk.HTTPClientError),
        "check the region's name, the network, the proxy (HTTPS_PROXY), and --endpoint-url if it is given",
    ),
    ((sdk.InvalidRegionError, sdk.UnknownRegionError, sdk.NoRegionError), "check the names given with --regions"),
    ((sdk.ParamValidationError,), "check the role, its session name, and how long the session is to last"),
)
_NOT_AWS: Final = "this is no answer of AWS: see whether a proxy or an emulator answers in its place"

_SERVICES: Final = {
    "sts": frozenset({"AssumeRole", "GetCallerIdentity"}),
    "dynamodb": frozenset(
        {"BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query", "TransactWriteItems", "UpdateItem"}
    ),
    "s3": frozenset({"GetObject", "HeadBucket", "ListObjectsV2", "PutObject"}),
    "sns": frozenset({"Publish"}),
    "sqs": frozenset(
        {"ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage", "SendMessage"}
    ),
    "ssm": frozenset({"GetParameter", "PutParameter"}),
    "iam": frozenset(f"{verb}{kind}Policy" for verb in ("Delete", "Get", "Put") for kind in ("Role", "User")).union(
        {"GetRole", "GetUser"}
    ),
    "organizations": frozenset({"ListAccounts", "ListAccountsForParent", "ListOrganizationalUnitsForParent"}),
}
_IAM_ACTIONS: Final = {
    "HeadBucket": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "TransactWriteItems": "dynamodb:UpdateItem and dynamodb:PutItem and dynamodb:DeleteItem",
}
"""Of operations that are not named as what allows them (Service Authorization Reference)."""

_KMS_ACTION: Final = re.compile(r"\b(kms:[A-Za-z]+)")
_KMS_KEY: Final = re.compile(r"(arn:[\w-]+:kms:[\w-]*:\d*:[\w/-]+)")
_ENCODED: Final = re.compile(r"\s*Encoded authorization failure message: \S+")
_USER: Final = re.compile(r"\bUser: (arn:\S+)")
_RESOURCE: Final = re.compile(r"\bon resource: (arn:[^\s\"]+)")
_DENYING_POLICY: Final = re.compile(r"\b(service control policy|resource control policy|permissions boundary)")


@contextmanager
def explained(principal: str = "") -> Iterator[None]:
    """Raise what the SDK raises inside as an AwsError. `principal` is the ARN of who calls.

    Put nothing but calls of the SDK inside: a KeyError or ValueError counts as an answer that cannot be read.
    """
    try:
        yield
    except SDK_FAILURES as error:
        raise aws_error(error, principal) from error


def aws_error(error: Exception, principal: str = "") -> AwsError:
    """One of SDK_FAILURES in words."""
    if isinstance(error, ClientError):
        return _refused(error, principal)
    hints = (hint for types, hint in _HINTS_BY_TYPE if isinstance(error, types))
    first, _, others = str(error).partition("\n")  # below it a parser quotes the whole answer
    text = f"{first} {others}" if isinstance(error, sdk.ParamValidationError) else first
    if isinstance(error, _UNREADABLE) and not isinstance(error, BotoCoreError):
        text = f"an answer came that cannot be read: {text}"
    return AwsError(text, code=type(error).__name__, hint=next(hints, _NOT_AWS))


def malformed(action: str, problem: str) -> AwsError:
    """Say that an answer came that AWS would not give."""
    return AwsError(f"{action}: the answer {problem}", code="MalformedResponse", hint=_NOT_AWS)


def is_refusal(error: AwsError) -> bool:
    """Tell whether AWS answered and said no: to that call, where a lost connection would concern every call."""
    return isinstance(error.__cause__, ClientError)


def is_passing(error: AwsError) -> bool:
    """Tell whether the same call may well succeed later, nothing else being changed."""
    return not is_refusal(error) or error.code in _THROTTLED | _FAILED_INSIDE | EXPIRED


def _refused(error: ClientError, principal: str) -> AwsError:
    said = error.response.get("Error", {})
    code, text = said.get("Code", ""), _ENCODED.sub("", said.get("Message", "")).strip()
    action = _action(error.operation_name)
    times = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
    tried = f", after {times + 1} attempts" if times else ""
    hint = _denied_hint(error.operation_name, text, principal) if code in DENIED else _coded_hint(code, text)
    return AwsError(f"{action}: {text or 'refused'} ({code}{tried})", code=code, hint=hint)


def _action(operation: str) -> str:
    if operation in _IAM_ACTIONS:
        return _IAM_ACTIONS[operation]
    service = next((service for service, operations in _SERVICES.items() if operation in operations), "ec2")
    return f"{service}:{operation}"


def _coded_hint(code: str, text: str) -> str:
    if "DurationSeconds" in text:  # STS: more than the role's MaxSessionDuration, or than an hour in a chain of roles
        return "ask for a shorter session, or raise the role's maximum session duration"
    hints = (hint for codes, hint in _HINTS_BY_CODE if code in codes)
    return next(hints, f"look up {code or 'the message'} in the API reference of the service")


def _denied_hint(operation: str, text: str, principal: str) -> str:
    action, user = _action(operation), _found(_USER, text)
    if operation == "AssumeRole":
        role, caller = _found(_RESOURCE, text) or principal or "the role", user or "the caller"
        return f"check that {role} exists, that its trust policy lets {caller} in, and the external id"
    who = principal or user or "the caller"
    policy = _found(_DENYING_POLICY, text)
    if policy:
        return f"a {policy} denies it: let {who} use {action} there, or leave the account or region out"
    kms = _found(_KMS_ACTION, text)
    if kms:
        key = _found(_KMS_KEY, text) or "the key"
        return f"allow {kms} on {key} to {who}, in its own policies and in the policy of the key"
    if action.startswith("s3:"):
        return f"allow {action} to {who}, in its own policies and in the policy of the bucket"
    if action.startswith("organizations:"):
        return (
            f"allow {action} to {who} in the management account or a delegated administrator, or name the accounts "
            "to scan with --accounts"
        )
    return f"allow {action} to {who}"


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1] if match else ""
