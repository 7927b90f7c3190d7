"""A world in which events are responded to: the twin's own CloudTrail, stores in a folder, a clock that tests move."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.aws.ec2_lookup import Ec2Lookup
from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.local.history import SqliteHistory
from sg_compliance.local.later import MemoryLater
from sg_compliance.local.windows import SqliteWindows
from sg_compliance.model.security_group import CidrPeer, Direction, Place
from sg_compliance.realtime.principals import Ours
from sg_compliance.testing.trail import Answered, Caller, event
from sg_compliance.testing.twin.refusal import TwinError
from sg_compliance.workflows.accounting import Run
from sg_compliance.workflows.case import Surroundings, Terms
from sg_compliance.workflows.counting import Counting
from sg_compliance.workflows.respond import Received, Responding
from tests.builders import ACCOUNT, EVERYONE, REGION, bind, document, prohibit, raw_group, tcp
from tests.event_builders import envelope, record
from tests.world import TwinSessions, World, make_world

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta
    from pathlib import Path

    from sg_compliance.model.metric import Metric, MetricName
    from sg_compliance.model.notice import Notice
    from sg_compliance.policy.resolve import Policy
    from sg_compliance.realtime.response import Handled, Response
    from tests.builders import Json

GROUP: Final = "sg-0a1b2c3d"
LIST: Final = "pl-0a1b2c3d4e5f60718"
WEB: Final = Place(ACCOUNT, REGION, GROUP)
MALLORY: Final = Caller(f"arn:aws:iam::{ACCOUNT}:user/mallory", ACCOUNT, "AIDAEXAMPLE", source_ip="198.51.100.7")
OURS: Final = Caller(
    f"arn:aws:sts::{ACCOUNT}:assumed-role/sg-compliance-remediate/sg-compliance",
    ACCOUNT,
    "AROAEXAMPLE:sg-compliance",
    role_arn=f"arn:aws:iam::{ACCOUNT}:role/sg-compliance-remediate",
)
TERMS: Final = Terms(dry_run=False, acting=True, contacts=("#security",))
EMERGENCY: Final[Json] = {"emergency_remediation": {"enabled": True}}
IMMEDIATE: Final[Json] = {"immediate_remediation": {"enabled": True, "grace_period_minutes": 5}}


def real_time(settings: Json | None = None, **detection_rules: Json) -> Json:
    """The section `real_time_scanning`, switched on."""
    return {"enabled": True, "remediation_settings": settings or {}, "detection_rules": detection_rules}


def responding_policy(
    settings: Json | None = EMERGENCY,
    level: str = "enforce",
    severity: str = "critical",
    **sections: Any,  # noqa: ANN401
) -> Policy:
    """SSH from everywhere is prohibited, and real time may do what the settings say."""
    written = document(
        prohibit(22, severity=severity),
        **{
            "real_time_scanning": real_time(settings),
            "accounts_config": [{"account_id": ACCOUNT, "enforcement_level": level}],
            **sections,
        },
    )
    return bind(written)


class Told:
    """A notifier that keeps what it was told; it fails as long as it is told to."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.failure: Exception | None = None

    def send(self, notice: Notice) -> None:
        """Keep it."""
        if self.failure:
            raise self.failure
        self.notices.append(notice)

    def texts(self) -> str:
        """All that was told."""
        return "\n\n".join(f"{each.subject}\n{each.text}" for each in self.notices)


class Figures:
    """Metrics in memory."""

    def __init__(self) -> None:
        self.metrics: list[Metric] = []

    def put(self, metric: Metric) -> None:
        """Keep it."""
        self.metrics.append(metric)

    def of(self, name: MetricName) -> list[float]:
        """The figures of this name."""
        return [each.value for each in self.metrics if each.name is name]


class Rejected:
    """Dead letters in memory."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, str]] = []

    def put(self, body: str, reason: str) -> None:
        """Keep it."""
        self.letters.append((body, reason))


class MemorySlots:
    """Slots of this process."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], datetime] = {}

    def take(self, name: str, item: str, most: int, window: timedelta, now: datetime) -> bool:
        """Take one."""
        since = now - window
        held = {key: time for key, time in self._taken.items() if key[0] == name and time > since}
        if (name, item) not in held and len(held) >= most:
            return False
        self._taken[name, item] = held.get((name, item), now)
        return True


_OPEN: list[SqliteHistory | SqliteWindows] = []


def close_response_stores() -> None:
    """Close what tests have opened."""
    while _OPEN:
        _OPEN.pop().close()


