"""The columns of a snapshot in Parquet, as docs/scanning.md tells them, are those that are written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sg_compliance.local import parquet_schema as schema
from tests.builders import group, tcp
from tests.parquet_files import header, write

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = (Path(__file__).parents[2] / "docs" / "scanning.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n### Snapshots as Parquet\n")[2]
KINDS = {pa.string(): "string", pa.int32(): "int32", pa.int64(): "int64"}


def table(heading: str) -> list[tuple[str, str]]:
    """First and second cells of the table whose first column has this heading, for each such table."""
    found = re.findall(rf"^\| {heading} \| type \|.*\n\|---.*\n((?:\|.*\n)+)", SECTION, re.MULTILINE)
    return [cells for rows in found for cells in re.findall(r"^\| `(\w+)` \| ([^|]+) \|", rows, re.MULTILINE)]


def told(fields: Iterable[pa.Field]) -> list[tuple[str, str]]:
    return [(field.name, kind(field.type) + (", null" if field.nullable else "")) for field in fields]


def kind(type_: Any) -> str:  # noqa: ANN401 - pyarrow has no types
    if pa.types.is_list(type_):
        return f"list of {'struct' if pa.types.is_struct(type_.value_type) else kind(type_.value_type)}"
    return KINDS[type_]


def test_every_column_is_told_with_its_type() -> None:
    assert table("column") == told(schema.SCHEMA)


def test_every_field_of_a_rule_is_told_with_its_type() -> None:
    assert table("field") == told([*schema.WRITTEN, *schema.MEANT])
    assert told(schema.SCHEMA.field("rules").type.value_type) == table("field")


def test_the_fields_of_tags_and_malformed_rules_are_told() -> None:
    for name in ("tags", "malformed"):
        (row,) = re.findall(rf"^\| `{name}` \|.*$", SECTION, re.MULTILINE)
        assert re.findall(r"`(\w+)`", row)[1:] == [field.name for field in schema.SCHEMA.field(name).type.value_type]


def test_every_key_of_the_header_is_told(tmp_path: Path) -> None:
    (sentence,) = re.findall(rf"^What is true.*`{schema.HEADER}`[^:]*:(.*?)\.\s", SECTION, re.MULTILINE | re.DOTALL)
    assert re.findall(r"`(\w+)`", sentence) == [*header(write(tmp_path / "x.parquet", [group(tcp(22))]))]


def test_the_question_in_sql_names_what_there_is() -> None:
    (query,) = re.findall(r"^SELECT.*?^```", SECTION, re.MULTILINE | re.DOTALL)
    fields = {field.name for field in [*schema.WRITTEN, *schema.MEANT]}
    assert set(re.findall(r"\br\.(\w+)", query)) <= fields
    assert set(re.findall(r"SELECT (.*?) *\n", query)[0].replace("r.", "").split(", ")) <= {
        *schema.SCHEMA.names,
        *fields,
    }
