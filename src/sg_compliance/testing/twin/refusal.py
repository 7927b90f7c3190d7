"""What the twin says when it refuses: AWS's error codes, in AWS's words where they are known.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from __future__ import annotations


class TwinError(Exception):
    """A call that AWS would refuse. `code` is AWS's error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message


def invalid(message: str) -> TwinError:
    """A parameter has a value that AWS does not take."""
    return TwinError("InvalidParameterValue", message)


def missing(parameter: str) -> TwinError:
    """A parameter is not there."""
    return TwinError("MissingParameter", f"The request must contain the parameter {parameter}")


def no_source() -> TwinError:
    """A rule has no peer."""
    message = "Missing source specification: include source security group or CIDR information"
    return TwinError("MissingParameter", message)


def not_together(first: str, second: str) -> TwinError:
    """Two parameters exclude each other."""
    message = f"The parameter {first} cannot be used with the parameter {second}"
    return TwinError("InvalidParameterCombination", message)


def no_such_group(group: str) -> TwinError:
    """The group does not exist, for this account."""
    return TwinError("InvalidGroup.NotFound", f"The security group '{group}' does not exist")


def malformed_group_id(text: str) -> TwinError:
    """The text is no id of a group."""
    return TwinError("InvalidGroupId.Malformed", f'Invalid id: "{text}" (expecting "sg-...")')


def no_such_rule(rule_id: str) -> TwinError:
    """No rule has this id, in this group and direction."""
    message = f"The security group rule ID '{rule_id}' does not exist"
    return TwinError("InvalidSecurityGroupRuleId.NotFound", message)


def no_such_permission() -> TwinError:
    """No rule has these properties."""
    return TwinError("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")


def no_such_prefix_list(prefix_list_id: str) -> TwinError:
    """The account does not see this prefix list."""
    return TwinError("InvalidPrefixListID.NotFound", f"The prefix list ID '{prefix_list_id}' does not exist")


def duplicate(rule: str) -> TwinError:
    """The group has this rule, or would have it twice."""
    return TwinError("InvalidPermission.Duplicate", f'the specified rule "{rule}" already exists')
