"""What can go wrong on the way to AWS, as data: a test says which call fails, is lost, or is watched.

A fault names its calls by `call` (the number among all calls, from 1), by `operation`, and by `nth` (the number among
the calls of that operation); what is not named matches every call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sg_compliance.testing.twin.refusal import TwinError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sg_compliance.testing.twin.calls import Call


@dataclass(frozen=True, slots=True)
class When:
    """Which calls a fault is for."""

    call: int | None = None
    operation: str | None = None
    nth: int | None = None

    def matches(self, call: Call) -> bool:
        """Tell whether it is this call."""
        return (
            self.call in {None, call.number}
            and self.operation in {None, call.operation}
            and self.nth in {None, call.nth}
        )


class Faults:
    """The faults of one twin. `lag`: describes show the groups as they were so many seconds ago, up to 900."""

    def __init__(self) -> None:
        self.lag = 0.0
        self._denied: set[str] = set()
        self._expired_from: int | None = None
        self._before: list[tuple[When, Callable[[Call], None]]] = []
        self._after: list[tuple[When, Callable[[Call], None]]] = []

    def fail(self, code: str, *, call: int | None = None, operation: str | None = None, nth: int | None = None) -> None:
        """Refuse the call with this error code, before it takes effect."""

        def refuse(_: Call) -> None:
            raise TwinError(code, f"The twin was asked to refuse this call with {code}")

        self._before.append((When(call, operation, nth), refuse))

    def lose_response(self, *, call: int | None = None, operation: str | None = None, nth: int | None = None) -> None:
        """Let the call take effect, and its caller see a TimeoutError."""

        def lose(_: Call) -> None:
            raise TimeoutError("the response was lost: whether the call took effect is not known")

        self._after.append((When(call, operation, nth), lose))

    def before(
        self,
        hook: Callable[[Call], None],
        *,
        call: int | None = None,
        operation: str | None = None,
        nth: int | None = None,
    ) -> None:
        """Run the hook before the call takes effect. What it raises reaches the caller; it may call the twin itself."""
        self._before.append((When(call, operation, nth), hook))

    def after(
        self,
        hook: Callable[[Call], None],
        *,
        call: int | None = None,
        operation: str | None = None,
        nth: int | None = None,
    ) -> None:
        """Run the hook after the call took effect. What it raises reaches the caller in place of the answer."""
        self._after.append((When(call, operation, nth), hook))

    def deny(self, *actions: str) -> None:
        """Refuse these actions always: `RevokeSecurityGroupIngress`, or `ec2:RevokeSecurityGroupIngress`."""
        self._denied |= {action.removeprefix("ec2:") for action in actions}

    def expire_credentials(self, *, from_call: int) -> None:
        """Refuse every call from this number on."""
        self._expired_from = from_call

    def clear(self) -> None:
        """Forget all faults."""
        vars(self).update(vars(Faults()))

    def strike_before(self, call: Call) -> None:
        """Raise what stands between the caller and the call."""
        if self._expired_from is not None and call.number >= self._expired_from:
            raise TwinError("RequestExpired", "Request has expired.")
        if call.operation in self._denied:
            message = f"You are not authorized to perform this operation. Action: ec2:{call.operation}"
            raise TwinError("UnauthorizedOperation", message)
        _strike(self._before, call)

    def strike_after(self, call: Call) -> None:
        """Raise what stands between the call's answer and the caller."""
        _strike(self._after, call)


def _strike(faults: list[tuple[When, Callable[[Call], None]]], call: Call) -> None:
    for when, hook in tuple(faults):
        if when.matches(call):
            hook(call)
