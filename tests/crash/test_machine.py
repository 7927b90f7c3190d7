"""Everything in any order: groups, policies, other people's edits, remediation, rollback, crashes, failing calls.

Whatever happened, taking the standing remediations back restores exactly what AWS would show had nobody remediated: the
group as it was, with what other people added while it was being changed.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sg_compliance.enforcement.audit import verify
from sg_compliance.enforcement.rollback import standing
from sg_compliance.enforcement.strategies import Strategy
from sg_compliance.errors import SgComplianceError
from sg_compliance.model.outcome import Status
from sg_compliance.testing.twin import TwinError
from sg_compliance.workflows.rollback import What
from sg_compliance.workflows.transaction import FORGOTTEN, LEASE
from tests.builders import (
    ACCOUNT,
    EVERYONE,
    REGION,
    Json,
    all_traffic,
    icmp,
    policy,
    prohibit,
    raw_group,
    restrict,
    tcp,
    udp,
)
from tests.crash.boundary import FAULTS, Boundary, Fault, KilledError, watch
from tests.world import World, close_stores, make_world

GROUP = "sg-0a1b2c3d"
NEIGHBOUR = "sg-00000001"
CIDRS = (EVERYONE, "10.0.0.0/8", "203.0.113.0/24", "::/0", "0.0.0.0/1", "128.0.0.0/1")
PERMISSIONS: st.SearchStrategy[Json] = st.one_of(
    st.builds(
        lambda ports, cidr, said: tcp(ports, cidr, description=said),
        st.sampled_from(("22", "20-25", "443", "3306", "0-65535")),
        st.sampled_from((*CIDRS, NEIGHBOUR)),
        st.sampled_from((None, "web", "for the partners")),
    ),
    st.builds(udp, st.sampled_from(("53", "1000-2000")), st.sampled_from(CIDRS)),
    st.builds(lambda kind, cidr: icmp(kind, -1, cidr), st.sampled_from((-1, 3, 8)), st.sampled_from(CIDRS[:3])),
    st.builds(all_traffic, st.sampled_from((*CIDRS, NEIGHBOUR))),
)
VIOLATIONS = st.lists(
    st.sampled_from((tcp("20-25", EVERYONE, description="shell"), tcp(3306, "0.0.0.0/1"), all_traffic(EVERYONE))),
    min_size=1,
    max_size=2,
)
"""Each of the policies flags one of these."""
POLICIES = (
    policy(prohibit(22, "any", severity="critical")),
    policy(prohibit(22, max_public_addresses=65536), restricted=[restrict(3306, "10.0.0.0/8", rule_id="DB")]),
    policy(prohibit("0-65535", "any", protocol="-1"), outbound=[{"rule_id": "OUT", "destination": EVERYONE}]),
)


def distinct(permissions: list[Json]) -> list[Json]:
    """Without those that AWS would call duplicates."""
    found = {
        (each["IpProtocol"], each.get("FromPort"), each.get("ToPort"), str(_peer(each))): each for each in permissions
    }
    return list(found.values())


def _peer(each: Json) -> Any:  # noqa: ANN401 - JSON
    peers = itertools.chain.from_iterable(each.get(key, ()) for key in ("IpRanges", "Ipv6Ranges", "UserIdGroupPairs"))
    return [{key: value for key, value in peer.items() if key != "Description"} for peer in peers]


class Enforcing(RuleBasedStateMachine):
    """One group, and all that can happen to it. `untouched` is what AWS would show had nobody remediated."""

    @initialize(
        ingress=st.tuples(VIOLATIONS, st.lists(PERMISSIONS, max_size=5)).map(
            lambda drawn: distinct([*drawn[0], *drawn[1]])
        ),
        egress=st.lists(PERMISSIONS, max_size=3).map(distinct),
        number=st.integers(0, len(POLICIES) - 1),
    )
    def begin(self, ingress: list[Json], egress: list[Json], number: int) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.world: World = make_world(self.folder)
        self.world.put(raw_group(group_id=NEIGHBOUR))
        tags = {"203.0.113.0/24": {"ticket": "OPS-1"}}
        self.place = self.world.put(raw_group(*ingress, egress=egress, group_id=GROUP, tags={"Owner": "a"}), **tags)
        self.policy = POLICIES[number]
        self.untouched = self.world.shown()
        self.meanwhile: set[str] = set()

    def teardown(self) -> None:
        close_stores()
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    def remediated(self) -> bool:
        """Whether a remediation stands, or something was begun and not finished."""
        return bool(standing(self.world.stores.journal.entries())) or bool(self.world.stores.journal.unfinished())

    @rule(strategy=st.sampled_from(Strategy))
    def remediate(self, strategy: Strategy) -> None:
        plan = self.world.plan(self.policy, self.place, strategy=strategy)
        event(f"planned: {bool(plan.groups)}")
        for outcome in self.world.apply(plan):
            event(f"remediation: {outcome.status}")
        mutations = len(self.world.mutations())
        self.world.apply(plan)
        assert len(self.world.mutations()) == mutations

    @rule(strategy=st.sampled_from(Strategy), at=st.integers(1, 30), fault=st.sampled_from(FAULTS))
    def remediate_and_fail(self, strategy: Strategy, at: int, fault: Fault) -> None:
        plan = self.world.plan(self.policy, self.place, strategy=strategy)
        self._failing(at, fault, lambda: self.world.apply(plan))

    @rule(strategy=st.sampled_from(Strategy), permission=VIOLATIONS)
    def somebody_puts_it_back_and_it_is_remediated_again(self, strategy: Strategy, permission: list[Json]) -> None:
        self._somebody_adds(permission[:1])
        self.world.clock.sleep(30 * 3600)
        self.remediate(strategy)

    @rule()
    def take_back(self) -> None:
        for _ in range(20):
            try:
                outcomes = self.world.roll_back(What(group_id=GROUP))
                event(f"rollback: {[each.status.value for each in outcomes]}")
            except SgComplianceError:  # there is nothing to take back
                break
            assert {each.status for each in outcomes} <= {Status.CHANGED, Status.UNCHANGED}
        list(self.world.applying().finish())
        shown, untouched = self.world.shown(), self.untouched
        if self.meanwhile:
            more = [each for each in shown[GROUP]["rules"] if each not in untouched[GROUP]["rules"]]
            assert {str((each["direction"], each["traffic"], each["peer"])) for each in more} <= self.meanwhile
            shown[GROUP]["rules"] = [each for each in shown[GROUP]["rules"] if each not in more]
        assert shown == untouched

    @rule(at=st.integers(1, 20), fault=st.sampled_from(FAULTS))
    def take_back_and_fail(self, at: int, fault: Fault) -> None:
        self._failing(at, fault, lambda: self.world.roll_back(What(group_id=GROUP)))

    @rule()
    def finish(self) -> None:
        list(self.world.applying().finish())
        now = self.world.clock.now()
        assert all(now - entry.started > FORGOTTEN for entry in self.world.stores.journal.unfinished())

    @precondition(lambda self: not self.remediated())
    @rule(permission=PERMISSIONS, egress=st.booleans())
    def somebody_adds(self, permission: Json, egress: bool) -> None:
        side = "Egress" if egress else "Ingress"
        with suppress(TwinError):
            self._somebody(f"AuthorizeSecurityGroup{side}", IpPermissions=[permission])
        self.untouched = self.world.shown()

    @precondition(lambda self: not self.remediated())
    @rule(data=st.data())
    def somebody_revokes(self, data: st.DataObject) -> None:
        rules = self.world.read(self.place).rules
        if rules:
            gone = data.draw(st.sampled_from(rules))
            side = gone.direction.value.capitalize()
            self._somebody(f"RevokeSecurityGroup{side}", SecurityGroupRuleIds=[gone.rule_id])
            self.untouched = self.world.shown()

    @precondition(lambda self: not self.remediated())
    @rule(value=st.sampled_from(("a", "b", "")))
    def somebody_tags(self, value: str) -> None:
        self.world.twin.call(
            ACCOUNT, REGION, "CreateTags", {"Resources": [GROUP], "Tags": [{"Key": "Owner", "Value": value}]}
        )
        self.untouched = self.world.shown()

    @precondition(lambda self: self.remediated())
    @rule(permission=PERMISSIONS)
    def somebody_adds_to_a_remediated_group(self, permission: Json) -> None:
        """It was not there before, so that taking the remediation back takes it away again."""
        self._somebody_adds([permission])

    @rule(hours=st.sampled_from((0.2, 30)))
    def time_passes(self, hours: float) -> None:
        self.world.clock.sleep(hours * 3600)

    @invariant()
    def the_audit_log_is_whole(self) -> None:
        if hasattr(self, "world"):
            assert not verify(list(self.world.stores.audit.lines())).problems

    def _somebody_adds(self, permissions: list[Json]) -> None:
        """What is added while a change is under way, and then revoked, comes back with the rest."""
        before = self.world.shown()[GROUP]["rules"]
        with suppress(TwinError):
            self._somebody("AuthorizeSecurityGroupIngress", IpPermissions=permissions)
        if not self.remediated():
            self.untouched = self.world.shown()
        elif self.world.stores.journal.unfinished():
            added = [each for each in self.world.shown()[GROUP]["rules"] if each not in before]
            self.meanwhile |= {str((each["direction"], each["traffic"], each["peer"])) for each in added}

    def _somebody(self, operation: str, **parameters: object) -> None:
        self.world.twin.call(ACCOUNT, REGION, operation, {"GroupId": GROUP, **parameters})

    def _failing(self, at: int, fault: Fault, act: Any) -> None:  # noqa: ANN401 - what is done
        boundary, stores = Boundary(at, fault), self.world.stores
        watch(self.world, boundary)
        with suppress(KilledError, SgComplianceError):
            act()
        boundary.over()
        self.world.stores = stores
        self.world.twin.faults.clear()
        self.world.clock.sleep((LEASE + timedelta(seconds=1)).total_seconds())


TestEnforcing = Enforcing.TestCase
TestEnforcing.settings = settings(
    max_examples=150, stateful_step_count=12, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
