"""The tags of a group that violates: which, in AWS's alphabet, and what happens where there is no room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.enforcement.tags import clean_value, marks, warning_marks, worst_of
from tests.builders import EVERYONE, group, judge, policy, prohibit, tcp

if TYPE_CHECKING:
    from sg_compliance.model.finding import Finding

PREFIX = "COMPLIANCE_"
NAMES = ("STATUS", "BACKUP_ID", "REMEDIATED", "VIOLATION_REASON", "VIOLATION_COUNT")


def findings() -> list[Finding]:
    bound = policy(
        prohibit(22, rule_id="LOW", severity="low", reason="not so bad"),
        prohibit(22, rule_id="WORST", severity="critical", reason="SSH; open to all (0.0.0.0/0)!"),
    )
    return judge(bound, group(tcp(22, EVERYONE)))


def full(count: int) -> tuple[tuple[str, str], ...]:
    return tuple((f"k{number}", "") for number in range(count))


def test_a_remediated_group_says_what_was_wrong_and_where_the_backup_is() -> None:
    made = marks(findings(), PREFIX, "b-1", emergency=False, existing=())
    assert made.tags == (
        ("COMPLIANCE_STATUS", "NON_COMPLIANT"),
        ("COMPLIANCE_BACKUP_ID", "b-1"),
        ("COMPLIANCE_REMEDIATED", "true"),
        ("COMPLIANCE_VIOLATION_REASON", "SSH open to all 0.0.0.0/0"),
        ("COMPLIANCE_VIOLATION_COUNT", "2"),
    )
    assert made.missing == ()


def test_an_emergency_is_marked_as_one() -> None:
    made = marks(findings(), PREFIX, "b-1", emergency=True, existing=())
    assert made.tags[-1] == ("COMPLIANCE_EMERGENCY", "true")


def test_a_group_that_is_only_tagged_is_not_called_remediated() -> None:
    made = warning_marks(findings(), PREFIX, existing=())
    assert [key for key, _ in made.tags] == [
        f"{PREFIX}{name}" for name in ("STATUS", "VIOLATION_COUNT", "VIOLATION_REASON")
    ]


def test_tags_without_a_free_slot_are_named_as_missing() -> None:
    made = marks(findings(), PREFIX, "b-1", emergency=False, existing=(*full(48), ("aws:x", "")))
    assert [key for key, _ in made.tags] == ["COMPLIANCE_STATUS", "COMPLIANCE_BACKUP_ID"]
    assert made.missing == tuple(f"{PREFIX}{name}" for name in NAMES[2:])
    assert marks(findings(), PREFIX, "b-1", emergency=False, existing=full(50)).tags == ()


def test_a_key_that_is_there_already_needs_no_slot() -> None:
    own = (("COMPLIANCE_VIOLATION_COUNT", "7"), ("COMPLIANCE_STATUS", "old"))
    made = marks(findings(), PREFIX, "b-1", emergency=False, existing=(*full(48), *own))
    assert made.tags == (("COMPLIANCE_STATUS", "NON_COMPLIANT"), ("COMPLIANCE_VIOLATION_COUNT", "2"))
    assert len(made.missing) == 3
    made = marks(findings(), PREFIX, "b-1", emergency=False, existing=(*full(47), *own))
    assert "COMPLIANCE_BACKUP_ID" in dict(made.tags)
    assert len(made.missing) == 2


def test_a_prefix_of_aws_itself_can_be_set_nowhere() -> None:
    made = marks(findings(), "AWS:mine:", "b-1", emergency=False, existing=())
    assert (made.tags, len(made.missing)) == ((), 5)


def test_keys_and_values_fit_and_stay_apart() -> None:
    made = marks(findings(), "p" * 200, "b" * 300, emergency=False, existing=())
    assert len({key for key, _ in made.tags}) == 5
    assert {len(key) for key, _ in made.tags} == {128}
    assert len(dict(made.tags)["p" * (128 - len("BACKUP_ID")) + "BACKUP_ID"]) == 256


def test_values_are_cleaned_to_the_alphabet_of_tags() -> None:
    assert clean_value("  a;b\t<c>\n+-=._:/@ \u00e4\u65e5 ") == "a b c +-=._:/@ \u00e4\u65e5"
    assert clean_value("x" * 255 + " yz") == "x" * 255


def test_a_group_without_findings_has_no_reason() -> None:
    assert worst_of(()) is None
    assert dict(marks((), PREFIX, "b-1", emergency=False, existing=()).tags)["COMPLIANCE_VIOLATION_REASON"] == ""


def test_a_finding_without_a_reason_says_what_is_open() -> None:
    (finding,) = judge(prohibit(22), group(tcp(22, EVERYONE)))
    made = dict(warning_marks([finding], PREFIX, existing=()).tags)
    assert made["COMPLIANCE_VIOLATION_REASON"].startswith("tcp 22 is open from 0.0.0.0/0")
