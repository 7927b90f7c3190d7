"""The chain of the audit log: whatever is done to its lines afterwards is found, and said where."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sg_compliance.enforcement.audit import (
    NO_ENTRY,
    TORN_END,
    Head,
    ProblemKind,
    seal,
    sealed_head,
    torn_hash,
    verify,
)

EVENTS = st.dictionaries(
    st.text(max_size=8).filter(lambda key: key not in {"sequence", "previous", "hash", "torn"}),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
)
CHAINS = st.lists(EVENTS, min_size=2, max_size=6)


def chain(*events: dict[str, object]) -> list[str]:
    lines: list[str] = []
    head = NO_ENTRY
    for event in events:
        lines.append(seal(event, head.hash, head.sequence + 1))
        head = head_of(lines[-1])
    return lines


def numbered(count: int) -> list[str]:
    return chain(*({"action": "revoke", "number": number} for number in range(1, count + 1)))


def head_of(line: str) -> Head:
    head = sealed_head(line)
    assert head is not None
    return head


def after(line: str, event: dict[str, object], torn: str = "") -> str:
    head = head_of(line)
    return seal(event, head.hash, head.sequence + 1, torn=torn)


def kinds(lines: list[str], expected: Head | None = None) -> list[tuple[int, ProblemKind]]:
    return [(problem.line, problem.kind) for problem in verify(lines, expected).problems]


def test_a_line_is_one_ascii_object_with_sorted_keys_and_its_own_hash() -> None:
    line = seal({"zoë": "\u2028", "b": 1}, "0" * 64, 1)
    record = json.loads(line)
    assert line.isascii()
    assert "\n" not in line
    assert list(record) == sorted(record)
    said = record.pop("hash")
    assert said == sha256(json.dumps(record, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    assert (record["sequence"], record["previous"], record["zoë"]) == (1, "0" * 64, "\u2028")


def test_keys_that_are_numbers_are_sorted_as_the_text_that_they_become() -> None:
    assert verify([seal({"ports": {9: 1, 10: 2}}, "0" * 64, 1)]).intact


@pytest.mark.parametrize("key", ["sequence", "previous", "hash", "torn"])
def test_an_event_cannot_take_the_chains_own_keys(key: str) -> None:
    with pytest.raises(ValueError, match=key):
        seal({key: 1}, "0" * 64, 1)


def test_no_lines_are_an_intact_chain() -> None:
    report = verify([])
    assert (report.intact, report.entries, report.head) == (True, 0, NO_ENTRY)


@given(CHAINS)
def test_a_chain_that_was_left_alone_is_intact(events: list[dict[str, object]]) -> None:
    lines = chain(*events)
    report = verify(lines, head_of(lines[0]))
    assert (report.problems, report.entries, report.torn) == ((), len(lines), 0)
    assert report.head == head_of(lines[-1])


@given(CHAINS, st.data())
def test_a_line_with_any_character_changed_is_found(events: list[dict[str, object]], data: st.DataObject) -> None:
    lines = chain(*events)
    index = data.draw(st.integers(0, len(lines) - 1))
    place = data.draw(st.integers(0, len(lines[index]) - 1))
    char = data.draw(st.characters(exclude_characters=lines[index][place] + "\n"))
    lines[index] = lines[index][:place] + char + lines[index][place + 1 :]
    assert index + 1 in [line for line, _ in kinds(lines)]


@given(CHAINS, st.data())
def test_a_line_with_anything_added_or_taken_is_found(events: list[dict[str, object]], data: st.DataObject) -> None:
    lines = chain(*events)
    index = data.draw(st.integers(0, len(lines) - 1))
    place = data.draw(st.integers(0, len(lines[index])))
    end = data.draw(st.integers(place, len(lines[index])))
    new = data.draw(st.sampled_from(["", " ", "x", "{}", '"a":1,']))
    changed = lines[index][:place] + new + lines[index][end:]
    assume(changed != lines[index])
    lines[index] = changed
    assert index + 1 in [line for line, _ in kinds(lines)]


@given(CHAINS, st.data())
def test_an_event_that_was_rewritten_and_sealed_anew_is_found(
    events: list[dict[str, object]], data: st.DataObject
) -> None:
    lines = chain(*events)
    index = data.draw(st.integers(0, len(lines) - 2))
    old = json.loads(lines[index])
    lines[index] = seal({"innocent": True, "x": "y" * 9}, old["previous"], old["sequence"])
    assert kinds(lines) == [(index + 2, ProblemKind.CHANGED)]


@given(CHAINS, st.data())
def test_a_line_that_was_removed_is_found(events: list[dict[str, object]], data: st.DataObject) -> None:
    lines = chain(*events)
    head = head_of(lines[-1])
    index = data.draw(st.integers(0, len(lines) - 1))
    del lines[index]
    assert kinds(lines, head) == [(min(index + 1, len(lines)), ProblemKind.MISSING)]


@given(CHAINS, st.data())
def test_two_lines_that_were_swapped_are_found(events: list[dict[str, object]], data: st.DataObject) -> None:
    lines = chain(*events)
    first = data.draw(st.integers(0, len(lines) - 2))
    second = data.draw(st.integers(first + 1, len(lines) - 1))
    lines[first], lines[second] = lines[second], lines[first]
    assert ProblemKind.ORDER in [kind for _, kind in kinds(lines)]


@given(CHAINS, st.data())
def test_a_line_that_stands_twice_is_found(events: list[dict[str, object]], data: st.DataObject) -> None:
    lines = chain(*events)
    index = data.draw(st.integers(0, len(lines) - 1))
    place = data.draw(st.integers(index + 1, len(lines)))
    lines.insert(place, lines[index])
    assert kinds(lines) == [(place + 1, ProblemKind.ORDER)]


@given(st.lists(st.text(max_size=90) | st.sampled_from(["null", "[]", "1", '"x"', "{}", "[" * 50_000]), max_size=4))
def test_what_was_never_a_log_is_told_line_by_line(lines: list[str]) -> None:
    assert [line for line, _ in kinds(lines)] == list(range(1, len(lines) + 1))


def test_missing_lines_are_named_and_counted() -> None:
    lines = numbered(9)
    del lines[2:6]
    (problem,) = verify(lines).problems
    assert (problem.line, problem.text) == (3, "entries 3-6 missing before this line")


def test_a_beginning_that_was_cut_off_is_found() -> None:
    assert verify(numbered(4)[2:]).problems[0].text == "entries 1-2 missing before this line"


def test_an_end_that_was_cut_off_is_found_by_the_head_that_was_noted() -> None:
    lines = numbered(5)
    head = head_of(lines[-1])
    assert verify(lines[:3]).intact
    (problem,) = verify(lines[:3], head).problems
    assert (problem.line, problem.kind, problem.text) == (3, ProblemKind.MISSING, "entries 4-5 missing at the end")
    assert verify([], head).problems[0].text == "entries 1-5 missing at the end"


def test_a_log_that_was_written_anew_is_found_by_the_head_that_was_noted() -> None:
    head = head_of(numbered(3)[1])
    anew = chain({"a": 1}, {"b": 1}, {"c": 1})
    assert verify(anew).intact
    assert kinds(anew, head) == [(2, ProblemKind.CHANGED)]


def test_a_head_that_was_noted_long_ago_is_met_on_the_way() -> None:
    lines = numbered(5)
    assert verify(lines, head_of(lines[1])).intact
    assert verify(lines, NO_ENTRY).intact


def test_a_line_that_was_put_in_between_is_found_and_the_chain_goes_on() -> None:
    lines = numbered(3)
    lines.insert(1, '{"action":"nothing"}')
    assert kinds(lines) == [(2, ProblemKind.CHANGED)]


def test_a_line_that_was_overwritten_is_one_problem() -> None:
    lines = numbered(3)
    lines[1] = "#" * len(lines[1])
    report = verify(lines)
    assert [(problem.line, problem.kind) for problem in report.problems] == [(2, ProblemKind.TORN)]
    assert report.entries == 2


def test_a_torn_line_that_the_next_entry_accounts_for_is_no_problem() -> None:
    first, second = numbered(2)
    torn = second[:40] + TORN_END
    third = after(first, {"after": "the crash"}, torn_hash([torn]))
    report = verify([first, torn, third, after(third, {})])
    assert (report.problems, report.entries, report.torn) == ((), 3, 1)


def test_no_other_torn_line_passes_for_it() -> None:
    first, second = numbered(2)
    torn = second[:40] + TORN_END
    third = after(first, {"after": "the crash"}, torn_hash([torn]))
    assert kinds([first, second[:39] + TORN_END, third]) == [(2, ProblemKind.TORN)]
    assert kinds([first, third]) == [(2, ProblemKind.MISSING)]
    assert kinds([first, torn, torn, third]) == [(2, ProblemKind.TORN), (3, ProblemKind.TORN)]


def test_a_torn_line_that_no_entry_accounts_for_is_told() -> None:
    first, second, third = numbered(3)
    assert kinds([first, second[:40]]) == [(2, ProblemKind.TORN)]
    assert (2, ProblemKind.TORN) in kinds([first, second[:40] + TORN_END, third])


def test_what_is_no_text_can_be_torn_too() -> None:
    first, torn = numbered(1)[0], "\ud800\udc80" + TORN_END
    assert verify([first, torn, after(first, {}, torn_hash([torn]))]).intact


def test_a_line_cannot_claim_to_be_torn_for_another() -> None:
    first, second = numbered(2)
    claim = after(first, {}, torn_hash([second]))
    assert kinds([first, second, claim]) == [(3, ProblemKind.MISSING), (3, ProblemKind.ORDER)]


@pytest.mark.parametrize(
    "record", [{"sequence": 0}, {"sequence": True}, {"sequence": "1"}, {"sequence": 1, "previous": 0}]
)
def test_a_line_with_a_sound_hash_and_no_place_in_a_chain_is_no_entry(record: dict[str, object]) -> None:
    body = {"previous": "0" * 64, **record}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    line = json.dumps({**body, "hash": sha256(text.encode()).hexdigest()}, sort_keys=True, separators=(",", ":"))
    assert sealed_head(line) is None
