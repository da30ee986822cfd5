"""Finds the newest of several staged rows with the same key, by the value that its source orders them by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from app.connectors.values import jsontext
from app.connectors.values.forms import form_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_FORM: Final = "_syncline_form"
_LATEST: Final = "_syncline_latest"
_HAS_VERSION: Final = "_syncline_has_version"
_VERSION: Final = "_syncline_version"


def newest_rows(
    rows: pa.Table,
    key: Sequence[str],
    versions: pa.ChunkedArray | pa.Array,
    *,
    number: str,
    forms: pa.Array | None = None,
) -> pa.Array:
    """For each `key`, the value of the column `number` in the row with the highest version, the last of equal ones.

    A row without a version is older than all others; versions with several `forms` have no highest one.
    """
    table = rows.append_column(_VERSION, versions).append_column(_HAS_VERSION, pc.is_valid(versions))
    table = table.append_column(_LATEST, pc.if_else(table[_HAS_VERSION], table[number], None))
    table = table.append_column(_FORM, pa.nulls(len(table), pa.string()) if forms is None else forms)
    order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in (_HAS_VERSION, _VERSION, number)])
    wanted = [(number, "last"), (_LATEST, "max"), (_FORM, "count_distinct")]
    # Only a single thread keeps the order.
    found = table.take(order).group_by(list(key), use_threads=False).aggregate(wanted)
    several = pc.greater(found[f"{_FORM}_count_distinct"], 1)
    return pc.if_else(several, found[f"{_LATEST}_max"], found[f"{number}_last"]).combine_chunks()


def forms_of(texts: pa.ChunkedArray) -> pa.Array:
    """The form of each string."""
    return pa.array([None if text is None else form_of(text) for text in texts.to_pylist()], pa.string())


def in_json(texts: pa.ChunkedArray, path: Sequence[str]) -> tuple[pa.Array, pa.Array]:
    """The ranks of the values at `path` in JSON, numbers by value and strings by their characters; and their forms.

    All values that are not strings have the same form.
    """
    found = [None if text is None else _at(jsontext.decode(text), path) for text in texts.to_pylist()]
    weights = [None if value is None else _weight(value) for value in found]
    ranks = {weight: rank for rank, weight in enumerate(sorted({weight for weight in weights if weight is not None}))}
    forms = [None if value is None else form_of(value) if isinstance(value, str) else "" for value in found]
    ranked = [None if weight is None else ranks[weight] for weight in weights]
    return pa.array(ranked, pa.int64()), pa.array(forms, pa.string())


def _at(value: Any, path: Sequence[str]) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _weight(value: Any) -> tuple[Any, str]:
    if isinstance(value, str):
        return 0, value
    return (0 if isinstance(value, bool | dict | list) else value), jsontext.encode(value)
