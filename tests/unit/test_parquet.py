"""Snapshots in Parquet: whole or not there, read with columns, and refused where they are not what was written."""

from __future__ import annotations

import errno
import gc
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sg_compliance.aws import render, translate
from sg_compliance.entrypoints.cli import main
from sg_compliance.errors import InputError
from sg_compliance.interfaces import Page
from sg_compliance.local import parquet_schema as schema
from sg_compliance.local.files import FileInventory
from sg_compliance.local.parquet_snapshot import ParquetSnapshot
from sg_compliance.local.snapshot_file import open_parquet
from sg_compliance.model.scan import Skipped
from sg_compliance.model.security_group import GroupPeer
from tests.builders import EVERYONE, all_traffic, group, icmp, lists, permission, raw_group, tcp, udp
from tests.columns_of import columns_of
from tests.parquet_files import ABOUT, Read, changed, changed_rule, header, rewritten, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from sg_compliance.model.security_group import SecurityGroup

ROOT = Path(__file__).parents[2]
SKIPPED = Skipped("security groups", "denied", "allow it", "1", "r", wanted=False)


def estate() -> list[SecurityGroup]:
    return [
        group(tcp(22, EVERYONE, "pl-1", "2001:db8::/32", description=" ssh "), udp(53, "10.1.2.3/8"), group_id="sg-1"),
        group(icmp(8, -1, "sg-1", "sg-9"), all_traffic("sg-2"), group_id="sg-2", GroupName="db", tags={"a": "b"}),
        group(egress=[all_traffic(EVERYONE)], group_id="sg-3"),
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.parquet"


def names_of(groups: list[SecurityGroup]) -> list[str]:
    return [each.group_id for each in groups]


# ---- what is in it ----


def test_a_row_says_what_aws_wrote_and_what_it_means(path: Path) -> None:
    peer = {"GroupId": "sg-2", "UserId": "9", "VpcId": "vpc-2", "VpcPeeringConnectionId": "pcx-1"}
    rules = [
        {"IpProtocol": "tcp", "FromPort": 20, "ToPort": 25, "IpRanges": [{"CidrIp": "10.1.2.3/8", "Description": "x"}]},
        {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "UserIdGroupPairs": [peer]},
    ]
    written = group(*rules, tags={"Name": "a"}, AttachedNetworkInterfaceIds=["eni-1"])
    (row,) = pq.read_table(write(path, [written])).to_pylist()
    nothing = dict.fromkeys(("peer_account_id", "peer_name", "peer_vpc_id", "peering_id", "peering_status"))
    one = {"direction": "ingress", "ip_protocol": "tcp", "from_port": 20, "to_port": 25, "rule_id": None}
    two = {"direction": "ingress", "ip_protocol": "icmp", "from_port": 8, "to_port": -1, "rule_id": None}
    assert row == {
        "account_id": "111122223333",
        "region": "eu-west-1",
        "group_id": "sg-0a1b2c3d",
        "name": "web",
        "description": "the group of the test",
        "vpc_id": "vpc-1",
        "tags": [{"key": "Name", "value": "a"}],
        "interfaces": ["eni-1"],
        "managed_interfaces": [],
        "rules": [
            {**one, **nothing, "peer_kind": "ipv4", "peer": "10.1.2.3/8", "description": "x"}
            | {"protocol": 6, "first": 20, "last": 25, "low": 10 << 24, "high": (11 << 24) - 1},
            {**two, **nothing, "peer_kind": "group", "peer": "sg-2", "description": None}
            | {"peer_account_id": "9", "peer_vpc_id": "vpc-2", "peering_id": "pcx-1"}
            | {"protocol": 1, "first": 8 * 256, "last": 8 * 256 + 255, "low": None, "high": None},
        ],
        "malformed": [],
        "as_json": None,
    }


def test_a_malformed_rule_is_told_in_columns_and_kept_as_aws_wrote_it(path: Path) -> None:
    (row,) = pq.read_table(write(path, [group(tcp("23-21", EVERYONE), tcp(22, EVERYONE))])).to_pylist()
    (malformed,) = row["malformed"]
    assert malformed["problem"] == "ports 23-21: the range is inverted and lets nothing through"
    assert (malformed["from_port"], malformed["to_port"], malformed["peer"]) == ("23", "21", EVERYONE)
    assert len(row["rules"]) == 1
    assert "IpPermissions" in row["as_json"]


def test_text_that_utf_8_cannot_hold_survives_beside_a_question_mark(path: Path) -> None:
    odd = group(tcp(22, EVERYONE, description="a\udfff"), GroupName="x\ud800", tags={"\ud800": "\ud801"})
    found = Read(write(path, [*estate(), odd]))
    assert found.groups == [*estate(), odd]
    assert pq.read_table(path).column("name").to_pylist()[-1] == "x?"
    (page,) = found.pages
    assert page.columns is not None
    assert page.columns.names[3] == "x\ud800"
    assert page.columns.owners[page.columns.whose[3]].tags == (("\ud800", "\ud801"),)


@pytest.mark.parametrize("port", [10**30, -(2**31) - 1, 2**31, "22", "x"])
def test_a_port_that_is_no_such_number_survives(port: object, path: Path) -> None:
    odd = group(permission("-1", port, port, EVERYONE), permission("tcp", port, port, EVERYONE))
    assert Read(write(path, [odd])).groups == [odd]


def test_the_header_says_what_is_true_of_the_whole(path: Path) -> None:
    known = lists({"pl-2": None, "pl-1": ["10.0.0.0/8"]})
    write(path, estate()[:1], estate()[1:], prefix_lists=known, skipped=[SKIPPED])
    assert header(path) == {
        "format": 1,
        **ABOUT,
        "groups": 3,
        "PrefixLists": [
            {"PrefixListId": "pl-1", "PrefixListName": "", "Entries": [{"Cidr": "10.0.0.0/8"}]},
            {"PrefixListId": "pl-2", "PrefixListName": ""},
        ],
        "Skipped": [SKIPPED._asdict()],
    }
    found = Read(path)
    assert (found.lists, found.skipped) == (known, [SKIPPED])


def test_rules_come_with_their_ids(path: Path) -> None:
    named = [replace(each, rules=tuple(rule._replace(rule_id="sgr-1") for rule in each.rules)) for each in estate()]
    (page,) = Read(write(path, named)).pages
    assert [*page.groups] == named


def test_an_empty_snapshot_is_one_too(path: Path) -> None:
    found = Read(write(path))
    assert (found.groups, found.skipped) == ([], [])


def test_groups_come_some_thousand_at_a_time_in_their_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "ROWS", 4)
    groups = [group(tcp(22, f"10.0.0.{number}/32"), group_id=f"sg-{number}") for number in range(11)]
    write(path, groups[:3], groups[3:10], groups[10:])
    metadata = pq.read_metadata(path)
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [10, 1]
    found = Read(path)
    assert found.groups == groups
    assert [len(page.groups) for page in found.pages] == [4, 4, 3]
    for page in found.pages:
        assert page.columns is not None
        assert page.columns.low.tolist() == columns_of(page.groups).low.tolist()


