"""Parquet, read by row groups: its types decide the kinds of columns, and its values come as JSON would hold them."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import parquet

from app.connectors.contract.batches import BATCH_RECORDS
from app.connectors.contract.schema import Kind
from app.connectors.sources.files.columns import Batch
from app.connectors.values import jsontext
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.connectors.sources.files.columns import Columns
    from app.connectors.sources.files.unpacking import Part

_BUFFER_BYTES: Final = 1 << 20
# In this order: an unsigned 64-bit integer is an integer, too.
_KINDS: Final[tuple[tuple[Callable[[Any], bool], Kind], ...]] = (
    (pa.types.is_boolean, Kind.BOOLEAN),
    (pa.types.is_uint64, Kind.BIG_INTEGER),
    (pa.types.is_integer, Kind.INTEGER),
    (pa.types.is_floating, Kind.NUMBER),
    (pa.types.is_decimal, Kind.NUMBER),
    (pa.types.is_string, Kind.TEXT),
    (pa.types.is_large_string, Kind.TEXT),
    (pa.types.is_binary, Kind.BYTES),
    (pa.types.is_large_binary, Kind.BYTES),
    (pa.types.is_fixed_size_binary, Kind.BYTES),
    (pa.types.is_timestamp, Kind.TIMESTAMP),
    (pa.types.is_date, Kind.DATE),
    (pa.types.is_time, Kind.TIME),
    (pa.types.is_nested, Kind.JSON),
)


def read_parquet(part: Part, columns: Columns) -> Iterator[Batch]:
    """The rows of `part`, numbered instead of lines.

    Raises:
        ConfigurationError: it is not Parquet, or has an unsupported value or type. The error names row and column.
    """
    # Without these, a whole row group is in memory, and some files have only one.
    bounded = {"buffer_size": _BUFFER_BYTES, "pre_buffer": False}
    with part.on_disk() as path, _translate_errors(part.name), parquet.ParquetFile(path, **bounded) as file:
        names = file.schema_arrow.names
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ConfigurationError(f"{part.name}: several columns are named {twice!r}")
        kinds = {field.name: _kind(field, part.name) for field in file.schema_arrow if not pa.types.is_null(field.type)}
        columns.add_file_columns(kinds, file=part.name)
        row = 1
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(BATCH_RECORDS, row_groups=[group], use_threads=False):
                yield _rows(batch, list(kinds), file=part.name, row=row)
                row += batch.num_rows
        if row == 1:
            yield Batch([], [], 0)


def _kind(field: Any, file: str) -> Kind:
    found = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    for is_of, kind in _KINDS:
        if is_of(found):
            return kind
    raise ConfigurationError(f"{file}, column {field.name!r}: the type {field.type} is not supported")


def _rows(batch: Any, names: list[str], *, file: str, row: int) -> Batch:
    values: dict[str, list[Any]] = {}
    for name in names:
        try:
            values[name] = _plain_values(batch.column(name))
        except (ValueError, OverflowError, LookupError) as error:  # the last for unknown time zones
            place = f"{file}, column {name!r}, between rows {row} and {row + batch.num_rows - 1}"
            raise ConfigurationError(f"{place}: {' '.join(str(error).split())}") from None
    records = [dict(zip(values, each, strict=True)) for each in zip(*values.values(), strict=True)]
    return Batch(records, range(row, row + len(records)), batch.nbytes)


def _plain_values(column: Any) -> list[Any]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    # Python has no nanoseconds; the cast refuses to drop any.
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us", kind.tz))
    elif pa.types.is_time64(kind):
        column = column.cast(pa.time64("us"))
    elif pa.types.is_float32(kind):
        # Cast to a double directly, a float's 0.1 becomes 0.10000000149.
        column = column.cast(pa.string()).cast(pa.float64())
    plain: list[Any] = column.to_pylist()
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_string(kind):
        return plain
    return [_plain_value(value) for value in plain]


def _plain_value(value: Any) -> Any:
    """A value as records hold it: times in ISO 8601."""
    if isinstance(value, float | Decimal) and not jsontext.is_finite(value):
        raise ValueError(f"a number column cannot hold the value {value}")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _plain_value(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_value(inner) for inner in value]
    return value


@contextmanager
def _translate_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ConfigurationError(f"{name}: cannot be read as Parquet: {' '.join(str(error).split())}") from None
