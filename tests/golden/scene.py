"""One small fixed scan, with something of everything that a report has to show."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sg_compliance.aws import translate
from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.interfaces import Page, Shard
from sg_compliance.local.findings import SpillingFindings
from sg_compliance.model.scan import Skipped
from sg_compliance.policy.parse import parse_policy
from sg_compliance.policy.resolve import Policy
from sg_compliance.workflows.scan import Selection, scan
from tests.builders import (
    EVERYONE,
    EVERYONE_V6,
    NOW,
    all_traffic,
    document,
    icmp,
    lists,
    permission,
    prohibit,
    raw_group,
    restrict,
    tcp,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sg_compliance.model.finding import Finding
    from sg_compliance.model.scan import Summary
    from sg_compliance.model.security_group import SecurityGroup
    from sg_compliance.policy.parse import ParsedPolicy

HOSTILE_NAME: Final = "[bold red]=cmd|'/c calc'!A1\x1b[2J\u202egpj.exe\n[/]\ud800"
EXEMPTION: Final = {
    "reason": "partners, until they have a VPN",
    "exempted_rules": ["NO_SSH"],
    "expiry_date": "2026-02-01T00:00:00Z",
    "approved_by": "security_team",
}
DOCUMENT: Final = document(
    prohibit(
        22,
        EVERYONE,
        EVERYONE_V6,
        rule_id="NO_SSH",
        severity="critical",
        reason="SSH is tried around the clock",
        references=["CIS AWS 5.2", "EC2.13"],
    ),
    prohibit(None, EVERYONE, rule_id="NO_PING", protocol="icmp", severity="info"),
    prohibit(None, EVERYONE, rule_id="NO_OPEN_DOOR", protocol="-1", severity="high"),
    restricted=[restrict("5432-5433", "10.0.0.0/8", rule_id="DATABASE", severity="high", reason="=Data, inside only")],
    version="1.2",
    global_rules={"enforce_tagging": True, "required_tags": ["Owner"], "require_descriptions": False},
    exemptions={
        "security_group_exemptions": {
            "sg-0002": EXEMPTION,
            "sg-0003": {**EXEMPTION, "expiry_date": "2025-12-31T00:00:00Z"},
            "sg-0004": {**EXEMPTION, "exempted_rules": ["NO_OPEN_DOOR"], "expiry_date": "permanent"},
        }
    },
    reporting={"compliance_score_calculation": {"total_possible_points": 100}},
)
OWNED: Final = [{"Key": "Owner", "Value": "web team"}]
RAW: Final = [
    raw_group(tcp(443, EVERYONE), group_id="sg-0001", Tags=OWNED),
    raw_group(
        tcp("20-25", "0.0.0.0/1", "128.0.0.0/1", description="=everyone, \u202eback"),
        group_id="sg-0002",
        GroupName=HOSTILE_NAME,
        Tags=OWNED,
    ),
    raw_group(
        tcp(22, EVERYONE, "sg-0001"),
        permission("tcp", 5432, "5433", "203.0.113.0/24", "10.1.0.0/16", "pl-1", "sg-9"),
        permission("tcp", 23, 21, EVERYONE),
        icmp(8, -1, EVERYONE),
        group_id="sg-0003",
        VpcId=None,
    ),
    raw_group(all_traffic(EVERYONE, EVERYONE_V6), group_id="sg-0004", account="999988887777", Tags=OWNED),
]
SKIPPED: Final = (
    Skipped("security groups", "account 444455556666: access denied\x1b[0m", "allow sts:AssumeRole", "444455556666"),
    Skipped("prefix lists", "pl-1 cannot be read", "", "111122223333", "eu-west-1"),
    Skipped("security groups", "account 777: suspended", wanted=False),
)


class Scene(NamedTuple):
    """What reports are made of."""

    policy: ParsedPolicy
    summary: Summary
    findings: list[Finding]


class _Inventory:
    def shards(self) -> Iterator[Shard | Skipped]:
        yield from SKIPPED
        yield Shard("111122223333/eu-west-1", "111122223333", "eu-west-1")

    def read(self, shard: Shard) -> Iterator[Page | Skipped]:
        groups = [translate.security_group(raw, region=shard.region) for raw in RAW]
        attached = {"sg-0002": ("eni-1",), "sg-0003": ("eni-1", "eni-2"), "sg-0004": ()}
        yield Page([replace(each, interfaces=attached.get(each.group_id)) for each in groups], lists({"pl-1": None}))

    def with_rule_ids(self, shard: Shard, groups: Sequence[SecurityGroup]) -> Sequence[SecurityGroup]:
        del shard
        return [self._named(each) if each.group_id == "sg-0002" else each for each in groups]

    @staticmethod
    def _named(group: SecurityGroup) -> SecurityGroup:
        rules = [rule._replace(rule_id=f"sgr-{number}") for number, rule in enumerate(group.rules, start=1)]
        return replace(group, rules=tuple(rules))


class _Nobody:
    def begun(self, shards: int) -> None:
        """Nobody watches."""

    def advanced(self, shard: Shard, groups: int, findings: int) -> None:
        """Nobody watches."""

    def done(self, shard: Shard, skipped: Skipped | None) -> None:
        """Nobody watches."""


def scene(**changed: Any) -> Scene:  # noqa: ANN401 - sections of the policy
    """The scan, under the policy with some sections changed."""
    parsed = parse_policy(json.dumps({**DOCUMENT, **changed}), "policy.json")
    store = SpillingFindings()
    evaluator = Evaluator(Policy(parsed.document), NOW)
    summary = scan(_Inventory(), evaluator, store, _Nobody(), Selection(), workers=1)
    return Scene(parsed, summary, list(store))