def test_a_page_can_be_cut_and_asked_from_its_end(path: Path) -> None:
    (page,) = Read(write(path, estate())).pages
    assert [*page.groups[1:]] == estate()[1:]
    assert page.groups[-1] == estate()[-1]


# ---- with other files ----


def test_names_and_interfaces_and_lists_come_from_other_files_too(path: Path) -> None:
    beside = path.with_name("beside.json")
    interface = {"NetworkInterfaceId": "eni-1", "VpcId": "vpc-1", "Groups": [{"GroupId": "sg-1"}]}
    named = [{"PrefixListId": "pl-1", "PrefixListName": "x", "Entries": [{"Cidr": "10.0.0.0/8"}]}]
    other = raw_group(group_id="sg-9", GroupName="nine")
    told = {"NetworkInterfaces": [interface], "PrefixLists": named, "SecurityGroups": [other]}
    beside.write_text(json.dumps(told), encoding="utf-8")
    found = Read(write(path, estate()), beside, names_needed=True)
    made = {each.group_id: each for each in found.groups}
    assert made["sg-1"].interfaces == ("eni-1",)
    assert made["sg-3"].interfaces == ()
    assert "pl-1" in found.lists
    peers = [rule.peer for rule in made["sg-2"].rules]
    assert [peer.name for peer in peers if isinstance(peer, GroupPeer)] == ["web", "nine", "db"]
    (columns,) = [page.columns for page in found.pages if page.columns]
    assert {peer.name for peer in columns.peers if isinstance(peer, GroupPeer)} == {"web", "nine", "db"}


