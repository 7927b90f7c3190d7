"""Each way that a call to AWS can fail is told in words, with AWS's code and the next step."""

from __future__ import annotations

import pytest
from botocore import exceptions as sdk
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from sg_compliance.aws.failures import aws_error, explained, is_refusal, malformed
from sg_compliance.errors import AwsError

SCAN = "arn:aws:iam::222222222222:role/scan"


def refused(code: str, message: str = "no", operation: str = "DescribeSecurityGroups", retries: int = 0) -> ClientError:
    said = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"RetryAttempts": retries}}
    return ClientError(said, operation)  # type: ignore[arg-type]  # the rest of the metadata is not of interest


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("AccessDenied", f"allow ec2:DescribeSecurityGroups to {SCAN}"),
        ("UnauthorizedOperation", f"allow ec2:DescribeSecurityGroups to {SCAN}"),
        ("ExpiredToken", "log in again"),
        ("RequestExpired", "clock"),
        ("RequestLimitExceeded", "scan again later"),
        ("Throttling", "scan again later"),
        ("AuthFailure", "enable the region"),
        ("OptInRequired", "enable the region"),
        ("InvalidClientTokenId", "aws sts get-caller-identity"),
        ("InvalidPrefixListID.NotFound", "remove the rules that refer to it"),
        ("AWSOrganizationsNotInUseException", "without --org"),
        ("ParentNotFoundException", "--ou"),
        ("ServiceUnavailable", "try again later"),
        ("VpcEndpointOddity", "look up VpcEndpointOddity"),
        ("", "look up the message"),
    ],
)
def test_a_refusal_has_its_next_step(code: str, hint: str) -> None:
    error = aws_error(refused(code), SCAN)
    assert error.code == code
    assert hint in error.hint


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (sdk.NoCredentialsError(), "--profile"),
        (sdk.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), "--profile"),
        (sdk.ProfileNotFound(profile="prod"), "aws configure list-profiles"),
        (sdk.ConfigParseError(path="/etc/aws"), "mend the file"),
        (sdk.UnauthorizedSSOTokenError(), "aws sso login"),
        (sdk.TokenRetrievalError(provider="sso", error_msg="gone"), "aws sso login"),
        (sdk.CredentialRetrievalError(provider="process", error_msg="exit 1"), "log in again"),
        (sdk.MetadataRetrievalError(error_msg="timeout"), "the role that is attached"),
        (sdk.EndpointConnectionError(endpoint_url="https://ec2.eu-wset-1.amazonaws.com"), "the region's name"),
        (sdk.ConnectTimeoutError(endpoint_url="https://x"), "the network"),
        (sdk.ConnectionClosedError(endpoint_url="https://x"), "the network"),
        (sdk.ProxyConnectionError(proxy_url="http://x"), "the proxy"),
        (sdk.SSLError(endpoint_url="https://x", error=ValueError("self-signed")), "the proxy"),
        (sdk.ReadTimeoutError(endpoint_url="https://x"), "did not answer in time"),
        (sdk.InvalidRegionError(region_name="Europe/Dublin"), "--regions"),
        (sdk.NoRegionError(), "--regions"),
        (sdk.ParamValidationError(report="RoleSessionName"), "session name"),
        (sdk.PaginationError(message="The same next token was received twice"), "a proxy or an emulator"),
        (ResponseParserError("no XML"), "a proxy or an emulator"),
        (ValueError("invalid literal for int()"), "a proxy or an emulator"),
        (KeyError("GetCallerIdentityResult"), "a proxy or an emulator"),
    ],
)
def test_a_call_that_did_not_come_through_has_its_next_step(error: Exception, hint: str) -> None:
    explained_error = aws_error(error)
    assert str(explained_error)
    assert explained_error.code == type(error).__name__
    assert hint in explained_error.hint


def test_the_message_names_the_action_then_what_aws_said_and_its_code() -> None:
    assert str(aws_error(refused("RequestLimitExceeded", "Request limit exceeded.", retries=5))) == (
        "ec2:DescribeSecurityGroups: Request limit exceeded. (RequestLimitExceeded, after 6 attempts)"
    )


def test_a_refusal_without_a_text_still_says_something() -> None:
    assert str(aws_error(refused("AuthFailure", ""))) == "ec2:DescribeSecurityGroups: refused (AuthFailure)"


def test_the_encoded_part_of_a_denial_is_left_out() -> None:
    said = "You are not authorized to perform this operation. Encoded authorization failure message: Zk3h_aB-9 x"
    assert "Zk3h" not in str(aws_error(refused("UnauthorizedOperation", said)))


def test_who_is_denied_is_taken_from_aws_where_we_do_not_know() -> None:
    said = "User: arn:aws:iam::1:user/ada is not authorized to perform: ec2:DescribeRegions"
    assert aws_error(refused("AccessDenied", said)).hint.endswith("to arn:aws:iam::1:user/ada")
    assert aws_error(refused("AccessDenied")).hint.endswith("to the caller")


def test_a_role_that_cannot_be_assumed_is_told_with_trust_and_external_id() -> None:
    hint = aws_error(refused("AccessDenied", operation="AssumeRole"), SCAN).hint
    assert hint == f"check that {SCAN} exists, that its trust policy lets the caller in, and the external id"


@pytest.mark.parametrize("policy", ["service control policy", "resource control policy", "permissions boundary"])
def test_a_policy_above_the_role_is_named(policy: str) -> None:
    said = f"User: {SCAN} is not authorized to perform: ec2:DescribeRegions with an explicit deny in a {policy}"
    assert aws_error(refused("UnauthorizedOperation", said, "DescribeRegions"), SCAN).hint == (
        f"a {policy} denies it: let {SCAN} use ec2:DescribeRegions there, or leave the account or region out"
    )


def test_who_may_not_list_the_organisation_learns_from_where_to_scan() -> None:
    hint = aws_error(refused("AccessDeniedException", operation="ListAccounts"), SCAN).hint
    assert hint.startswith(f"allow organizations:ListAccounts to {SCAN} in the management account")
    assert "--accounts" in hint


def test_a_session_that_is_too_long_is_told_as_such() -> None:
    said = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    assert "shorter session" in aws_error(refused("ValidationError", said, "AssumeRole")).hint


def test_explained_raises_in_words_and_keeps_the_cause() -> None:
    with pytest.raises(AwsError) as caught, explained(SCAN):
        raise refused("AccessDenied")
    assert isinstance(caught.value.__cause__, ClientError)
    assert is_refusal(caught.value)


def test_explained_lets_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), explained():
        raise ZeroDivisionError


def test_a_lost_connection_and_an_odd_answer_are_no_refusal() -> None:
    with pytest.raises(AwsError) as caught, explained():
        raise sdk.EndpointConnectionError(endpoint_url="https://x")
    assert not is_refusal(caught.value)
    assert not is_refusal(malformed("ec2:DescribeRegions", "is empty"))
