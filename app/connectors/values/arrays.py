"""Values in Arrow arrays. Arrow takes some 20 MB, so workers and the API never import this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TYPES: Final[Mapping[frozenset[type], pa.DataType]] = {
    frozenset({bool}): pa.bool_(),
    frozenset({int}): pa.int64(),
    frozenset({float}): pa.float64(),
    frozenset({str}): pa.string(),
    frozenset({bytes}): pa.binary(),
}
_NUMBERS: Final = frozenset({int, float})
# Arrow's own pool would not give the memory of a batch back.
pa.set_memory_pool(pa.system_memory_pool())


def to_array(values: Sequence[Any], *, mixed_numbers: bool = True) -> pa.Array | None:
    """All values in one array; None if they are not of one type that Arrow has.

    With `mixed_numbers`, integers among fractions become doubles if these can hold them: JSON writes 10.0 as 10.
    """
    types = frozenset(map(type, values)) - {type(None)}
    if mixed_numbers and types == _NUMBERS:
        types = frozenset({float})
    kind = _TYPES.get(types) if types else pa.null()
    if kind is None:
        return None
    try:
        return pa.array(values, kind)
    except (OverflowError, UnicodeEncodeError, pa.ArrowInvalid):
        return None
