"""Events are found in whatever people have: a file of one, a list, lines, CloudTrail's own files, standard input."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_compliance.errors import InputError
from sg_compliance.local.event_file import EventText, _texts, event_texts

if TYPE_CHECKING:
    from pathlib import Path

ONE = {"detail": {"eventName": "A", "text": 'a "quoted" ]}, {'}}
TWO = {"eventName": "B"}


def in_file(folder: Path, text: str) -> list[str]:
    path = folder / "events.json"
    path.write_text(text, encoding="utf-8")
    return [each.text for each in event_texts(str(path))]


def places(folder: Path, text: str) -> list[str]:
    path = folder / "e.jsonl"
    path.write_text(text, encoding="utf-8")
    return [each.place.removeprefix(f"{path}, ") for each in event_texts(str(path))]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([ONE, TWO]),
        json.dumps([ONE, TWO], indent=2),
        f"{json.dumps(ONE)}\n\n{json.dumps(TWO)}\n",
        json.dumps(ONE, indent=2) + json.dumps(TWO, indent=2),
        "\ufeff" + json.dumps({"Records": [ONE, TWO]}),
        json.dumps({"Records": [{"messageId": "m", "body": json.dumps(each)} for each in (ONE, TWO)]}),
        json.dumps({"Records": [ONE]}) + "\n" + json.dumps(TWO),
    ],
)
def test_every_shape_gives_the_events(tmp_path: Path, text: str) -> None:
    assert [json.loads(each) for each in in_file(tmp_path, text)] == [ONE, TWO]


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '[{"a": 1, "a": 2}]', '{"a": NaN}', ' {"a":\t1} '])
def test_an_event_is_handed_on_as_it_is_written(tmp_path: Path, text: str) -> None:
    assert in_file(tmp_path, text) == [text.strip().strip("[]")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('\n{"a": 1}\n\n{"b": 2}\n', ["line 2", "line 4"]),
        ('\n[{"a": 1},\n  {"b": 2}]', ["line 2", "line 3"]),
        ('{"a": 1}\n{"b":\n{"c": 3}', ["line 1", "line 2", "line 3"]),
        ('{"Records": [{"a": 1}, {"b": 2}]}', ["line 1, record 1", "line 1, record 2"]),
        ('\n{\n  "a": 1,\n}', ["line 2"]),
        ('[\n  {"a": 1},\n  {"b": }\n]', ["line 1"]),
    ],
)
def test_each_event_says_where_it_stands(tmp_path: Path, text: str, found: list[str]) -> None:
    assert places(tmp_path, text) == found


def test_what_is_no_json_is_an_event_for_each_line(tmp_path: Path) -> None:
    assert in_file(tmp_path, '{"a": 1}\n{"b":\n\nno json') == ['{"a": 1}', '{"b":', "no json"]
    assert in_file(tmp_path, "[" * 100_000) == ["[" * 100_000]


def test_one_event_over_several_lines_that_is_broken_is_one_event(tmp_path: Path) -> None:
    text = json.dumps(ONE, indent=2).removesuffix("}") + ",}"
    assert in_file(tmp_path, text) == [text]


@pytest.mark.parametrize("text", ["", " \n", "[]", '{"Records": []}'])
def test_a_file_without_an_event_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="there is no event in it"):
        in_file(tmp_path, text)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        event_texts(str(tmp_path / "nothing.json"))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(InputError, match="bytes: cannot be read: it is not in UTF-8, from byte 1 on"):
        event_texts(str(tmp_path / "bytes"))


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(json.dumps([TWO, ONE]).encode())))
    assert event_texts("-")[0] == EventText(json.dumps(TWO), "standard input, line 1")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(json.dumps([TWO, ONE]).encode())))
    assert [json.loads(each.text) for each in event_texts("-")] == [TWO, ONE]
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InputError, match="closed"):
        event_texts("-")


@given(st.text(alphabet='[]{},:" \\ab1\n', max_size=40))
def test_no_text_is_lost_or_a_surprise(text: str) -> None:
    found = list(_texts(text))
    assert all(each.text.strip() for each in found)
    assert all(each.text.split("\n")[0] in text.split("\n")[each.line - 1] for each in found if not each.record)
    assert bool(found) <= bool(text.strip())
