"""Two homes for the same groups: the EC2 twin behind boto3 clients, and files with AWS's JSON."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from sg_compliance.aws import translate
from sg_compliance.aws.ec2_lookup import Ec2Lookup
from sg_compliance.local.files import FileInventory
from sg_compliance.local.lookup import FileLookup
from sg_compliance.model.security_group import Place
from sg_compliance.testing.twin import Twin
from tests.builders import ACCOUNT, REGION, raw_group
from tests.world import TwinSessions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sg_compliance.interfaces import Lookup
    from tests.builders import Json

PARTNER: Final = "444455556666"
GROUP_ID: Final = "sg-0a1b2c3d"


class Home(Protocol):
    """Where the test puts groups, and looks them up."""

    def put(self, *ingress: Json, account: str = ACCOUNT, region: str = REGION, **others: Any) -> Place:  # noqa: ANN401
        """Put a group."""

    def put_list(self, prefix_list_id: str, *cidrs: str, shared_with: str = "") -> None:
        """Put a prefix list of the account's."""

    def put_interface(self, interface_id: str, group_id: str) -> None:
        """Put an interface that has the group."""

    def lookup(self) -> AbstractContextManager[Lookup]:
        """Look them up; names of groups are asked for."""


@dataclass
class InEc2:
    """The twin, which shows owners what refers to their lists."""

    twin: Twin = field(default_factory=Twin)

    def put(self, *ingress: Json, account: str = ACCOUNT, region: str = REGION, **others: Any) -> Place:  # noqa: ANN401
        group_id = self.twin.put_group(account, region, raw_group(*ingress, account=account, **others))
        return Place(account, region, group_id)

    def put_list(self, prefix_list_id: str, *cidrs: str, shared_with: str = "") -> None:
        listed = {"PrefixListId": prefix_list_id, "PrefixListName": "offices", "OwnerId": ACCOUNT}
        for account in (ACCOUNT, *filter(None, [shared_with])):
            self.twin.put_prefix_list(account, REGION, listed, cidrs)

    def put_interface(self, interface_id: str, group_id: str) -> None:
        self.twin.put_interface(ACCOUNT, REGION, group_id, NetworkInterfaceId=interface_id, VpcId="vpc-1")

    @contextmanager
    def lookup(self) -> Iterator[Lookup]:
        yield Ec2Lookup(TwinSessions(self.twin), names_of_groups=True)  # type: ignore[arg-type]


@dataclass
class InFiles:
    """A folder: groups in one file, what goes with them in another."""

    folder: Path
    groups: list[Json] = field(default_factory=list)
    others: dict[str, list[Json]] = field(default_factory=lambda: {"PrefixLists": [], "NetworkInterfaces": []})

    def put(self, *ingress: Json, account: str = ACCOUNT, region: str = REGION, **others: Any) -> Place:  # noqa: ANN401
        raw = raw_group(*ingress, account=account, **others)
        arn = f"arn:aws:ec2:{region}:{account}:security-group/{raw['GroupId']}"
        self.groups.append({**raw, "SecurityGroupArn": arn})
        return Place(account, region, raw["GroupId"])

    def put_list(self, prefix_list_id: str, *cidrs: str, shared_with: str = "") -> None:
        del shared_with
        entries = [{"Cidr": cidr} for cidr in cidrs]
        listed = {"PrefixListId": prefix_list_id, "PrefixListName": "offices", "OwnerId": ACCOUNT, "Entries": entries}
        self.others["PrefixLists"].append(listed)

    def put_interface(self, interface_id: str, group_id: str) -> None:
        attached = {"NetworkInterfaceId": interface_id, "VpcId": "vpc-1", "Groups": [{"GroupId": group_id}]}
        self.others["NetworkInterfaces"].append(attached)

    @contextmanager
    def lookup(self) -> Iterator[Lookup]:
        written = {"others.json": self.others, "groups.json": {"SecurityGroups": self.groups}}
        for name, content in written.items():
            (self.folder / name).write_text(json.dumps(content), encoding="utf-8")
        inventory = FileInventory([str(self.folder)], translate, names_needed=True)
        try:
            yield FileLookup(inventory)
        finally:
            inventory.close()
