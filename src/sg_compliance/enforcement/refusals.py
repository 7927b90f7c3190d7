"""AWS's error codes by what they mean for a change (EC2 API reference, "Error codes for the Amazon EC2 API")."""

from __future__ import annotations

from typing import Final

GONE: Final = frozenset({"InvalidGroup.NotFound", "InvalidGroupId.NotFound"})
"""The group itself is not there; or, where rules are added, a group that they refer to."""

OUTDATED: Final = frozenset(
    {
        "InvalidPermission.Duplicate",
        "InvalidPermission.NotFound",
        "InvalidSecurityGroupRuleId.NotFound",
        "InvalidSecurityGroupRule.NotFound",
    }
)
"""The group is not as it was read: read again. An answer that was lost ends like this too, for the SDK tries again."""

UNRESTORABLE: Final = frozenset(
    {
        *GONE,
        "InvalidParameterValue",
        "InvalidPermission.Malformed",
        "InvalidPrefixListID.NotFound",
        "InvalidPrefixListId.NotFound",
        "RulesPerSecurityGroupLimitExceeded",
        "InvalidVpcPeeringConnectionID.NotFound",
        "InvalidSecurityGroupID.NotFound",
    }
)
"""AWS will not have the rule, and not for a reason that passes by itself."""

NOT_TAGGED: Final = frozenset(
    {
        "InvalidID",
        "InvalidParameterValue",
        "InvalidTag",
        "InvalidTagKey.Malformed",
        "TagLimitExceeded",
        "TagPolicyViolation",
        "TagPolicyViolationException",
    }
)
"""AWS will not have the tags, and not for a reason that passes by itself."""

DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "KMSAccessDeniedException",
        "UnauthorizedOperation",
    }
)
"""The caller may not; somebody can change that."""

IN_FLUX: Final = "InFlux"
"""Not AWS's code: two answers of AWS about one group differ."""

LIMIT: Final = "RulesPerSecurityGroupLimitExceeded"
