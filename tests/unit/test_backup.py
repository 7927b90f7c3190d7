"""Backups are readable for ever: the files of version 1 in tests/golden/backups were written once, and stay."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.enforcement.backup import Backup, Cause, decode_backup
from sg_compliance.errors import BackupDamagedError
from sg_compliance.model.security_group import GroupPeer, SecurityGroup
from tests.builders import NOW, all_traffic, group, icmp, permission, tcp, udp

KEPT = Path(__file__).parents[1] / "golden" / "backups"


def everything() -> SecurityGroup:
    """A group with every kind of rule, rules with ids, tags and odd texts."""
    found = group(
        tcp("20-25", "0.0.0.0/0", description="files"),
        tcp(443, "::/0", "2001:db8::/32"),
        udp(53, "10.0.0.0/8"),
        icmp(8, -1, "0.0.0.0/0"),
        icmp(3, 4, "10.0.0.0/8"),
        all_traffic("sg-00000001"),
        tcp(22, "pl-00000001", description="the partners' list"),
        permission("50", None, None, "198.51.100.0/24"),
        egress=[all_traffic("0.0.0.0/0", "::/0")],
        tags={"Owner": "payments", "Ünïcode": "snow ☃ \u202e", "empty": ""},
        group_id="sg-0a1b2c3d4e5f60718",
    )
    peer = GroupPeer("sg-00000002", "444455556666", None, "vpc-2", "pcx-1", "active")
    rules = [
        rule._replace(rule_id=f"sgr-{number:017x}", tags=(("ticket", f"OPS-{number}"),) if number % 2 else ())
        for number, rule in enumerate(found.rules)
    ]
    return replace(found, rules=(*rules, rules[-1]._replace(peer=peer, rule_id="sgr-00000000000000099")))


def backup() -> Backup:
    finding = {
        "id": "sgf-1",
        "rule_id": "RULE",
        "severity": "critical",
        "direction": "ingress",
        "reason": "why",
        "message": "tcp 22 from 0.0.0.0/0",
    }
    cause = Cause(
        "remediation", "run-1", "arn:aws:iam::111122223333:user/anna", "by hand", "1.0", "sha256:0", (finding,)
    )
    return Backup(everything(), NOW, cause)


@pytest.mark.parametrize("path", sorted(KEPT.glob("*.json")), ids=lambda path: path.stem)
def test_every_backup_that_was_ever_written_is_read(path: Path) -> None:
    read = decode_backup(path.read_bytes(), path.stem)
    assert read.id == path.stem
    assert read.encode() == path.read_bytes()


def test_there_are_backups_of_version_1_and_they_hold_what_they_held() -> None:
    first = next(path for path in KEPT.glob("*.json") if not json.loads(path.read_bytes())["amends"])
    assert decode_backup(first.read_bytes(), first.stem) == backup()


def test_a_backup_reads_back_as_what_was_written() -> None:
    assert decode_backup(backup().encode(), backup().id) == backup()


def test_rules_that_were_added_make_a_new_backup_that_names_the_old_one() -> None:
    before = backup()
    after = before.with_rules(group(tcp(8080, "10.0.0.0/8")).rules, NOW + timedelta(seconds=5))
    assert after.amends == before.id
    assert after.id != before.id
    assert len(after.group.rules) == len(before.group.rules) + 1


@given(data=st.data())
def test_a_flipped_bit_is_found(data: st.DataObject) -> None:
    written = bytearray(backup().encode())
    at = data.draw(st.integers(0, len(written) - 1))
    written[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        read = decode_backup(bytes(written), backup().id)
    except BackupDamagedError:
        return
    assert read == backup()  # white space means nothing


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "version 2"),
        ({"schema": "another"}, "another"),
        ({"checksum": "sha256:0"}, "does not match its checksum"),
        ({"group": None}, "does not match its checksum"),
    ],
)
def test_what_is_wrong_with_a_backup_is_said(change: dict[str, object], said: str) -> None:
    document = {**json.loads(backup().encode()), **change}
    with pytest.raises(BackupDamagedError, match=said):
        decode_backup(json.dumps(document).encode(), backup().id)


@pytest.mark.parametrize("cut", [0, 1, 100, -1, -2])
def test_a_backup_that_was_cut_off_is_damaged_or_whole(cut: int) -> None:
    data = backup().encode()[:cut]
    if cut == -1:  # the newline
        assert decode_backup(data, backup().id) == backup()
    else:
        with pytest.raises(BackupDamagedError):
            decode_backup(data, backup().id)


def test_a_backup_under_the_name_of_another_is_refused() -> None:
    other = replace(backup(), created=NOW + timedelta(hours=1))
    with pytest.raises(BackupDamagedError, match="another backup"):
        decode_backup(backup().encode(), other.id)
