"""A block as JSON values: the same in every store, schema version 1."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sg_compliance.model.block import Because, Block, BlockState, Target, TargetKind

_VERSION: Final = 1


def block_record(block: Block) -> dict[str, Any]:
    """The block as JSON values."""
    target = block.target
    return {
        "version": _VERSION,
        "id": block.id,
        "partition": target.partition,
        "account_id": target.account_id,
        "kind": target.kind.value,
        "name": target.name,
        "path": target.path,
        "reason": block.reason,
        "by": block.by,
        "created": block.created.isoformat(),
        "expires": block.expires.isoformat(),
        "before": block.before.isoformat(),
        "state": block.state.value,
        "causes": list(block.causes),
        "earlier": [each._asdict() for each in block.earlier],
        "lifted": block.lifted._asdict() if block.lifted else None,
    }


def block_of(record: dict[str, Any]) -> Block:
    """The block that was written. Raises ValueError, KeyError, TypeError where it is none.

    Of an older one `earlier` and `lifted` are not known; where it is lifted, `by` is who did that.
    """
    if record["version"] != _VERSION:
        message = f"version {record['version']!r} is not known here"
        raise ValueError(message)
    partition, account_id, name, path = (_text(record, key) for key in ("partition", "account_id", "name", "path"))
    target = Target(partition, account_id, TargetKind(record["kind"]), name, path)
    block = Block(
        target=target,
        reason=_text(record, "reason"),
        by=_text(record, "by"),
        created=_time(record, "created"),
        expires=_time(record, "expires"),
        before=_time(record, "before"),
        state=BlockState(record["state"]),
        causes=tuple(str(each) for each in record["causes"]),
        earlier=tuple(_because(each) for each in record.get("earlier", ())),
        lifted=_because(record["lifted"]) if record.get("lifted") else None,
    )
    if record["id"] != block.id:
        message = f"it is kept as {record['id']!r}, and is {block.id}"
        raise ValueError(message)
    return block


def _because(record: dict[str, Any]) -> Because:
    return Because(_text(record, "reason"), _text(record, "by"))


def _text(record: dict[str, Any], key: str) -> str:
    value = record[key]
    if not isinstance(value, str):
        message = f"{key} is no text"
        raise TypeError(message)
    return value


def _time(record: dict[str, Any], key: str) -> datetime:
    time = datetime.fromisoformat(_text(record, key))
    if time.tzinfo is None:
        message = f"{key} has no time zone"
        raise ValueError(message)
    return time
