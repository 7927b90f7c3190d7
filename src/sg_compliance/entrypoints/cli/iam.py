"""`iam`: the policies of the roles that the tool needs, for those who make roles by hand."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from sg_compliance.bootstrap.iam_documents import LAMBDA, RoleKind
from sg_compliance.entrypoints.cli import options, upkeep

POLICY_EXAMPLES: Final = """Examples:

sg-compliance iam policy --role scan > scan.json

aws iam put-role-policy --role-name sg-compliance-scan --policy-name what-it-needs --policy-document file://scan.json

sg-compliance iam policy --role remediate --account 111122223333 > remediate.json

sg-compliance iam policy --role contain --break-glass "break-glass*" --break-glass auditor

sg-compliance iam policy --role caller --enter scan --enter remediate --org"""
TRUST_EXAMPLES: Final = """Examples:

sg-compliance iam trust --principal arn:aws:iam::123456789012:role/audit --external-id "$EXTERNAL_ID" > trust.json

aws iam create-role --role-name sg-compliance-scan --assume-role-policy-document file://trust.json

sg-compliance iam trust --principal 123456789012 --external-id "$EXTERNAL_ID" --organization-id o-a1b2c3d4e5

sg-compliance iam trust --principal lambda.amazonaws.com"""

_NAME_PREFIX: Final = re.compile(r"[\w+=,.@-]{1,54}", re.ASCII)
_BREAK_GLASS: Final = re.compile(r"[\w+=.@*?-]*[a-zA-Z0-9][\w+=.@*?-]*", re.ASCII)
_EXTERNAL_ID: Final = re.compile(r"[\w+=,.@:/-]{16,256}", re.ASCII)
_ORGANISATION: Final = re.compile(r"o-[a-z0-9]{10,32}", re.ASCII)

app = upkeep.commands("Print the IAM policies of the roles that the tool needs, to make them by hand.")


class Partition(StrEnum):
    """AWS's partitions: what stands second in an ARN (botocore, endpoints)."""

    AWS = "aws"
    CHINA = "aws-cn"
    GOVERNMENT = "aws-us-gov"
    EUROPE = "aws-eusc"
    ISO = "aws-iso"
    ISO_B = "aws-iso-b"
    ISO_E = "aws-iso-e"
    ISO_F = "aws-iso-f"


class Format(StrEnum):
    """How a policy is written. The AWS CLI takes both."""

    JSON = "json"
    COMPACT = "compact"


def _accounts(values: list[str] | None) -> list[str]:
    return [options.account_id(each) for value in values or () for each in value.split(",")]


def _matching(pattern: re.Pattern[str], expected: str) -> Any:  # noqa: ANN401  typer's callbacks have no type of their own
    """A callback that takes what matches, in an option that is given."""

    def check(value: list[str] | str | None) -> list[str] | str | None:
        for each in [value] if isinstance(value, str) else value or ():
            if not pattern.fullmatch(each):
                raise typer.BadParameter(f"{each!r} is not {expected}")
        return value

    return check


PartitionOption = Annotated[Partition, typer.Option("--partition", help="The partition, as it stands in ARNs.")]
FormatOption = Annotated[Format, typer.Option("--format", help="With line breaks, or all in one line.")]
OrganizationId = Annotated[
    str | None,
    typer.Option(
        "--organization-id",
        metavar="ID",
        callback=_matching(_ORGANISATION, "the id of an organisation: write it like o-a1b2c3d4e5"),
        help="Only within this organisation, whatever else the policy says.",
    ),
]


