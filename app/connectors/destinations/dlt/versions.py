"""Which of several staged rows with an equal key is the newest, by the value that its source tells them by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from app.connectors import jsontext

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOLD: Final = "_syncline_told"
_VERSION: Final = "_syncline_version"


def newest(rows: pa.Table, key: Sequence[str], versions: pa.ChunkedArray | pa.Array, *, number: str) -> pa.Array:
    """The values of the column `number` of the row of each `key` with the highest version, of equal ones the last.

    A row without a version is older than all others.
    """
    told = rows.append_column(_VERSION, versions).append_column(_TOLD, pc.is_valid(versions))
    order = pc.sort_indices(told, sort_keys=[(name, "ascending") for name in (_TOLD, _VERSION, number)])
    # Only one thread keeps the order.
    last = told.take(order).group_by(list(key), use_threads=False).aggregate([(number, "last")])
    return last[f"{number}_last"].combine_chunks()


def in_json(texts: pa.ChunkedArray, path: Sequence[str]) -> pa.Array:
    """The ranks of what is at `path` in JSON texts: numbers by their value, texts by their characters."""
    found = [None if text is None else _at(jsontext.decode(text), path) for text in texts.to_pylist()]
    ranks = {value: rank for rank, value in enumerate(sorted({value for value in found if value is not None}))}
    return pa.array([None if value is None else ranks[value] for value in found], pa.int64())


def _at(value: Any, path: Sequence[str]) -> tuple[Any, str] | None:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return None
    if isinstance(value, str):
        return 0, value
    return (0 if isinstance(value, bool | dict | list) else value), jsontext.encode(value)