def test_prefix_lists_that_go_on_elsewhere_stay_unknown(path: Path) -> None:
    broken_off = path.with_name("pl-1.json")
    broken_off.write_text(json.dumps({"Entries": [{"Cidr": "10.0.0.0/8"}], "NextToken": "x"}), encoding="utf-8")
    found = Read(write(path, estate(), prefix_lists=lists({"pl-1": ["10.0.0.0/8"]})), broken_off)
    assert found.lists["pl-1"].blocks is None


def test_a_group_that_stands_twice_is_judged_once(path: Path) -> None:
    found = Read(write(path, estate(), estate()[1:2]))
    assert found.groups == estate()
    (skipped,) = found.skipped
    assert (skipped.reason, skipped.wanted) == (f"{path}: 1 group that stood before; the first was judged", False)


def test_one_id_in_two_accounts_is_two_groups(path: Path) -> None:
    two = [group(group_id="sg-1", account=account) for account in ("1", "2")]
    found = Read(write(path, two))
    assert (found.groups, found.skipped) == (two, [])


def test_two_ids_that_only_look_alike_in_columns_are_two_groups(path: Path) -> None:
    two = [group(group_id="sg-\ud800"), group(group_id="sg-\ud801")]
    found = Read(write(path, two))
    assert (found.groups, found.skipped) == (two, [])


def test_a_group_in_two_files_is_judged_once(path: Path) -> None:
    other = write(path.with_name("y.parquet"), estate()[2:], [group(group_id="sg-4")])
    found = Read(write(path, estate()), other)
    assert names_of(found.groups) == ["sg-1", "sg-2", "sg-3", "sg-4"]
    assert "1 group that stood before" in found.skipped[0].reason


@pytest.mark.parametrize("name", ["x.parquet", "X.PARQUET", "snapshot"])
def test_a_file_is_known_by_its_first_bytes_whatever_its_name(name: str, tmp_path: Path) -> None:
    assert Read(write(tmp_path / name, estate())).groups == estate()


def test_a_folder_is_read_with_its_snapshots(path: Path) -> None:
    write(path, estate())
    assert Read(path.parent).groups == estate()


# ---- refused ----


def refused(path: Path) -> Skipped:
    """Why nothing is read of the file, as a scan would note it."""
    try:
        (found,) = Read(path).skipped
    except InputError as error:
        return Skipped(str(path), str(error), error.hint)
    return found


def without(name: str) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.drop_columns([name])