@app.command("policy", epilog=POLICY_EXAMPLES)
def policy(
    role: Annotated[RoleKind, typer.Option("--role", help="What the role is for; caller is who runs the command.")],
    accounts: Annotated[
        list[str] | None,
        typer.Option(
            "--account",
            "--accounts",
            metavar="ID",
            callback=_accounts,
            help="The account it is made in, or enters. Can be repeated. Else the policy fits any.",
        ),
    ] = None,
    partition: PartitionOption = Partition.AWS,
    format_: FormatOption = Format.JSON,
    name_prefix: Annotated[
        str,
        typer.Option(
            "--name-prefix",
            metavar="TEXT",
            callback=_matching(_NAME_PREFIX, "the beginning of a role's name, as IAM allows it"),
            help="How names of our roles begin: contain never blocks them, caller enters them.",
        ),
    ] = "sg-compliance",
    break_glass: Annotated[
        list[str] | None,
        typer.Option(
            "--break-glass",
            metavar="NAME",
            callback=_matching(_BREAK_GLASS, "the name of a user or role, with * and ?, and not its ARN"),
            help="Of contain: a user or role that IAM denies to be blocked, with * and ?. Can be repeated. "
            "Else break-glass*.",
        ),
    ] = None,
    change_protected_groups: Annotated[
        bool,
        typer.Option("--change-protected-groups", help="Of remediate: allow to change groups after `unprotect`."),
    ] = False,
    enter: Annotated[
        list[RoleKind] | None,
        typer.Option(
            "--enter",
            metavar="ROLE",
            help="Of caller: a role that it assumes in the accounts: scan, remediate, contain. Can be repeated. "
            "Else scan.",
        ),
    ] = None,
    org: Annotated[bool, typer.Option("--org", help="Of caller: ask which accounts the organisation has.")] = False,
    organization_id: OrganizationId = None,
) -> None:
    """Print what a role may do: the actions that the tool calls, on what it calls them.

    Readers may see everything and change nothing. Who remediates may change rules and tags of security groups, but of
    none that is tagged sg-compliance:protect=true. Nothing is asked of AWS.
    """
    from sg_compliance.bootstrap.iam_documents import Scope, permissions

    _check_use(role, {"--break-glass": break_glass}, RoleKind.CONTAIN)
    _check_use(role, {"--change-protected-groups": change_protected_groups}, RoleKind.REMEDIATE)
    _check_use(role, {"--enter": enter, "--org": org, "--organization-id": organization_id}, RoleKind.CALLER)
    if RoleKind.CALLER in (enter or ()):
        raise typer.BadParameter("caller is who enters: give scan, remediate or contain", param_hint="--enter")
    scope = Scope(
        accounts=tuple(dict.fromkeys(accounts or ())),
        partition=partition.value,
        name_prefix=name_prefix,
        break_glass=tuple(break_glass or Scope().break_glass),
        change_protected_groups=change_protected_groups,
        entered=tuple(dict.fromkeys(enter or Scope().entered)),
        organisation=org,
        organisation_id=organization_id or "",
    )
    _write(permissions(role, scope), format_)


def _check_use(role: RoleKind, given: dict[str, object], meant: RoleKind) -> None:
    """An option of another role would be dropped in silence."""
    for name, value in given.items():
        if value and role is not meant:
            raise typer.BadParameter(f"is for --role {meant}, and this is {role}", param_hint=name)


@app.command("trust", epilog=TRUST_EXAMPLES)
def trust(
    principals: Annotated[
        list[str],
        typer.Option(
            "--principal",
            metavar="WHO",
            help="Who may assume the role: the ARN of a role or user, the id of an account, or lambda.amazonaws.com "
            "for a function's own role. Can be repeated.",
        ),
    ],
    external_id: Annotated[
        str | None,
        typer.Option(
            "--external-id",
            metavar="ID",
            help="External id that they have to give. Needed, but for a function's own role.",
        ),
    ] = None,
    organization_id: OrganizationId = None,
    partition: PartitionOption = Partition.AWS,
    format_: FormatOption = Format.JSON,
) -> None:
    """Print who may assume a role, and how: its trust policy. The same for scan, remediate and contain.

    --partition is that of accounts given by their ids. Nothing is asked of AWS.
    """
    from sg_compliance.bootstrap import iam_documents

    if LAMBDA in principals:
        if principals != [LAMBDA] or external_id is not None or organization_id:
            message = f"{LAMBDA} stands alone: a role is a function's own, or is assumed with an external id"
            raise typer.BadParameter(message, param_hint="--principal")
        return _write(iam_documents.trust_of_lambda(), format_)
    if not _EXTERNAL_ID.fullmatch(external_id or ""):
        message = "expected 16 to 256 letters, digits and _+=,.@:/-; make one with: openssl rand -hex 24"
        raise typer.BadParameter(message, param_hint="--external-id")
    _write(iam_documents.trust(principals, external_id or "", organization_id or "", partition.value), format_)
    return None


def _write(document: dict[str, Any], format_: Format) -> None:
    from sg_compliance.entrypoints.cli.terminal import write_text

    if format_ is Format.COMPACT:
        write_text([json.dumps(document, separators=(",", ":")), "\n"])
    else:
        upkeep.write_json(document)
