"""Who can be blocked: a principal of an event, or an ARN that a person gives → the user or role, or why it cannot be.

Never blocked are Root, AWS's services and the roles that are AWS's to change, our own roles, who blocks, and the
break-glass list. Whatever is not certainly an IAM user or role of an account of ours is refused, too.

An ARN of a session does not hold the path of its role: look at `refusal` once more with the ARN that IAM gives.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.model.block import Target, TargetKind
from sg_compliance.model.visible import visible
from sg_compliance.policy.automation import check_pattern, names_of, naming
from sg_compliance.realtime.principals import Ours

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.realtime.principals import Principal

_HEAD: Final = r"arn:(aws[a-z-]{0,20}):(iam|sts)::([0-9]{12}):"
_IDENTITY: Final = re.compile(rf"{_HEAD}(user|role)(/(?:[\x21-\x7e]{{0,510}}/)?)([\w+=,.@-]{{1,64}})", re.ASCII)
_SESSION: Final = re.compile(rf"{_HEAD}assumed-role/([\w+=,.@-]{{1,64}})(?:/[\w+=,.@-]{{1,64}})?", re.ASCII)
_ROOT: Final = re.compile(rf"{_HEAD}root", re.ASCII)
_FEDERATED: Final = re.compile(rf"{_HEAD}federated-user/.{{1,200}}", re.ASCII)
_ARN_PATTERN: Final = re.compile(
    r"arn:[a-z*?-]+:(?P<service>iam|sts)::(?:[0-9]{12}|[0-9]*[*?][0-9*?]*):(?P<resource>[^:]+)", re.ASCII
)
_LONGEST_SHOWN: Final = 200
_LONGEST_NAME: Final = 64

_SERVICE_PATH: Final = "/aws-service-role/"
_SERVICE_NAME: Final = "AWSServiceRoleFor"
_SSO_PATH: Final = "/aws-reserved/"
_SSO_NAME: Final = "AWSReservedSSO_"


class Refusal(NamedTuple):
    """Why somebody is not blocked, and what to do instead."""

    reason: str
    instead: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """Who is out of bounds. `break_glass`: ARNs, or names of users and roles, with * and ? as in `x_automation`.

    `caller`: the ARN of who blocks. `ours.accounts` None: every account.
    """

    ours: Ours = field(default_factory=Ours)
    break_glass: tuple[str, ...] = ()
    caller: str = ""


def target_of(who: Principal, bounds: Bounds) -> Target | Refusal:
    """The user or role behind the principal of an event."""
    special = _by_type(who)
    if special:
        return special
    if who.type == "IAMUser":
        return target_of_arn(who.arn, bounds)
    if who.type != "AssumedRole":
        said = f"{_shown(who.type)} is no kind of principal that is known here to have policies of its own"
        return Refusal(said, "find out what it acts through: an SCP, or the trust policy of a role, may stop it")
    found = named(who.arn)
    issuer = named(who.session_issuer) if who.session_issuer else found
    if found is None or issuer is None or issuer.kind is not TargetKind.ROLE or found.block_id != issuer.block_id:
        said = f"the event says both {_shown(who.arn)} and {_shown(who.session_issuer)}: it is not certain who it was"
        return Refusal(said, "look at the event in CloudTrail, then name the role: sg-compliance block ARN")
    return _unless_refused(issuer if issuer.path else found, bounds)


def target_of_arn(arn: str, bounds: Bounds) -> Target | Refusal:
    """The user or role that an ARN names; of a session, its role."""
    arn = arn.strip()
    special = no_target(arn)
    if special:
        return special
    found = named(arn)
    if found is None:
        hint = "write it like arn:aws:iam::111122223333:user/NAME, or copy the one of an event or a session"
        return Refusal(f"{_shown(arn)!r} is the ARN of no user, role or session", hint)
    return _unless_refused(found, bounds)


def named(arn: str) -> Target | None:
    """The user or role that an ARN names, whether it may be blocked or not."""
    identity, session = _IDENTITY.fullmatch(arn), _SESSION.fullmatch(arn)
    if identity and identity[2] == "iam":
        partition, _, account, kind, path, name = identity.groups()
        return Target(partition, account, TargetKind(kind), name, path)
    if session and session[2] == "sts":
        return Target(session[1], session[3], TargetKind.ROLE, session[4])
    return None


def no_target(arn: str) -> Refusal | None:
    """Why nobody is ever blocked under this ARN: root and federated users have no policies of their own."""
    if _ROOT.fullmatch(arn):
        return _root(arn)
    return _federated(arn, "") if _FEDERATED.fullmatch(arn) else None


def elsewhere(target: Target, caller: str) -> Refusal | None:
    """Partitions of AWS know nothing of each other: no credentials of one are taken in another (IAM, ARNs)."""
    here = caller.split(":")[1] if caller.startswith("arn:") else target.partition
    if target.partition == here:
        return None
    said = f"{_shown(target.arn)} is of the partition {target.partition}, and who runs this is of {here}"
    return Refusal(said, f"use credentials of {target.partition} (--profile), or write the ARN with arn:{here}:")


def check_names_somebody(pattern: str) -> str:
    """A pattern of the break-glass list, which has to be able to name a user or a role. Raises ValueError."""
    check_pattern(pattern)
    arn = _ARN_PATTERN.fullmatch(pattern)
    if not arn and (":" in pattern or pattern.startswith("arn")):
        message = "an ARN is written like arn:aws:iam::111122223333:user/NAME, with * for what varies"
        raise ValueError(message)
    resource = arn["resource"] if arn else pattern
    kind, slash, name = resource.partition("/")
    kinds = ("assumed-role",) if arn and arn["service"] == "sts" else ("user", "role")
    if (arn or slash) and not (name and naming([kind], kinds)):
        message = "it names neither a user nor a role: write user/NAME, role/NAME, the name alone, or an ARN"
        raise ValueError(message)
    if "assumed-role" in kinds and "/" in name:
        message = "it names one session, and a role is blocked with all of its sessions: name the role"
        raise ValueError(message)
    if len(resource.rpartition("/")[2]) > _LONGEST_NAME:
        message = f"no name of a user or role has more than {_LONGEST_NAME} characters"
        raise ValueError(message)
    return pattern


def refusal(target: Target, bounds: Bounds) -> Refusal | None:
    """Why the user or role is not to be blocked; None where nothing speaks against it."""
    foreign = elsewhere(target, bounds.caller)
    if foreign:
        return foreign
    accounts, who = bounds.ours.accounts, f"{target.kind} {target.name} of {target.account_id}"
    if accounts is not None and target.account_id not in accounts:
        said = f"{who} is in none of the accounts that this tool answers for"
        return Refusal(
            said, "take it out of the trust policy of the role that it uses in your account, or tell its owner"
        )
    if target.kind is TargetKind.ROLE:
        role = _special_role(target, who, bounds)
        if role:
            return role
    if _is_caller(target, bounds.caller):
        return Refusal(f"{who} is who runs this: it would lock itself out", "let somebody else block it")
    pattern = naming(bounds.break_glass, _names(target), in_any_case=True)
    if pattern:
        said = f"{who} is on the break-glass list ({pattern})"
        return Refusal(said, "see who uses it; if it is not who should, take its keys or its trust policy away by hand")
    return None


def _unless_refused(target: Target, bounds: Bounds) -> Target | Refusal:
    return refusal(target, bounds) or target


def _special_role(target: Target, who: str, bounds: Bounds) -> Refusal | None:
    """Roles that AWS does not let anybody change (IAM user guide, service-linked roles; Identity Center), and ours."""
    if target.path.startswith(_SERVICE_PATH) or target.name.startswith(_SERVICE_NAME):
        said = f"{who} is the service-linked role of an AWS service, which only that service can change"
        return Refusal(said, "stop what the service does on your behalf, in that service")
    if target.path.startswith(_SSO_PATH) or target.name.startswith(_SSO_NAME):
        said = f"{who} is made by IAM Identity Center, and IAM refuses to change its policies"
        return Refusal(
            said,
            "disable the person in IAM Identity Center and delete their sessions there; what was handed out already "
            "lasts until it expires: deny it in the permission set's inline policy or an SCP, by aws:TokenIssueTime",
        )
    if bounds.ours.owns(target.account_id, target.name):
        said = f"{who} is a role of this tool: blocked, it could neither protect nor undo anything"
        return Refusal(said, "if somebody else uses it, mend its trust policy and its external id")
    return None


def _is_caller(target: Target, caller: str) -> bool:
    who = named(caller)
    return who is not None and who.block_id == target.block_id


def _names(target: Target) -> Iterator[str]:
    """By what a break-glass pattern may name it: too many rather than one too few."""
    yield from names_of(target.arn)
    yield from (target.name, f"{target.kind}/{target.name}", f"{target.kind}{target.path or '/'}{target.name}")
    yield f"arn:{target.partition}:iam::{target.account_id}:{target.kind}/{target.name}"
    if target.kind is TargetKind.ROLE:
        yield f"arn:{target.partition}:sts::{target.account_id}:assumed-role/{target.name}"


def _by_type(who: Principal) -> Refusal | None:
    if who.is_root or who.type == "Root":
        return _root(who.arn)
    if who.type == "FederatedUser":
        return _federated(who.arn, who.session_issuer)
    if who.type == "AWSService":
        said = f"{_shown(who.invoked_by or who.name)} is a service of AWS, and no user or role"
        return Refusal(said, "see for whom it acts: the call that set it going is in CloudTrail")
    if who.type == "AWSAccount":
        said = f"only the account {_shown(who.account or who.name)} is known, not who it was in there"
        return Refusal(said, "take that account out of what trusts it: bucket and key policies, roles, shares")
    if who.type in {"IdentityCenterUser", "SAMLUser", "WebIdentityUser"}:
        said = f"{_shown(who.name or who.type)} has no user or role of its own in IAM: it is known elsewhere"
        return Refusal(said, "disable it where it logs in, and block the role that it uses: sg-compliance block ARN")
    return None


def _root(arn: str) -> Refusal:
    said = f"{_shown(arn) or 'Root'} is the root of its account: no policy of that account holds for it"
    return Refusal(
        said, "change its password, delete its access keys, and deny root with an SCP (which does hold for it)"
    )


def _federated(arn: str, issuer: str) -> Refusal:
    """What a federated user may do is bounded by the user who asked for its token (STS, GetFederationToken)."""
    said = f"{_shown(arn)} is a federated user, which has no policies of its own"
    user = named(issuer)
    if user is not None:
        return Refusal(said, f"block the user who got its token, which binds it too: sg-compliance block {user.arn}")
    return Refusal(
        said, "find in CloudTrail who called GetFederationToken, and block that user: sg-compliance block ARN"
    )


def _shown(text: str) -> str:
    return visible(text[:_LONGEST_SHOWN])
