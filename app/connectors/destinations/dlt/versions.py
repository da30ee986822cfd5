"""Which of several staged rows with an equal key is the newest, by the value that its source tells them by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from app.connectors.values import jsontext
from app.connectors.warehouse.forms import form_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_FORM: Final = "_syncline_form"
_LATEST: Final = "_syncline_latest"
_TOLD: Final = "_syncline_told"
_VERSION: Final = "_syncline_version"


def newest(
    rows: pa.Table,
    key: Sequence[str],
    versions: pa.ChunkedArray | pa.Array,
    *,
    number: str,
    forms: pa.Array | None = None,
) -> pa.Array:
    """The values of the column `number` of the row of each `key` with the highest version, of equal ones the last.

    A row without a version is older than all others; versions of several `forms` do not tell which is the highest.
    """
    told = rows.append_column(_VERSION, versions).append_column(_TOLD, pc.is_valid(versions))
    told = told.append_column(_LATEST, pc.if_else(told[_TOLD], told[number], None))
    told = told.append_column(_FORM, pa.nulls(len(told), pa.string()) if forms is None else forms)
    order = pc.sort_indices(told, sort_keys=[(name, "ascending") for name in (_TOLD, _VERSION, number)])
    wanted = [(number, "last"), (_LATEST, "max"), (_FORM, "count_distinct")]
    # Only one thread keeps the order.
    found = told.take(order).group_by(list(key), use_threads=False).aggregate(wanted)
    several = pc.greater(found[f"{_FORM}_count_distinct"], 1)
    return pc.if_else(several, found[f"{_LATEST}_max"], found[f"{number}_last"]).combine_chunks()


def forms_of(texts: pa.ChunkedArray) -> pa.Array:
    """The form of each text."""
    return pa.array([None if text is None else form_of(text) for text in texts.to_pylist()], pa.string())


def in_json(texts: pa.ChunkedArray, path: Sequence[str]) -> tuple[pa.Array, pa.Array]:
    """The ranks of what is at `path` in JSON texts, numbers by their value, texts by their characters; and the forms.

    What is not a text has one form.
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
