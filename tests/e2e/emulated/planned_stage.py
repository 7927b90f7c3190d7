"""Two deployments as Terraform plans them, in the emulator with IAM: `told` in dry run, and `locks`, which changes.

Both are in the account of the paper provider and watch `WATCHED`, where each has its roles of modules/member-account.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sg_compliance.testing.organisation import demo_organisation
from tests.builders import EVERYONE, tcp
from tests.e2e.emulated.deployment import Queue
from tests.e2e.emulated.emulator import REGION, emulator
from tests.e2e.emulated.planned import SECRET, Emulated, make
from tests.e2e.emulated.response_stage import ADDRESS, DUMMY, HTTPS, POLICY, SSH, VPC, WATCHED
from tests.terraform.paper import ACCOUNT, EXTERNAL_ID, Applied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.builders import Json
    from tests.e2e.emulated.member_accounts import MemberAccounts
    from tests.terraform.paper import Workshop

DRY_RUN: Final = {"told": "true", "locks": "false"}
"""The deployments, and their `dry_run_mode`."""
_LAUNCHER: Final = Path(__file__).with_name("with_iam.py")
_HOME: Final = """
module "NAME" {
  source                        = "../.."
  environment                   = "NAME"
  dry_run_mode                  = DRY
  target_accounts               = ["WATCHED"]
  watched_regions               = ["REGION"]
  external_id                   = "EXTERNAL_ID"
  policy_file                   = "POLICY"
  enable_automatic_remediation  = true
  real_time_scanning_enabled    = true
  immediate_remediation_enabled = true
  max_groups_per_hour           = 1000
}
output "NAME" {
  value = module.NAME.member_account
}
"""
_MEMBER: Final = """
variable "NAME" {
  type = any
}
module "NAME" {
  source            = "../../modules/member-account"
  central           = var.NAME
  allow_remediation = true
}
"""


@dataclass(frozen=True)
class PlannedStage:
    """What was made: by deployment what Terraform planned, what it is made of, and who is told.

    `checks`: the file in which the emulator writes what it has judged.
    """

    home: dict[str, Emulated]
    member: Emulated
    accounts: MemberAccounts
    planned: dict[str, Applied]
    inboxes: dict[str, Queue]
    checks: Path
    heard_by: dict[str, str] = field(default_factory=dict)
    """The deployment that hears of a group, by the group's id. Nobody hears of others."""
    _told: dict[str, list[Json]] = field(default_factory=dict)

    def group(self, name: str, *permissions: Json, tags: tuple[Json, ...] = ()) -> str:
        """A group in `WATCHED` that is open for SSH, if nothing else is said. No event tells of it."""
        raw = {
            "GroupName": name,
            "VpcId": VPC,
            "Description": "of a test",
            "Tags": [{"Key": "Team", "Value": "payments"}, *tags],
            "IpPermissions": list(permissions or (HTTPS, SSH)),
            "IpPermissionsEgress": [tcp(443, EVERYONE, description="partners")],
        }
        made: str = self.accounts.command("make", account_id=WATCHED, region=REGION, raw_group=raw)
        return made

    def ports(self, group_id: str) -> list[list[object]]:
        """Protocol and ports of each inbound rule."""
        found = self.accounts.command("snapshot", account_id=WATCHED, region=REGION, group_id=group_id)["rules"]
        return sorted(each["traffic"] for each in found if each["direction"] == "ingress")

    def is_locked(self, group_id: str) -> bool:
        """Whether the group has the dummy rule and no other."""
        return self.ports(group_id) == DUMMY

    def open(self, name: str, group_id: str) -> None:
        """An IAM user of the name opens the group for SSH, from `ADDRESS`."""
        ec2 = self.accounts.client(self.accounts.user(WATCHED, name))
        ec2.meta.events.register("before-sign.ec2", _from_address)
        ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=[SSH])

    def hear(self, event: Json) -> None:
        """An event of the trail: to the central bus of the deployment that hears of its group."""
        group_id = event["detail"]["requestParameters"].get("groupId")
        if group_id in self.heard_by:
            name = self.heard_by[group_id]
            bus = self.planned[name].one("aws_cloudwatch_event_bus")["name"]
            self.put(name, event["source"], event["detail-type"], event["detail"], bus)

    def put(self, name: str, source: str, kind: str, detail: Json, bus: str = "default") -> None:
        """Put an event on a bus of the deployment's account."""
        entry = {"Source": source, "DetailType": kind, "Detail": json.dumps(detail), "EventBusName": bus}
        answer = self.home[name].client("events").put_events(Entries=[entry])
        assert answer["FailedEntryCount"] == 0, answer

    def waiting(self, name: str, url: str) -> int:
        """How many messages a queue has, hidden and delayed ones too."""
        return self.home[name].waiting(Queue(url, ""))

    def told(self, name: str, about: str) -> list[Json]:
        """What people were told of it by now, by any topic: records for machines, and their topic's name."""
        told = self._told.setdefault(name, [])
        for body in self.home[name].take(self.inboxes[name], at_least=0):
            envelope = json.loads(body)
            told.append({**json.loads(envelope["Message"]), "topic": envelope["TopicArn"].rpartition(":")[2]})
        return [each for each in told if about in json.dumps(each)]


