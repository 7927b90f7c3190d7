"""A small fixed plan, what a run of it did, and the way back: something of everything that these reports show."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.enforcement.backup import Backup, Cause
from sg_compliance.enforcement.calls import calls
from sg_compliance.enforcement.decide import Circumstances
from sg_compliance.enforcement.plan import NotPlanned, Plan, PlannedGroup
from sg_compliance.enforcement.planning import Planning
from sg_compliance.enforcement.rollback import restoring
from sg_compliance.evaluation.evaluate import Evaluator
from sg_compliance.model.finding import FindingState
from sg_compliance.model.outcome import Outcome, Status
from sg_compliance.model.scan import Skipped
from sg_compliance.model.security_group import Place
from sg_compliance.policy.parse import parse_policy
from sg_compliance.policy.resolve import Policy
from sg_compliance.reports.outcomes import Ran, Restoring
from sg_compliance.reports.plan import Reading
from tests.builders import ACCOUNT, EVERYONE, NOW, REGION, all_traffic, document, group, lists, prohibit, tcp

if TYPE_CHECKING:
    from sg_compliance.model.security_group import SecurityGroup

HOSTILE_NAME: Final = "[bold red]\x1b[2J\u202egpj.exe\n[/]"
DOCUMENT: Final = document(
    prohibit(22, EVERYONE, rule_id="NO_SSH", severity="critical", reason="SSH is tried around the clock"),
    prohibit(3389, EVERYONE, rule_id="NO_RDP", severity="critical", strategy="trim"),
    version="1.2",
    accounts_config=[
        {"account_id": "222233334444", "account_name": "quiet", "enforcement_level": "monitor"},
        {"account_id": "333344445555", "account_name": "warned", "enforcement_level": "warn"},
    ],
)
PREFIX_LISTS: Final = lists({"pl-1": None})
ELSEWHERE: Final = "222233334444"


def _numbered(made: SecurityGroup, **others: Any) -> SecurityGroup:  # noqa: ANN401 - fields of a group
    rules = [rule._replace(rule_id=f"sgr-{number}") for number, rule in enumerate(made.rules, start=1)]
    return replace(made, rules=tuple(rules), **others)


GROUPS: Final = (
    _numbered(
        group(
            tcp(
                "20-25", EVERYONE, description="\u202eback, with a description that is much longer than a line has room"
            ),
            tcp(443, "10.0.0.0/8", "sg-9"),
            egress=[all_traffic(EVERYONE)],
            group_id="sg-0001",
            GroupName=HOSTILE_NAME,
            tags={"Owner": "web"},
        ),
        interfaces=("eni-1", "eni-2"),
    ),
    _numbered(
        group(tcp("3380-3390", EVERYONE), *[tcp(port, "10.0.0.0/8") for port in range(80, 90)], group_id="sg-0002"),
        interfaces=(),
    ),
    _numbered(group(tcp(22, EVERYONE), group_id="sg-0003", account="333344445555"), interfaces=None),
    *(_numbered(group(tcp(22, EVERYONE), group_id=f"sg-01{number:02}", account=ELSEWHERE)) for number in range(7)),
    _numbered(
        group(tcp(22, EVERYONE), group_id="sg-0004", GroupName="AWSServiceName-x"),
        interfaces=("eni-3",),
        managed_interfaces=("eni-3",),
    ),
    _numbered(group(tcp(22, "pl-1"), group_id="sg-0005", tags={f"k{number}": "v" for number in range(50)})),
)
READING: Final = Reading(
    (Skipped("security groups", "account 444455556666: access denied\x1b[0m", "allow sts:AssumeRole", "444455556666"),),
    complete=False,
)
BACKUP_ID: Final = "sg-0001-20260115T120000Z-0123456789abcdef"
AGAIN: Final = " --state 'my state'"


def plan() -> Plan:
    """The plan for these groups."""
    parsed = parse_policy(json.dumps(DOCUMENT), "policy.json")
    policy = Policy(parsed.document)
    evaluator = Evaluator(policy, NOW)
    planning = Planning(policy, Circumstances(), NOW)
    found = [_decided(planning, evaluator, each) for each in GROUPS]
    return Plan(
        created=NOW,
        by="arn:aws:iam::111122223333:user/\x1bme",
        policy_source=parsed.source,
        policy_version="1.2",
        policy_hash="sha256:0123456789abcdef0123",
        tag_prefix=planning.prefix,
        groups=tuple(each for each in found if isinstance(each, PlannedGroup)),
        not_planned=tuple(each for each in found if isinstance(each, NotPlanned)),
        totals={ACCOUNT: 5, ELSEWHERE: 7, "333344445555": 1},
    )


def _decided(planning: Planning, evaluator: Evaluator, judged: SecurityGroup) -> PlannedGroup | NotPlanned | None:
    findings = [each for each in evaluator.evaluate(judged, PREFIX_LISTS) if each.state is FindingState.OPEN]
    return planning.decide(
        judged, findings, PREFIX_LISTS, lambda group: evaluator.evaluate(group, PREFIX_LISTS), compliant=not findings
    )


def _place(group_id: str) -> Place:
    return Place(ACCOUNT, REGION, group_id)


def ran() -> Ran:
    """A run that met everything."""
    planned = plan().groups[0]
    made = calls(planned.group, planned.wanted_with(BACKUP_ID))
    refused = ("changed since the plan was made", "look at it and plan again: sg-compliance plan")
    outcomes = (
        Outcome(planned.place, HOSTILE_NAME, Status.CHANGED, "", "", BACKUP_ID, made, ("1 more\x1b backed up",)),
        Outcome(_place("sg-0002"), "web", Status.REFUSED, *refused),
        Outcome(_place("sg-0003"), "web", Status.UNCHANGED, "the group is as planned already"),
        Outcome(_place("sg-0004"), "", Status.LOCKED, "sg-0004: run-1 is changing it", "try again in 5 minutes"),
        Outcome(
            _place("sg-0005"), "db", Status.INCOMPLETE, "ec2:RevokeSecurityGroupIngress: denied", "allow it", BACKUP_ID
        ),
    )
    left = ((_place("sg-0006"), "late"),)
    return Ran("run-1", "me", outcomes, "plan-1", left=left, stopped="by Ctrl-C", again=AGAIN)


def previewed() -> Ran:
    """A dry run of the first group."""
    planned = plan().groups[0]
    made = calls(planned.group, planned.wanted)
    return Ran("run-2", "me", (Outcome(planned.place, "web", Status.WOULD_CHANGE, calls=made),), dry_run=True)


def steps() -> tuple[Restoring, ...]:
    """A rollback of three groups: one that was locked down and described anew, one as it was, one that is gone."""
    before = replace(GROUPS[0], rules=tuple(rule._replace(tags=(("team", "web"),)) for rule in GROUPS[0].rules))
    backup = Backup(before, NOW, Cause("remediation", "run-1", "me\x1b", "NO_SSH"))
    kept = before.rules[1]._replace(description="edited", tags=())
    now = replace(before, rules=(kept, before.rules[2]), tags=(("COMPLIANCE_STATUS", "NON_COMPLIANT"),))
    made = calls(now, restoring(before, now))
    would = Outcome(before.place, before.name, Status.WOULD_CHANGE, backup_id=backup.id, calls=made)
    gone = Outcome(
        _place("sg-0009"), "gone", Status.GONE, "sg-0009 is not there any more", "nothing is left to be done"
    )
    return (
        Restoring(backup.id, backup, now, would),
        Restoring(backup.id, backup, before, replace(would, status=Status.UNCHANGED, calls=())),
        Restoring("sg-0009-20260115T120000Z-0123456789abcdef", None, None, gone),
    )


def restored() -> Ran:
    """What came of it."""
    lost = "not added: tcp 443 from sg-9: the group sg-9 does not exist"
    made = steps()[0].outcome.calls
    place = GROUPS[0].place
    outcome = Outcome(place, "web", Status.PARTIAL, "not all of it could be restored", "", BACKUP_ID, made, (lost,))
    return Ran("run-3", "me", (outcome,))
