"""The Containment socket on IAM: an inline deny policy on a user or a role of a member account, by a role of its own.

IAM is one service for all regions of a partition, asked where the SDK has its endpoint (AWS general reference, IAM
endpoints). It is eventually consistent: what was written may be shown a moment later (IAM user guide, troubleshooting).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from sg_compliance.aws.failures import explained, malformed
from sg_compliance.aws.stores import code_of
from sg_compliance.model.block import TargetKind
from sg_compliance.realtime.containment import named
from sg_compliance.realtime.deny_policy import POLICY_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sg_compliance.aws.session import Sessions
    from sg_compliance.model.block import Target

IAM_ACTIONS: Final = frozenset(
    {
        "iam:DeleteRolePolicy",
        "iam:DeleteUserPolicy",
        "iam:GetRole",
        "iam:GetRolePolicy",
        "iam:GetUser",
        "iam:GetUserPolicy",
        "iam:PutRolePolicy",
        "iam:PutUserPolicy",
    }
)

_GONE: Final = "NoSuchEntity"
_HOMES: Final = {"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
_HOME: Final = "us-east-1"


class IamContainment:
    """Acts with the sessions' role in the target's account. Calls: 1 each."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def identify(self, target: Target) -> Target:
        """The user or role as IAM has it. Raises AwsError."""
        kind = _kind(target)
        answer = self._ask(target, f"get_{target.kind}")
        found = named(str(answer.get(kind, {}).get("Arn")))
        if found is None or found.block_id != target.block_id:
            raise malformed(f"iam:Get{kind}", f"is not about {target.kind} {target.name}")
        return found

    def deny(self, target: Target, document: Mapping[str, Any]) -> None:
        """Put the policy there. Raises AwsError."""
        self._ask(target, f"put_{target.kind}_policy", PolicyName=POLICY_NAME, PolicyDocument=json.dumps(document))

    def release(self, target: Target) -> None:
        """Take the policy away, if it is there. Raises AwsError."""
        self._ask(target, f"delete_{target.kind}_policy", gone_is_fine=True, PolicyName=POLICY_NAME)

    def denied(self, target: Target) -> Mapping[str, Any] | None:
        """The policy that stands there: the SDK reads its JSON, and leaves as text what is none. Raises AwsError."""
        answer = self._ask(target, f"get_{target.kind}_policy", gone_is_fine=True, PolicyName=POLICY_NAME)
        if not answer:
            return None
        document = answer.get("PolicyDocument")
        return document if isinstance(document, dict) else {}

    def _ask(self, target: Target, call: str, *, gone_is_fine: bool = False, **given: str) -> dict[str, Any]:
        """Make the call. Empty where the policy, the user or the role is not there, and that is fine."""
        region = _HOMES.get(target.partition, _HOME)
        client: Any = self._sessions.client("iam", IAM_ACTIONS, region, target.account_id)
        with explained(self._sessions.enter(target.account_id)):
            try:
                answer: dict[str, Any] = getattr(client, call)(**{f"{_kind(target)}Name": target.name}, **given)
            except ClientError as error:
                if gone_is_fine and code_of(error) == _GONE:
                    return {}
                raise
        return answer


def _kind(target: Target) -> str:
    """As it is called in the names of parameters."""
    return "User" if target.kind is TargetKind.USER else "Role"
