"""moto's EC2 with the twin's security groups: AWS's rules over HTTP, everything around them moto's.

`responses_of` gives moto's EC2 with the operations on groups, their rules and their tags answered by a twin, and what
refers to a prefix list. Answers are put into EC2's XML by moto; changing calls are kept in a trail where there is one.

Not routed: DescribeTags, and what moto asks its own groups for, such as RunInstances. VPCs, prefix lists and interfaces
that a client makes are moto's, and the twin does not know them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores
from moto.ec2.responses import EC2Response
from werkzeug.exceptions import HTTPException

from sg_compliance.testing.moto_trail import answered, caller_of
from sg_compliance.testing.twin import Twin, TwinError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sg_compliance.testing.moto_trail import MotoTrail

_ROUTED: Final = (
    "AuthorizeSecurityGroupEgress",
    "AuthorizeSecurityGroupIngress",
    "CreateSecurityGroup",
    "DeleteSecurityGroup",
    "DescribeSecurityGroupRules",
    "DescribeSecurityGroups",
    "GetManagedPrefixListAssociations",
    "ModifySecurityGroupRules",
    "RevokeSecurityGroupEgress",
    "RevokeSecurityGroupIngress",
    "UpdateSecurityGroupRuleDescriptionsEgress",
    "UpdateSecurityGroupRuleDescriptionsIngress",
)
_TAGGED_BY_THE_TWIN: Final = ("sg-", "sgr-")


class TwinResponses(EC2Response):
    """One request to moto's EC2. `twin` and `trail` are set by `responses_of`."""

    twin: Twin
    trail: MotoTrail | None = None

    def asked(self, operation: str, params: dict[str, Any]) -> ActionResult:
        """Give the twin's answer, or raise its refusal as EC2 sends it."""
        try:
            answer = self.twin.call(self.current_account, self.region, operation, params)
        except TwinError as error:
            self._keep(operation, params, {}, error)
            raise RefusedError(error) from error
        self._keep(operation, params, answer)
        return ActionResult(answer)

    def _keep(self, operation: str, params: dict[str, Any], answer: dict[str, Any], *refusal: TwinError) -> None:
        if self.trail:
            place = self.current_account, self.region
            caller = caller_of(*place, self.access_key, self.headers)
            self.trail.keep(caller, answered(place, operation, params, answer, *refusal))

    def create_tags(self) -> ActionResult:
        """Tag groups and rules in the twin, all else in moto."""
        return self._tagged("CreateTags", super().create_tags)

    def delete_tags(self) -> ActionResult:
        """Delete tags of groups and rules in the twin, all others in moto."""
        return self._tagged("DeleteTags", super().delete_tags)

    def _tagged(self, operation: str, in_moto: Callable[[], ActionResult]) -> ActionResult:
        params = self._get_params()
        resources = params["Resources"]
        own = [each for each in resources if each.startswith(_TAGGED_BY_THE_TWIN)]
        params["Resources"] = [each for each in resources if each not in own]
        answer = self.asked(operation, {**params, "Resources": own}) if own else None
        return answer if answer and not params["Resources"] else in_moto()


def responses_of(twin: Twin, trail: MotoTrail | None = None) -> type[TwinResponses]:
    """Make moto's EC2 with this twin's security groups; changes to them are kept in the trail."""
    routed = {camelcase_to_underscores(operation): _routed(operation) for operation in _ROUTED}
    return type("TwinResponses", (TwinResponses,), {"twin": twin, "trail": trail, **routed})


def _routed(operation: str) -> Callable[[TwinResponses], ActionResult]:
    def handle(request: TwinResponses) -> ActionResult:
        return request.asked(operation, dict(request._get_params()))  # noqa: SLF001  moto's way to its parameters

    return handle


class RefusedError(HTTPException):
    """A refusal as EC2 sends it: 503 for throttling, else 400."""

    def __init__(self, error: TwinError) -> None:
        super().__init__(
            f"<Response><Errors><Error><Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
            "</Error></Errors><RequestID>twin</RequestID></Response>"
        )
        self.code = 503 if error.code == "RequestLimitExceeded" else 400

    def get_headers(self, *_: object, **__: object) -> list[tuple[str, str]]:
        """Say that the body is XML."""
        return [("Content-Type", "text/xml")]
