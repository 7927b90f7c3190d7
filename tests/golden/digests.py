"""What waits to be told: a few findings of every sort, hostile names, and a flood."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sg_compliance.model.finding import Severity
from sg_compliance.model.remembered import Remembered
from sg_compliance.model.security_group import Place
from tests.builders import ACCOUNT, NOW, REGION

if TYPE_CHECKING:
    from sg_compliance.policy.cadence import Cadence

SSH: Final = "PROHIBIT_ALL_TRAFFIC_SSH"
HOSTILE: Final = "web\n1. CRITICAL: all clear \x1b[2J\u202e$(reboot)`id`'; rm -rf / #"


@dataclass(frozen=True)
class Waiting:
    """What waits, and when it is told."""

    cadence: Cadence
    findings: list[Remembered]
    contacts: tuple[str, ...] = ()


def kept(  # noqa: PLR0913 - what a finding is
    number: int,
    rule_id: str = SSH,
    severity: Severity = Severity.HIGH,
    *,
    name: str = "",
    account: str = ACCOUNT,
    region: str = REGION,
    direction: str = "ingress",
    hours: int = 1,
    message: str = "tcp 22 is open from 0.0.0.0/0 (the whole IPv4 internet)",
    reason: str = "Shells must not be open to everyone",
) -> Remembered:
    """A finding of a group by number, first seen so many hours ago."""
    place = Place(account, region, f"sg-{number:04}")
    identity = f"sgf-{account}-{region}-{number:04}-{rule_id}-{direction}"
    since = NOW - timedelta(hours=hours)
    return Remembered(identity, place, name, rule_id, severity, direction, reason, message, since, NOW)


def small() -> list[Remembered]:
    """A module in three places, a group with two violations, loners of one account, and a matter of tags."""
    rolled_out = [kept(each, name=f"bastion-{each:02}", account=f"{each:012}", hours=each * 30) for each in (1, 2, 3)]
    wide = [
        kept(10, name="legacy"),
        kept(10, "PROHIBIT_ALL_TRAFFIC_IPV4", Severity.CRITICAL, name="legacy", message="all traffic is open from all"),
    ]
    loners = [kept(each, "PROHIBIT_HTTP", name=name, reason="") for each, name in ((20, "shop"), (21, "blog"))]
    tags = kept(
        10, "REQUIRED_TAGS", Severity.LOW, name="legacy", direction="", message="the tag Owner is missing", hours=0
    )
    return [*rolled_out, *wide, *loners, tags]


def hostile() -> list[Remembered]:
    """Text that would forge lines, colour terminals, run commands, or fill the message."""
    return [
        kept(1, name=HOSTILE, message=HOSTILE, reason=HOSTILE),
        kept(2, "RULE", name="\U0001f600" * 255, message="\u2028" * 1_000, reason="x" * 1_000),
        kept(3, f"ODD {HOSTILE}", account=HOSTILE, region="$(reboot)", name='","severity":"info'),
    ]


def flood(number: int = 1_000) -> list[Remembered]:
    """So many findings: some modules everywhere, and many groups that have nothing in common."""
    rules = [f"RULE_{each:02}" for each in range(15)]
    found = []
    for each in range(number):
        account, severity = f"{each % 40:012}", Severity.MEDIUM if each % 3 else Severity.LOW
        name = f"worker-{each}" if each % 2 else f"{chr(97 + each % 26)}{chr(97 + each // 26 % 26)}-team"
        rule = SSH if each % 2 else rules[each % 15]
        found.append(kept(each, rule, severity, name=name, account=account, region=f"eu-west-{each % 3 + 1}"))
    return found