def as_type(name: str, kind: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index(name)
        return table.set_column(at, pa.field(name, kind), table.column(name).cast(kind))

    return change


def unchanged(table: pa.Table) -> pa.Table:
    return table


def ping(kind: int, code: int) -> Callable[[pa.Table], pa.Table]:
    """An ICMP rule of this type and code, with the ports that would follow if there were such."""
    first = kind * 256 + code
    return changed_rule("ip_protocol", "icmp", protocol=1, from_port=kind, to_port=code, first=first, last=first)


def malformed_alone(table: pa.Table) -> pa.Table:
    """The first group has a malformed rule, and is not written whole."""
    field = table.schema.field("malformed")
    rule = dict.fromkeys([each.name for each in field.type.value_type], "ingress")
    column = pa.array([[rule], *[[]] * (len(table) - 1)], field.type)
    return table.set_column(table.schema.get_field_index("malformed"), field, column)


DAMAGE: dict[str, tuple[Callable[[pa.Table], pa.Table], dict[str, object], str]] = {
    "another format": (unchanged, {"format": 2}, "a snapshot of format 2, and this version reads format 1"),
    "no format": (unchanged, {"format": "1"}, "no snapshot of sg-compliance"),
    "fewer rows": (lambda table: table.slice(1), {}, "2 groups are in it, and 3 were written"),
    "no lists": (unchanged, {"PrefixLists": None}, "its header lacks PrefixLists or Skipped"),
    "no skips": (unchanged, {"Skipped": {}}, "its header lacks PrefixLists or Skipped"),
    "a missing column": (without("as_json"), {}, "the column as_json is missing"),
    "another type": (as_type("name", pa.binary()), {}, "the column name is not as a snapshot has it: "),
    "null allowed": (as_type("region", pa.string()), {}, "the column region is not as a snapshot has it: "),
    "another protocol": (changed_rule("protocol", 17), {}, "a rule of sg-1 means something else than its columns say"),
    "another first port": (changed_rule("first", 23), {}, "a rule of sg-1 means something else"),
    "another last port": (changed_rule("last", 21), {}, "a rule of sg-1 means something else"),
    "another first address": (changed_rule("low", 1), {}, "a rule of sg-1 means something else"),
    "another last address": (changed_rule("high", 1), {}, "a rule of sg-1 means something else"),
    "no first address": (changed_rule("low", None), {}, "a rule of sg-1 means something else"),
    "no last address": (changed_rule("high", None), {}, "a rule of sg-1 means something else"),
    "an address of a list": (changed_rule("low", 1, at=2), {}, "a rule of sg-1 means something else"),
    "another block": (changed_rule("peer", "10.0.0.0/8"), {}, "a rule of sg-1 means something else"),
    "no block": (changed_rule("peer", "everyone"), {}, "a rule of sg-1 means something else"),
    "no block at zero": (changed_rule("peer", "everyone", low=0, high=0), {}, "a rule of sg-1 means something else"),
    "another port": (changed_rule("to_port", 23), {}, "a rule of sg-1 means something else"),
    "another spelling": (changed_rule("ip_protocol", "TCP"), {}, "a rule of sg-1 means something else"),
    "inverted ports": (changed_rule("from_port", 23, first=23), {}, "a rule of sg-1 means something else"),
    "a port that is too high": (changed_rule("to_port", 65536, last=65536), {}, "a rule of sg-1 means something else"),
    "a port below zero": (changed_rule("from_port", -2, first=-2), {}, "a rule of sg-1 means something else"),
    "no first port": (changed_rule("from_port", None, first=-1), {}, "a rule of sg-1 means something else"),
    "no such ICMP type": (ping(256, 8), {}, "a rule of sg-1 means something else"),
    "an ICMP type below zero": (ping(-2, 8), {}, "a rule of sg-1 means something else"),
    "no such ICMP code": (ping(8, 256), {}, "a rule of sg-1 means something else"),
    "an ICMP code below zero": (ping(8, -2), {}, "a rule of sg-1 means something else"),
    "no direction": (changed_rule("direction", "in"), {}, "a rule of sg-1 means something else"),
    "no kind": (changed_rule("peer_kind", "host"), {}, "a rule of sg-1 means something else"),
    "no IPv6": (changed_rule("peer", "everyone", at=1), {}, "'everyone' is no IPv6 block"),
    "IPv4 as IPv6": (changed_rule("peer", "10.0.0.0/8", at=1), {}, "'10.0.0.0/8' is no IPv6 block"),
    "malformed rules that are nowhere whole": (
        malformed_alone,
        {},
        "sg-1 has malformed rules, and as_json is not there",
    ),
    "no id": (changed("group_id", ""), {}, "a row has no group_id"),
    "no JSON": (changed("as_json", "{"), {}, "as_json of sg-1 is not what a snapshot holds"),
    "no groups": (changed("as_json", '{"SecurityGroups": []}'), {}, "as_json of sg-1 is not what a snapshot holds"),
    "other JSON": (changed("as_json", '{"SecurityGroups": [7]}'), {}, "as_json of sg-1 is not what a snapshot holds"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_not_as_it_was_written_is_refused(damage: str, path: Path) -> None:
    change, said, reason = DAMAGE[damage]
    found = refused(rewritten(write(path, estate()), change, **said))
    assert found.reason.startswith(f"{path}: ")
    assert reason in found.reason
    assert found.hint
    assert found.wanted


def test_the_same_table_written_by_another_tool_is_read(path: Path) -> None:
    assert Read(rewritten(write(path, estate()), unchanged)).groups == estate()


@pytest.mark.parametrize("part", [0, 3, 4, 12, 100, -1, -9, "middle"])
def test_a_file_that_breaks_off_is_refused(part: int | str, path: Path) -> None:
    whole = write(path, estate()).read_bytes()
    cut = len(whole) // 2 if part == "middle" else int(part)
    path.write_bytes(whole[:cut])
    found = refused(path)
    assert found.reason.startswith(f"{path}: cannot be read as Parquet: ")
    assert found.hint == "copy it again, or take the snapshot anew"


def test_damage_in_the_middle_is_refused(path: Path) -> None:
    whole = bytearray(write(path, estate()).read_bytes())
    whole[20:220] = bytes(200)
    path.write_bytes(whole)
    assert "cannot be read as Parquet" in refused(path).reason


def test_text_that_is_no_utf_8_is_refused(path: Path) -> None:
    whole = write(path, estate())
    names = pa.array([b"\xff\xfe"] * 3, pa.binary()).view(pa.string())

    def change(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index("name")
        return table.set_column(at, schema.SCHEMA.field("name"), names)

    assert "cannot be read as Parquet" in refused(rewritten(whole, change)).reason


def test_parquet_of_another_tool_is_refused(path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), path)
    found = refused(path)
    assert found.reason == f"{path}: Parquet, and no snapshot of sg-compliance"
    assert "--output NAME.parquet" in found.hint


def test_what_is_refused_hides_no_other_file(path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), path)
    found = Read(path, write(path.with_name("y.parquet"), estate()))
    assert found.groups == estate()
    assert len(found.skipped) == 1


def test_a_file_that_is_gone_is_told(path: Path) -> None:
    inventory = FileInventory([str(write(path, estate()))], translate)
    path.unlink()
    (skipped,) = inventory.shards()
    inventory.close()
    assert isinstance(skipped, Skipped)
    assert "No such file" in skipped.reason


# ---- written whole or not at all ----


def fail_in_the_middle(path: Path, error: BaseException) -> None:
    with open_parquet(path, render, ABOUT, replace=True) as snapshot:
        snapshot.add(Page(estate(), {}))
        raise error


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt(), InputError("x")])
def test_after_a_failure_in_the_middle_the_old_file_is_whole(error: BaseException, path: Path) -> None:
    path.write_text("old", encoding="utf-8")
    with pytest.raises(type(error)):
        fail_in_the_middle(path, error)
    assert path.read_text(encoding="utf-8") == "old"
    assert [*path.parent.iterdir()] == [path]


