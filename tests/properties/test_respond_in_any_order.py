"""Whatever people do to groups, and however its events come, in the end no group is open and nothing is left half done.

Events are shuffled, doubled, cut into batches, met by lag, throttling and killed functions. What has to be true is said
by a function of its own, which knows nothing of the workflow: no inbound rule reaches port 22 from everywhere.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sg_compliance.errors import SgComplianceError
from sg_compliance.model.journal import EntryKind, EntryState
from sg_compliance.model.security_group import Place
from tests.builders import ACCOUNT, EVERYONE, REGION, all_traffic, raw_group, tcp
from tests.response_world import ResponseWorld, close_response_stores, make_response_world
from tests.world import close_stores

if TYPE_CHECKING:
    from random import Random

    from tests.builders import Json

GROUPS: Final = ("sg-0a1b2c31", "sg-0a1b2c32")
PERMISSIONS: Final[tuple[Json, ...]] = (
    tcp(22, EVERYONE),
    tcp("20-30", EVERYONE),
    all_traffic(EVERYONE),
    tcp(22, "10.0.0.0/8"),
    tcp(443, EVERYONE),
)
STEPS: Final = st.tuples(
    st.sampled_from(("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress")),
    st.sampled_from(GROUPS),
    st.sampled_from(PERMISSIONS),
    st.integers(0, 5),  # seconds until the next
)
TROUBLES: Final = st.sampled_from(("none", "none", "lag", "throttled", "killed", "late"))


def is_open(raw: Json) -> bool:
    """Whether a group as AWS shows it lets everybody in on port 22."""
    return any(
        each.get("CidrIp") == EVERYONE
        and permission["IpProtocol"] in {"tcp", "-1"}
        and permission.get("FromPort", 0) <= 22 <= permission.get("ToPort", 65535)
        for permission in raw["IpPermissions"]
        for each in permission["IpRanges"]
    )


def open_groups(world: ResponseWorld) -> set[str]:
    shown = world.world.twin.call(ACCOUNT, REGION, "DescribeSecurityGroups", {"GroupIds": list(GROUPS)})
    return {each["GroupId"] for each in shown["SecurityGroups"] if is_open(each)}


class Killed(BaseException):
    """The function ended in the middle."""


def trouble(world: ResponseWorld, kind: str) -> None:
    """Bring it about, for one batch."""
    twin = world.world.twin
    if kind == "lag":
        twin.faults.lag = 4
    if kind == "throttled":
        twin.faults.fail("RequestLimitExceeded", operation="DescribeSecurityGroupRules")
    if kind == "killed":

        def kill(_: object) -> None:
            raise Killed

        twin.faults.after(kill, operation="RevokeSecurityGroupIngress")
    if kind == "late":
        world.world.clock.sleep(30)


def deliver(world: ResponseWorld, bodies: list[str], kind: str) -> list[str]:
    """Deliver a batch as one function's; the bodies that come again."""
    trouble(world, kind)
    left: list[str] = []
    try:
        received = [world.received(body, again=True) for body in bodies]
        batch = world.responding().batch(received)
        for each in received:
            try:
                batch.handle(each.id)
            except SgComplianceError:
                left.append(each.body)
    except Killed:
        left = list(bodies)
        world.world.clock.sleep(80)  # its locks run out
    finally:
        world.world.twin.faults.clear()
        world.world.twin.faults.lag = 0
    return left


def settle(world: ResponseWorld, queue: list[str]) -> None:
    """Deliver what is left, and take second looks, until there is nothing more to do."""
    for _ in range(60):
        queue = deliver(world, queue, "none") if queue else []
        world.world.clock.sleep(61)
        looks = [look.encode() for look in world.later.come()]
        if looks:
            queue += deliver(world, looks, "none")
        if not queue and world.later.next_at() is None:
            return
    message = "it never ends"
    raise AssertionError(message)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(STEPS, min_size=1, max_size=12),
    order=st.randoms(use_true_random=False),
    troubles=st.lists(TROUBLES, min_size=1, max_size=6),
    size=st.integers(1, 6),
)
def test_in_the_end_no_group_is_open_and_nothing_is_left_half_done(
    steps: list[Any],
    order: Random,
    troubles: list[str],
    size: int,
) -> None:
    with TemporaryDirectory() as folder:
        world = make_response_world(Path(folder), [raw_group(group_id=each, GroupName=each) for each in GROUPS])
        try:
            opened, events = _acted(world, steps)
            order.shuffle(events)
            events += [each for each in events if order.random() < 0.3]
            batches = [events[start : start + size] for start in range(0, len(events), size)]
            left: list[str] = []
            for number, bodies in enumerate(batches):
                left += deliver(world, bodies, troubles[number % len(troubles)])
            settle(world, left)
            _holds(world, opened)
        finally:
            close_response_stores()
            close_stores()


def _acted(world: ResponseWorld, steps: list[Any]) -> tuple[set[str], list[str]]:
    """People call EC2: which groups are open now, and all events."""
    events = []
    for operation, group_id, permission, pause in steps:
        body = world.call(operation, {"GroupId": group_id, "IpPermissions": [permission]})
        events.append(body)
        world.world.clock.sleep(pause)
    return open_groups(world), events


def _holds(world: ResponseWorld, opened: set[str]) -> None:
    assert open_groups(world) == set()
    journal = world.world.stores.journal
    assert journal.unfinished() == []
    assert journal.locks(world.world.clock.now()) == []
    remediated = {
        each.place.group_id
        for each in journal.entries()
        if each.kind is EntryKind.REMEDIATION and each.state is EntryState.DONE
    }
    assert opened <= remediated  # whatever was open when the first event came was closed by us
    told = {each.record.get("group_id") for each in world.told.notices}
    assert opened <= told
    for place in (Place(ACCOUNT, REGION, each) for each in remediated):
        assert world.world.read(place).tag("COMPLIANCE_REMEDIATED") == "true"
    for letter, _ in world.rejected.letters:
        assert json.loads(letter) is None  # nothing was rejected
