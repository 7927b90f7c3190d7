"""A snapshot in Parquet, read row group by row group: the next rows are read while those before are worked on.

Anything but a whole snapshot of this format is refused: other tools' files, other formats, columns that are missing or
of another type (also where a column may hold null and must not), files that break off, rows that were taken out.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sg_compliance.errors import InputError
from sg_compliance.local import parquet_schema as schema
from sg_compliance.local.parquet_page import Rows
from sg_compliance.model.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sg_compliance.local.parquet_page import Translation

_QUOTED: Final = 200
_OTHER: Final = "give a snapshot that `sg-compliance snapshot --output NAME.parquet` wrote, or JSON"
_BROKEN: Final = "copy it again, or take the snapshot anew"


class ParquetFile:
    """One file. `name` is what people know it by."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        self.path = path
        self.name = name or str(path)
        self._header: dict[str, Any] | None = None

    def prefix_lists(self) -> list[dict[str, Any]]:
        """Elements of `PrefixLists`, with their entries where they are known."""
        return self._listed("PrefixLists")

    def skipped(self) -> list[dict[str, Any]]:
        """What the snapshot lacks."""
        return self._listed("Skipped")

    def names(self) -> Iterator[tuple[str, str]]:
        """Id and name of every group."""
        for batch in self._batches(["group_id", "name"]):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def ids_are_distinct(self) -> bool:
        """Whether no id of a group comes twice, in whichever account."""
        with self._explained():
            ids = self._opened().read(["group_id"]).column(0)
            are_distinct = bool(pc.count_distinct(ids).as_py() == len(ids))
            del ids
            pa.default_memory_pool().release_unused()
            return are_distinct

    def rows(self, translation: Translation) -> Iterator[Rows]:
        """All rows, some at a time."""
        made = (self._rows(batch, translation) for batch in self._batches(schema.SCHEMA.names))
        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(next, made, None)
            while (rows := coming.result()) is not None:
                coming = reader.submit(next, made, None)
                yield rows

    def _rows(self, batch: pa.RecordBatch, translation: Translation) -> Rows:
        try:
            return Rows(batch, translation)
        except InputError as error:
            message = f"{self.name}: {error}"
            raise InputError(message, hint=error.hint) from error

    def _batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        with self._explained():
            for batch in self._opened().iter_batches(schema.ROWS, columns=columns):
                batch.validate(full=True)
                yield batch

    def _opened(self) -> pq.ParquetFile:
        self._listed("PrefixLists")  # the header and the schema are looked at first
        # pre_buffer would keep what is compressed of all row groups, to the end of the file
        return pq.ParquetFile(self.path, pre_buffer=False, page_checksum_verification=True)

    def _listed(self, key: str) -> list[dict[str, Any]]:
        if self._header is None:
            with self._explained():
                self._header = self._checked(pq.read_metadata(self.path))
        return [each for each in self._header[key] if isinstance(each, dict)]

    def _checked(self, metadata: pq.FileMetaData) -> dict[str, Any]:
        """The header of a file that is a snapshot of this format, and whole."""
        try:
            header = json.loads((metadata.metadata or {})[schema.HEADER.encode()])
        except (KeyError, ValueError, RecursionError):
            header = None
        if not isinstance(header, dict) or not isinstance(header.get("format"), int):
            self._refuse("Parquet, and no snapshot of sg-compliance", _OTHER)
        if header["format"] != schema.FORMAT:
            said = f"a snapshot of format {header['format']}, and this version reads format {schema.FORMAT}"
            self._refuse(said, "take it anew with this version, or read it with the version that wrote it")
        self._check_columns(metadata.schema.to_arrow_schema())
        if header.get("groups") != metadata.num_rows:
            self._refuse(f"{metadata.num_rows} groups are in it, and {header.get('groups')} were written", _BROKEN)
        if not all(isinstance(header.get(key), list) for key in ("PrefixLists", "Skipped")):
            self._refuse("its header lacks PrefixLists or Skipped", _BROKEN)
        return header

    def _check_columns(self, found: pa.Schema) -> None:
        for field in schema.SCHEMA:
            if field.name not in found.names:
                self._refuse(f"the column {field.name} is missing", _BROKEN)
            there = found.field(field.name)
            if there != field:
                self._refuse(f"the column {field.name} is not as a snapshot has it: {_said(there)}", _BROKEN)

    def _refuse(self, said: str, hint: str) -> NoReturn:
        raise InputError(f"{self.name}: {said}", hint=hint)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            strerror = error.strerror if isinstance(error, OSError) else None
            message = f"{self.name}: cannot be read as Parquet: {strerror or _said(error)}"
            raise InputError(message, hint=_BROKEN) from error


def _said(what: object) -> str:
    """What a library says, on one line that is not too long."""
    return visible(str(what).partition("\n")[0][:_QUOTED])
