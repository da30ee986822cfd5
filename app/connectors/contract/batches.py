"""Batches of rows in one of two shapes: records, as most sources send them, or columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from app.connectors.contract.moments import is_temporal, texts_of

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

BATCH_RECORDS: Final = 5000
BATCH_BYTES: Final = 1 << 20
"""A source passes its records on in batches of at most about this size."""

# What a destination is given at once: several batches of a source, so that each write is worth its round trip.
WRITE_RECORDS: Final = 10_000
WRITE_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Columns:
    """The values of each field, the same number for all: a list as in records, or an Arrow array.

    Arrays hold Booleans, integers, doubles, strings, bytes, or times and days of the years 1 to 9999; as a list, the
    last two are texts.
    """

    values: dict[str, list[Any] | pa.Array]

    def __len__(self) -> int:
        return len(next(iter(self.values.values()), ()))


Batch: TypeAlias = "list[dict[str, Any]] | Columns"


def is_full(records: int, size: int) -> bool:
    """Whether a source should pass on its batch of `records` records, which take about `size` bytes."""
    return records >= BATCH_RECORDS or size >= BATCH_BYTES


def column_of(batch: Batch, field: str) -> list[Any] | pa.Array:
    """The values of `field`; None where a record lacks it."""
    if isinstance(batch, Columns):
        values = batch.values.get(field)
        return [None] * len(batch) if values is None else values
    return [record.get(field) for record in batch]


def records_of(batch: Batch) -> list[dict[str, Any]]:
    if not isinstance(batch, Columns):
        return batch
    columns = [as_list(values) for values in batch.values.values()]
    return [dict(zip(batch.values, row, strict=True)) for row in zip(*columns, strict=True)]


def has_values(batch: Batch, field: str) -> bool:
    """Whether any row has a value other than NULL."""
    values = column_of(batch, field)
    if isinstance(values, list):
        return any(value is not None for value in values)
    return bool(values.null_count < len(values))


def as_list(values: list[Any] | pa.Array) -> list[Any]:
    if isinstance(values, list):
        return values
    return list(texts_of(values) if is_temporal(values.type) else values.to_pylist())


def mark(batch: Batch, field: str, value: Any) -> None:
    """Sets `field` to this value in all rows."""
    if isinstance(batch, Columns):
        batch.values[field] = [value] * len(batch)
    else:
        for record in batch:
            record[field] = value


def fields_of(batch: Batch) -> set[str]:
    return set(batch.values) if isinstance(batch, Columns) else set().union(*batch)