def test_what_is_given_up_is_not_written_to_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    complaints: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", complaints.append)
    monkeypatch.setattr(schema, "ROWS", 1)
    with pytest.raises(RuntimeError):
        fail_in_the_middle(path, RuntimeError())
    gc.collect()
    assert complaints == []


KILLED = """
import os, sys
from pathlib import Path
from tests.parquet_files import ABOUT, Page, open_parquet, render
from tests.builders import group
with open_parquet(Path(sys.argv[1]), render, ABOUT, replace=True) as snapshot:
    snapshot.add(Page([group(Description=os.urandom(20).hex()) for _ in range(10_500)], {}))
    os._exit(9)
"""


def test_a_process_that_is_killed_in_the_middle_leaves_the_old_file(path: Path) -> None:
    write(path, estate())
    before = path.read_bytes()
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, check=False)
    assert done.returncode == 9
    assert path.read_bytes() == before
    (unfinished,) = [each for each in path.parent.iterdir() if each != path]
    assert unfinished.name.endswith(".unfinished")
    assert unfinished.stat().st_size > 1000, "a row group was written before"
    assert Read(path.parent).groups == estate(), "what is unfinished is not read with its folder"


def test_one_bit_that_turned_over_is_noticed(path: Path) -> None:
    write(path, estate())
    whole = path.read_bytes()
    at = whole.index(b"sg-1")
    path.write_bytes(whole[:at] + b"sg-9" + whole[at + 4 :])
    assert "cannot be read as Parquet" in refused(path).reason


def test_only_this_user_may_read_it(path: Path) -> None:
    assert write(path, estate()).stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_there_is_replaced_only_when_asked(path: Path) -> None:
    write(path, estate())
    before = path.read_bytes()
    with pytest.raises(InputError, match="there is a file already"), open_parquet(path, render, ABOUT, replace=False):
        pytest.fail("must not begin")
    assert path.read_bytes() == before


