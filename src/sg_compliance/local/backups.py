"""Backups in a folder: one file each, written once, for this user's eyes only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.enforcement.backup import BACKUP_ID
from sg_compliance.enforcement.wire import backup_ids
from sg_compliance.errors import BackupNotFoundError, StoreError
from sg_compliance.local.durable import storing, sync_folder, write_new

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SUFFIX = ".json"


class DirectoryBackups:
    """The BackupStore socket on a state directory: `backups/<group id>/<backup id>.json` in it.

    A crash leaves a temporary file at most, whose name is no id. Only what matches the pattern of ids becomes a path.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "backups"

    def put(self, backup_id: str, data: bytes) -> None:
        """Keep the bytes; on the disk when this returns. Raises StoreError."""
        path = self._path(backup_id)
        if path is None:
            raise StoreError(f"{backup_id!r} is no id of a backup", hint="report this: the id was made by the program")
        with storing(path, "the backup cannot be written"):
            try:
                write_new(path, data)
            except FileExistsError:
                self._compare(path, data)

    def get(self, backup_id: str) -> bytes:
        """The bytes. Raises BackupNotFoundError, StoreError."""
        path = self._path(backup_id)
        missing = BackupNotFoundError(
            f"there is no backup {backup_id!r} in {self._folder}",
            hint="see which there are: sg-compliance backups list",
        )
        if path is None:
            raise missing
        with storing(path, "the backup cannot be read"):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                raise missing from None

    def ids(self, group_id: str = "") -> Iterator[str]:
        """The ids, oldest first by the time in them. Raises StoreError, after all that can be listed."""
        names: list[str] = []
        refused: StoreError | None = None
        with storing(self._folder, "the backups cannot be listed"):
            folders = self._folders(group_id)
        for folder in folders:
            try:
                with storing(folder, "the backups cannot be listed"):
                    names.extend([path.name for path in folder.iterdir()])
            except StoreError as error:
                refused = error
        yield from backup_ids(names)
        if refused:
            raise refused

    def _folders(self, group_id: str) -> list[Path]:
        """The folders of all groups, or of one. A glob would pass over those that may not be read."""
        if not self._folder.exists():
            return []
        return [each for each in self._folder.iterdir() if group_id in {"", each.name} and each.is_dir()]

    def _path(self, backup_id: str) -> Path | None:
        match = BACKUP_ID.fullmatch(backup_id)
        return self._folder / match[1] / f"{backup_id}{_SUFFIX}" if match else None

    def _compare(self, path: Path, data: bytes) -> None:
        if path.read_bytes() != data:
            raise StoreError(
                f"{path}: another backup is kept under this id, and was left as it is",
                hint="find out what wrote or changed that file before anything is changed in the group",
            )
        sync_folder(path.parent)  # who wrote it may not have come that far