@dataclass(slots=True)
class ResponseWorld:
    """The world, and all that responding needs of it."""

    world: World
    policy: Policy
    history: SqliteHistory
    windows: SqliteWindows
    later: MemoryLater
    terms: Terms = TERMS
    told: Told = field(default_factory=Told)
    figures: Figures = field(default_factory=Figures)
    rejected: Rejected = field(default_factory=Rejected)
    slots: Any = field(default_factory=MemorySlots)
    ours: Ours = field(
        default_factory=lambda: Ours(frozenset({"sg-compliance-remediate"}), session_names=frozenset({"sg-compliance"}))
    )
    containing: Any = None
    messages: int = 0

    def responding(self) -> Responding:
        """A cold start."""
        world = self.world
        stores = replace(world.stores, notifier=self.told)
        around = Surroundings(
            lookup=Ec2Lookup(TwinSessions(world.twin)),  # type: ignore[arg-type]
            writer=world.writer,
            stores=stores,
            history=self.history,
            later=self.later,
            dead_letters=self.rejected,
            metrics=self.figures,
            slots=self.slots,
            clock=world.clock,
            run=Run(f"respond-{uuid.uuid4()}", "sg-compliance"),
            terms=self.terms,
        )
        counting = Counting(
            windows=self.windows,
            stores=stores,
            metrics=self.figures,
            clock=world.clock,
            document=self.policy.document,
            containing=self.containing,
        )
        evaluator = Evaluator(self.policy, world.clock.now())
        return Responding(around, evaluator, counting, self.ours)

    def received(self, body: str, *, again: bool = False) -> Received:
        """A message with the body, sent now."""
        self.messages += 1
        return Received(f"m-{self.messages}", body, self.world.clock.now(), again)

    def respond(self, *bodies: str) -> list[Handled]:
        """Handle the messages as one batch."""
        received = [self.received(body) for body in bodies]
        batch = self.responding().batch(received)
        return [batch.handle(each.id) for each in received]

    def one(self, body: str) -> Response:
        """Respond to an event that touches one group."""
        (handled,) = self.respond(body)
        (response,) = handled.responses
        return response

    def wait(self, seconds: float) -> list[Handled]:
        """Let time pass, and take the second looks that come."""
        self.world.clock.sleep(seconds)
        return self.respond(*(look.encode() for look in self.later.come()))

    def call(
        self, operation: str, params: Json, who: Caller = MALLORY, *, account: str = ACCOUNT, event_id: str = ""
    ) -> str:
        """Somebody calls EC2; the event as it comes to the queue, whether the call was refused or not."""
        twin, now = self.world.twin, self.world.clock.now()
        code = message = ""
        answer: Json = {}
        try:
            answer = twin.call(account, REGION, operation, params)
        except TwinError as error:
            code, message = error.code, str(error)
        answered = Answered(account, REGION, operation, params, answer, code, message)
        ids = [event_id or str(uuid.uuid4()), str(uuid.uuid4()), str(uuid.uuid4())]
        return json.dumps(event(answered, who, now, ids))

    def told_by_cloudtrail(self, name: str, request: Json, response: Json) -> str:
        """An event that the twin does not play."""
        time = f"{self.world.clock.now():%Y-%m-%dT%H:%M:%SZ}"
        return json.dumps(envelope(record(name, request, response, eventTime=time, eventID=str(uuid.uuid4()))))

    def open_ssh(self, place: Place, *cidrs: str, who: Caller = MALLORY) -> str:
        """Somebody opens SSH to the internet, or to others."""
        permissions = [tcp(22, *(cidrs or (EVERYONE,)))]
        return self.call(
            "AuthorizeSecurityGroupIngress", {"GroupId": place.group_id, "IpPermissions": permissions}, who
        )

    def shown_ports(self, place: Place) -> list[tuple[int, str]]:
        """The first port and the peer of each inbound rule, as AWS shows them."""
        inbound = [rule for rule in self.world.read(place).rules if rule.direction is Direction.INGRESS]
        return sorted(
            (rule.first, rule.peer.text if isinstance(rule.peer, CidrPeer) else str(rule.peer)) for rule in inbound
        )

    def own_events(self, since: int = 0) -> list[str]:
        """The events of what this tool has called, as CloudTrail tells them."""
        calls = [each for each in self.world.twin.log[since:] if each.mutating]
        return [
            json.dumps(
                event(
                    Answered(each.account_id, each.region, each.operation, dict(each.params), {}),
                    OURS,
                    self.world.clock.now(),
                    [str(uuid.uuid4()) for _ in range(3)],
                )
            )
            for each in calls
        ]


def make_response_world(folder: Path, groups: Iterable[Json] = (), policy: Policy | None = None) -> ResponseWorld:
    """A world with these groups."""
    world = make_world(folder, groups or [raw_group(tcp(443, "10.0.0.0/8"))])
    history = SqliteHistory(folder / "history.sqlite")
    windows = SqliteWindows(folder / "windows.sqlite", world.clock)
    _OPEN.extend((history, windows))
    return ResponseWorld(world, policy or responding_policy(), history, windows, MemoryLater(world.clock))


def with_a_list(tmp_path: Path, *entries: str) -> ResponseWorld:
    """A group whose only rule lets in what a prefix list holds, on port 22."""
    world = make_response_world(tmp_path, [raw_group(group_id="sg-0a1b2c99", GroupName="other")])
    world.world.twin.put_prefix_list(
        ACCOUNT,
        REGION,
        {"PrefixListId": LIST, "PrefixListName": "x", "MaxEntries": 5, "AddressFamily": "IPv4"},
        entries,
    )
    world.world.put(raw_group({**tcp(22), "IpRanges": [], "PrefixListIds": [{"PrefixListId": LIST}]}))
    return world


def list_changed(world: ResponseWorld, **request: Json) -> str:
    answer = {"ModifyManagedPrefixListResponse": {"prefixList": {"state": "modify-in-progress"}}}
    asked = {"ModifyManagedPrefixListRequest": {"PrefixListId": LIST, **request}}
    return world.told_by_cloudtrail("ModifyManagedPrefixList", asked, answer)


def locked(world: ResponseWorld, place: Place = WEB) -> bool:
    """Whether nothing is left but the rule that says why."""
    group = world.world.read(place)
    return [rule.peer.text for rule in group.rules if isinstance(rule.peer, CidrPeer)] == [
        "127.0.0.1/32"
    ] and group.tag("COMPLIANCE_EMERGENCY") == "true"
