"""The twin itself: takes calls, keeps the log, lets faults strike; and the methods that set a scene up."""

from __future__ import annotations

import copy
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from sg_compliance.model import security_group
from sg_compliance.testing.twin.calls import MUTATING, OPERATIONS, Call
from sg_compliance.testing.twin.faults import Faults
from sg_compliance.testing.twin.groups import default_group
from sg_compliance.testing.twin.nouns import PrefixList, Vpc
from sg_compliance.testing.twin.placing import placed
from sg_compliance.testing.twin.refusal import TwinError, no_such_group
from sg_compliance.testing.twin.snapshot import snapshot
from sg_compliance.testing.twin.throttling import Throttle
from sg_compliance.testing.twin.world import Scene, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sg_compliance.testing.twin.nouns import Json
    from sg_compliance.testing.twin.snapshot import Snapshot

REGIONS: Final = ("eu-west-1", "us-east-1", "us-east-2", "us-west-2")


class Twin:
    """EC2's security groups of any number of accounts and regions. Safe to call from many threads.

    `clock` gives seconds, for lag and throttling. `quota` is of rules a group, direction and IP version;
    `group_quota` of groups an account and region. `throttled` switches AWS's request throttling on.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        quota: int = 60,
        group_quota: int = 2500,
        throttled: bool = False,
        regions: Iterable[str] = REGIONS,
    ) -> None:
        self.faults = Faults()
        self.log: list[Call] = []
        self.counts: Counter[str] = Counter()
        self._world = World(clock, quota, group_quota, tuple(regions))
        self._throttle = Throttle(clock) if throttled else None
        self._lock = threading.RLock()

    def call(self, account_id: str, region: str, operation: str, params: Json | None = None) -> Json:
        """Answer one API call, parameters and answer as in boto3. Raises TwinError where AWS would refuse."""
        call = self._begun(account_id, region, operation, copy.deepcopy(params or {}))
        try:
            self.faults.strike_before(call)
            answer = self._done(call)
            self.faults.strike_after(call)
        except TwinError as error:
            call.error = error.code
            raise
        except BaseException as error:
            call.error = type(error).__name__
            raise
        return answer

    def _begun(self, account_id: str, region: str, operation: str, params: Json) -> Call:
        with self._lock:
            self.counts[operation] += 1
            number, nth = len(self.log) + 1, self.counts[operation]
            call = Call(number, nth, account_id, region, operation, params, mutating=operation in MUTATING)
            self.log.append(call)
            return call

    def _done(self, call: Call) -> Json:
        with self._lock:
            if call.operation not in OPERATIONS:
                raise TwinError("InvalidAction", f"The action {call.operation} is not one of the twin's")
            if self._throttle:
                self._throttle.take(call)
            if call.params.get("DryRun"):
                raise TwinError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
            lag = 0.0 if call.mutating else self.faults.lag
            scene = Scene(self._world, call.account_id, call.region, lag)
            return copy.deepcopy(OPERATIONS[call.operation](scene, call.params))

    # --- Setting a scene up: past all validation, not in the log, not struck by faults

    def vpc(  # noqa: PLR0913  a VPC is all of these
        self,
        account_id: str,
        region: str,
        vpc_id: str = "",
        *,
        is_default: bool = False,
        has_ipv6: bool = False,
        shared_with: Iterable[str] = (),
        with_default_group: bool = True,
    ) -> str:
        """Make a VPC, with its default group, and give its id."""
        with self._lock:
            found_id = vpc_id or self._world.new_id("vpc")
            made = Vpc(found_id, account_id, is_default, has_ipv6, frozenset(shared_with))
            self._world.region(account_id, region).vpcs[found_id] = made
            if with_default_group:
                self._world.put(default_group(self._world, account_id, region, made))
            return found_id

    def put_group(
        self,
        account_id: str,
        region: str,
        raw_group: Json | None = None,
        *,
        rules_tags: Mapping[str, Mapping[str, str]] | None = None,
    ) -> str:
        """Put a group as it is written, and give its id.

        `raw_group` is an element of `SecurityGroups`, odd forms and all; an element of its permissions may carry the
        id of its rule as `SecurityGroupRuleId`. `rules_tags`: tags by rule id, or by the peer's text.
        """
        with self._lock:
            group = placed(self._world, account_id, region, copy.deepcopy(raw_group or {}), rules_tags or {})
            self._world.put(group)
            return group.group_id

    def put_prefix_list(self, account_id: str, region: str, raw_list: Json, entries: Iterable[str | Json] = ()) -> str:
        """Put a prefix list that the account sees, and give its id. `raw_list` is an element of `PrefixLists`.

        Entries are CIDRs, or elements of `Entries`. The quota counts MaxEntries, or AWS's weight of AWS's lists.
        """
        with self._lock:
            prefix_list_id = raw_list.get("PrefixListId") or self._world.new_id("pl")
            shown = {"OwnerId": account_id, "State": "create-complete", **raw_list, "PrefixListId": prefix_list_id}
            elements = tuple({"Cidr": each} if isinstance(each, str) else dict(each) for each in entries)
            most = raw_list.get("MaxEntries") or len(elements)
            name = raw_list.get("PrefixListName", "")
            weight = security_group.PrefixList(prefix_list_id, name, max_entries=most).weight()
            self._world.region(account_id, region).prefix_lists[prefix_list_id] = PrefixList(shown, elements, weight)
            return prefix_list_id

    def put_interface(self, account_id: str, region: str, *group_ids: str, **raw: object) -> str:
        """Put a network interface that has these groups, and give its id. `raw`: what else AWS shows of it."""
        with self._lock:
            interface_id = str(raw.pop("NetworkInterfaceId", "") or self._world.new_id("eni"))
            defaults = {"OwnerId": account_id, "Status": "in-use", "RequesterManaged": "RequesterId" in raw}
            attached = [{"GroupId": group_id, "GroupName": self._name(group_id)} for group_id in group_ids]
            shown = {**defaults, **raw, "NetworkInterfaceId": interface_id, "Groups": attached}
            self._world.region(account_id, region).interfaces[interface_id] = shown
            return interface_id

    def _name(self, group_id: str) -> str:
        found = (region.groups.get(group_id) for region in self._world.regions.values())
        return next((group.name for group in found if group), "")

    def delete_group_hard(self, account_id: str, region: str, group_id: str) -> None:
        """Delete a group whatever needs it: rules that refer to it stay. Raises TwinError where there is none."""
        with self._lock:
            found = self._world.region(account_id, region).groups.get(group_id)
            if found is None:
                raise no_such_group(group_id)
            self._world.drop(found)

    def know_peer(self, account_id: str, group_id: str) -> None:
        """Let rules refer to a group of an account that the twin does not hold."""
        with self._lock:
            self._world.peers.add((account_id, group_id))

    def snapshot(self, account_id: str, region: str) -> Snapshot:
        """Everything that AWS would show of the account's own groups, but for rule ids: comparable."""
        with self._lock:
            return snapshot(self._world.region(account_id, region))
