"""The pause switch as an SSM parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from sg_compliance.aws.stores import code_of, storing

if TYPE_CHECKING:
    from sg_compliance.aws.session import Sessions

IAM_ACTIONS: Final = frozenset({"ssm:GetParameter", "ssm:PutParameter"})

_EMPTY: Final = "{}"
"""A parameter cannot hold the empty text (Systems Manager API reference, PutParameter, Value)."""


class SsmSwitch:
    """The Switch socket on a parameter of type String, 4 KB at most. Calls: read 1, write 1. Raises StoreError."""

    def __init__(self, sessions: Sessions, name: str, region: str = "") -> None:
        self._sessions = sessions
        self._name = name
        self._region = region

    def read(self) -> str:
        """The text; empty where there is no such parameter."""
        with storing(f"parameter {self._name}"):
            try:
                answer = self._client().get_parameter(Name=self._name)
                text = str(answer["Parameter"]["Value"])
            except ClientError as error:
                if code_of(error) != "ParameterNotFound":
                    raise
                return ""
        return "" if text == _EMPTY else text

    def write(self, text: str) -> None:
        """Set the text."""
        with storing(f"parameter {self._name}"):
            self._client().put_parameter(Name=self._name, Value=text or _EMPTY, Type="String", Overwrite=True)

    def _client(self) -> Any:  # noqa: ANN401  SDK clients have no types of their own
        return self._sessions.client("ssm", IAM_ACTIONS, self._region)
