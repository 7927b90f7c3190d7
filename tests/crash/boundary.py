"""Every call that crosses the boundary of the program, counted: to AWS and to the stores, in one sequence.

At one of them the program is killed, before or after, or the call fails. A killed program makes no further call: every
later one ends like the first, so that nothing that "finally" would do is done.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sg_compliance.errors import StoreError
from sg_compliance.testing.twin import TwinError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sg_compliance.testing.twin import Call
    from tests.world import World


class KilledError(BaseException):
    """The program is not there any more."""


class Fault(NamedTuple):
    """What goes wrong at a point: `kill`, `refuse` (nothing took effect) or `lose` (it took effect, nobody knows)."""

    kind: str
    after: bool = False
    code: str = ""

    def __str__(self) -> str:
        return f"{self.kind}{'-after' if self.after else '-before'}{'-' + self.code if self.code else ''}"


KILLS = (Fault("kill"), Fault("kill", after=True))
REFUSALS = tuple(
    Fault("refuse", code=code)
    for code in ("RequestLimitExceeded", "UnauthorizedOperation", "RequestExpired", "InternalError")
)
LASTING = tuple(
    Fault("refuse", code=code)
    for code in (
        "InvalidGroup.NotFound",
        "InvalidParameterValue",
        "InvalidPermission.Duplicate",
        "InvalidSecurityGroupRuleId.NotFound",
        "RulesPerSecurityGroupLimitExceeded",
        "TagLimitExceeded",
    )
)
"""What AWS says when it will not have it, or has it already; here once, whether it is true or not."""
LOSS = Fault("lose", after=True)
FAULTS = (*KILLS, *REFUSALS, LOSS)


@dataclass(slots=True)
class Boundary:
    """Counts points, and strikes at the one that was chosen."""

    at: int = 0
    fault: Fault | None = None
    names: list[str] = field(default_factory=list)
    dead: bool = False
    watching: bool = True

    def before(self, name: str, failed: Callable[[str], Exception]) -> None:
        """A call is about to be made."""
        if self.dead:
            raise KilledError
        if not self.watching:
            return
        self.names.append(name)
        if self.fault and len(self.names) == self.at and not self.fault.after:
            self._strike(failed)

    def after(self, failed: Callable[[str], Exception]) -> None:
        """A call was made."""
        if self.watching and self.fault and len(self.names) == self.at and self.fault.after:
            self._strike(failed)

    def _strike(self, failed: Callable[[str], Exception]) -> None:
        fault = self.fault
        assert fault is not None
        self.fault = None
        if fault.kind == "kill":
            self.dead = True
            raise KilledError
        raise failed(fault.code)

    def over(self) -> None:
        """Nothing strikes from here on."""
        self.watching, self.dead, self.fault = False, False, None


class _Watched:
    """A store whose calls are counted."""

    def __init__(self, store: Any, boundary: Boundary) -> None:  # noqa: ANN401 - any store
        self._store = store
        self._boundary = boundary

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any method
        method = getattr(self._store, name)

        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            self._boundary.before(f"{type(self._store).__name__}.{name}", _store_failed)
            result = method(*arguments, **named)
            self._boundary.after(_store_failed)
            return result

        return call


def watched(store: Any, boundary: Boundary) -> Any:  # noqa: ANN401 - any store
    """The store, every call of which crosses the boundary."""
    return _Watched(store, boundary)


def _store_failed(code: str) -> StoreError:
    return StoreError(f"the store failed: {code or 'no answer'}")


def _aws_failed(code: str) -> Exception:
    return TwinError(code, f"refused with {code}") if code else TimeoutError("the answer was lost")


def watch(world: World, boundary: Boundary) -> None:
    """Let every call of the world cross the boundary."""

    def before(call: Call) -> None:
        boundary.before(call.operation, _aws_failed)

    def after(_: Call) -> None:
        boundary.after(_aws_failed)

    world.twin.faults.before(before)
    world.twin.faults.after(after)
    stores = world.stores
    world.stores = replace(
        stores,
        **{
            name: _Watched(getattr(stores, name), boundary)
            for name in ("backups", "journal", "audit", "notifier", "switch")
        },
    )