def _from_address(request: Any, **_: object) -> None:  # noqa: ANN401  botocore's
    request.headers["X-Forwarded-For"] = ADDRESS


@contextmanager
def planned_stage(workshop: Workshop, accounts: MemberAccounts, package: Path, folder: Path) -> Iterator[PlannedStage]:
    """Apply both on paper, and make them in the emulator, until the block ends."""
    home, member = _applied(workshop)
    checks = folder / "checks"
    variables = {
        "AUTH": "true",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "EC2_AT": accounts.endpoint_url,
        "EC2_ENTRY": demo_organisation().role_name,
        "CHECKS": str(checks),
    }
    with emulator(_LAUNCHER, variables) as url:
        watched = Emulated(url, "watched", WATCHED, package)
        deployments = {name: Emulated(url, f"sg-compliance-{name}", ACCOUNT, package) for name in DRY_RUN}
        planned, inboxes = {}, {}
        for name, deployment in deployments.items():
            for role in make(watched, _below(member, name)).of("aws_iam_role").values():
                accounts.role(WATCHED, role["name"])
            planned[name] = make(deployment, _below(home, name))
            inboxes[name] = _inbox(deployment, planned[name])
        yield PlannedStage(deployments, watched, accounts, planned, inboxes, checks)


def _applied(workshop: Workshop) -> tuple[Applied, Applied]:
    """The account of the functions, and the one that is watched."""
    policy = workshop.folder / "policy.json"
    policy.write_text(json.dumps(POLICY), encoding="utf-8")
    words = {"WATCHED": WATCHED, "REGION": REGION, "EXTERNAL_ID": EXTERNAL_ID, "POLICY": str(policy)}
    for place, text in (("home", _HOME), ("member", _MEMBER)):
        folder = workshop.folder / "terraform" / "examples" / f"emulated-{place}"
        folder.mkdir()
        written = [_filled(text, {**words, "NAME": name, "DRY": dry}) for name, dry in DRY_RUN.items()]
        (folder / "main.tf").write_text("".join(written), encoding="utf-8")
    home = workshop.apply("emulated-home", {}, "examples/emulated-home")
    return home, workshop.apply("emulated-member", home.outputs, "examples/emulated-member", WATCHED)


def _filled(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _below(applied: Applied, module: str) -> Applied:
    """What is of one module."""
    return Applied(tuple(each for each in applied.resources if each["address"].startswith(f"module.{module}.")), {})


def _inbox(deployment: Emulated, planned: Applied) -> Queue:
    """A queue that is told all that the topics are told."""
    topics = [each["arn"] for each in planned.of("aws_sns_topic").values()]
    name = deployment.name("inbox")
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topics}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    url = deployment.client("sqs").create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
    for topic in topics:
        deployment.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return Queue(url, arn)