class FullDisk:
    """A file on a disk that has room for so many bytes."""

    def __init__(self, file: BinaryIO, room: int) -> None:
        self._file = file
        self._room = room

    def write(self, data: bytes) -> int:
        self._room -= len(data)
        if self._room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the file has it
        return getattr(self._file, name)


@pytest.mark.parametrize("room", [0, 4, 500, 5000])
def test_a_full_disk_is_told_and_leaves_nothing(room: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class OnFullDisk(ParquetSnapshot):
        def __init__(self, file: BinaryIO, *others: Any) -> None:  # noqa: ANN401 - as there
            super().__init__(FullDisk(file, room), *others)  # type: ignore[arg-type]

    monkeypatch.setattr("sg_compliance.local.parquet_snapshot.ParquetSnapshot", OnFullDisk)
    with pytest.raises(InputError, match="No space left on device"):
        write(path, estate())
    assert not [*path.parent.iterdir()]


def test_a_meaning_that_columns_would_tell_otherwise_is_kept_as_json(path: Path) -> None:
    """If translation and columns ever come apart, what was written is translated again."""
    rule = group(tcp(22, EVERYONE)).rules[0]
    wrong = rule._replace(first=23, last=23)
    write(path, [replace(group(group_id="sg-1"), rules=(wrong,))])
    (row,) = pq.read_table(path).to_pylist()
    assert row["as_json"]
    assert Read(path).groups[0].rules == (rule,)


# ---- the whole command ----

EXAMPLES = str(ROOT / "docs" / "examples" / "aws")
COMMANDS = (
    ("scan", "--format", "jsonl"),
    ("scan", "--format", "text", "--policy", "strict"),
    ("explain", "web-alb"),
    ("snapshot", "--rule-ids"),
)


def test_every_command_says_of_parquet_what_it_says_of_json_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def output(*arguments: str) -> tuple[str, object]:
        monkeypatch.setattr("sys.argv", ["sg-compliance", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return capsys.readouterr().out, ended.value.code

    monkeypatch.chdir(tmp_path)
    for source, name in ((EXAMPLES, "all.jsonl"), (EXAMPLES, "all.parquet"), ("all.jsonl", "again.parquet")):
        output("snapshot", "--from", source, "--rule-ids", "-o", name)
    for command in COMMANDS:
        said, status = output(*command, "--from", "all.jsonl")
        assert said
        for name in ("all.parquet", "again.parquet"):
            assert output(*command, "--from", name) == (said, status), command


# ---- pyarrow ----

HIDING = "import sys; sys.modules['{0}'] = None; from sg_compliance.__main__ import main; main()"


@pytest.mark.e2e
@pytest.mark.parametrize("library", ["pyarrow", "numpy"])
@pytest.mark.parametrize("arguments", [("scan", "--from", "x.parquet"), ("snapshot", "--from", "a", "-o", "b.parquet")])
def test_without_pyarrow_it_is_said_what_to_install(library: str, arguments: tuple[str, ...], path: Path) -> None:
    write(path, estate())
    path.with_name("a").write_text(json.dumps({"SecurityGroups": [raw_group()]}), encoding="utf-8")
    command = [sys.executable, "-c", HIDING.format(library), *arguments]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    said = " ".join(done.stderr.split())
    assert f"without {library}, which is not installed" in said
    assert "pip install 'sg-compliance[parquet]'" in said
    assert "Traceback" not in said


LOADED = "import atexit, sys; atexit.register(lambda: print('LOADED', 'pyarrow' in sys.modules)); "
RUN = "from sg_compliance.__main__ import main; main()"


@pytest.mark.e2e
@pytest.mark.parametrize(("name", "loaded"), [("a.json", False), ("x.parquet", True)])
def test_pyarrow_is_loaded_only_for_parquet(name: str, loaded: bool, path: Path) -> None:
    write(path, estate())
    path.with_name("a.json").write_text(json.dumps({"SecurityGroups": [raw_group()]}), encoding="utf-8")
    for arguments in (("scan", "--from", name), ("snapshot", "--from", name, "-o", "all.jsonl", "--force")):
        command = [sys.executable, "-c", LOADED + RUN, *arguments]
        done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)
        assert done.stdout.splitlines()[-1] == f"LOADED {loaded}", done.stderr
