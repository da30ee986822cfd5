"""Parquet, read by row groups: its types decide the kinds of columns, and its values come as JSON would hold them."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from pyarrow import parquet

from app.connectors.contract.batches import BATCH_RECORDS
from app.connectors.contract.schema import Digits, Kind
from app.connectors.sources.files.columns import Batch
from app.connectors.values import jsontext
from app.connectors.values.durations import clock_text, interval_text
from app.connectors.values.floats import shortest_single
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from app.connectors.sources.files.columns import Columns
    from app.connectors.sources.files.unpacking import Part

_BUFFER_BYTES: Final = 1 << 20
# Without these, a whole row group is in memory, and some files have only one.
_BOUNDED: Final = {"buffer_size": _BUFFER_BYTES, "pre_buffer": False}
# In this order: an unsigned 64-bit integer is an integer, too.
_KINDS: Final[tuple[tuple[Callable[[Any], bool], Kind], ...]] = (
    (pa.types.is_boolean, Kind.BOOLEAN),
    (pa.types.is_uint64, Kind.BIG_INTEGER),
    (pa.types.is_integer, Kind.INTEGER),
    (pa.types.is_floating, Kind.FLOAT),
    (pa.types.is_decimal, Kind.DECIMAL),
    (pa.types.is_string, Kind.TEXT),
    (pa.types.is_large_string, Kind.TEXT),
    (pa.types.is_string_view, Kind.TEXT),
    (pa.types.is_binary, Kind.BYTES),
    (pa.types.is_large_binary, Kind.BYTES),
    (pa.types.is_binary_view, Kind.BYTES),
    (pa.types.is_fixed_size_binary, Kind.BYTES),
    (pa.types.is_date, Kind.DATE),
    (pa.types.is_time, Kind.TIME),
    (pa.types.is_duration, Kind.INTERVAL),
    (pa.types.is_nested, Kind.JSON),
)
# https://arrow.apache.org/docs/format/CanonicalExtensions.html
_EXTENSIONS: Final = {"arrow.uuid": Kind.UUID, "arrow.json": Kind.JSON, "arrow.bool8": Kind.BOOLEAN}


def read_parquet(part: Part, columns: Columns) -> Iterator[Batch]:
    """The rows of `part`, numbered instead of lines.

    Raises:
        ConfigurationError: it is not Parquet, or has an unsupported value or type. The error names row and column.
    """
    with part.on_disk() as path, _translate_errors(part.name), parquet.ParquetFile(path, **_BOUNDED) as file:
        names = file.schema_arrow.names
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ConfigurationError(f"{part.name}: several columns are named {twice!r}")
        intervals = _columns_of(file, "converted_type", "INTERVAL")
        types = {
            field.name: (Kind.INTERVAL, None) if field.name in intervals else _type(field, part.name)
            for field in file.schema_arrow
            if not pa.types.is_null(field.type)
        }
        columns.add_file_columns(types, file=part.name)
        row = 1
        for batch in _batches(file, path):
            yield _rows(batch, list(types), intervals=intervals, file=part.name, row=row)
            row += batch.num_rows
        if row == 1:
            yield Batch([], [], 0)


def _columns_of(file: Any, attribute: str, type_: str) -> set[str]:
    """The columns whose type Arrow does not tell from another, but Parquet does."""
    described = [file.schema.column(index) for index in range(len(file.schema))]
    return {each.path for each in described if getattr(each, attribute) == type_}


def _batches(file: Any, path: Path) -> Iterator[Any]:
    """Record batches, with all times that INT96 can hold.

    As nanoseconds, those before 1677 and after 2262 overflow; as microseconds, those that are finer are cut. Together
    they tell both: multiplied, the right microseconds overflow to the same nanoseconds.
    """
    old = sorted(_columns_of(file, "physical_type", "INT96"))
    if not old:
        for group in range(file.num_row_groups):
            yield from file.iter_batches(**_rows_of(group))
        return
    with parquet.ParquetFile(path, coerce_int96_timestamp_unit="us", **_BOUNDED) as coarse:
        for group in range(file.num_row_groups):
            fine, times = file.iter_batches(**_rows_of(group)), coarse.iter_batches(**_rows_of(group), columns=old)
            yield from map(_with_times, fine, times)


def _rows_of(group: int) -> dict[str, Any]:
    return {"batch_size": BATCH_RECORDS, "row_groups": [group], "use_threads": False}


def _with_times(batch: Any, times: Any) -> Any:
    for name in times.schema.names:
        micros = times.column(name)
        again = pc.multiply(micros.cast(pa.int64()), 1000)
        if not again.equals(batch.column(name).cast(pa.int64())):
            raise ValueError(f"column {name!r}: a time is more precise than microseconds; write it with fewer digits")
        batch = batch.set_column(batch.schema.get_field_index(name), name, micros)
    return batch


def _type(field: Any, file: str) -> tuple[Kind, Digits | None]:
    found = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_decimal(found):
        return Kind.DECIMAL, Digits.of(found.precision, found.scale)
    if pa.types.is_timestamp(found):
        return (Kind.TIMESTAMP if found.tz else Kind.LOCAL_TIMESTAMP), None
    if kind := _EXTENSIONS.get(getattr(found, "extension_name", "")):
        return kind, None
    for is_of, kind in _KINDS:
        if is_of(found):
            return kind, None
    raise ConfigurationError(f"{file}, column {field.name!r}: the type {field.type} is not supported")


def _rows(batch: Any, names: list[str], *, intervals: set[str], file: str, row: int) -> Batch:
    values: dict[str, list[Any]] = {}
    for name in names:
        try:
            column = batch.column(name)
            values[name] = _interval_values(column) if name in intervals else _plain_values(column)
        except (ValueError, OverflowError, LookupError) as error:  # the last for unknown time zones
            place = f"{file}, column {name!r}, between rows {row} and {row + batch.num_rows - 1}"
            raise ConfigurationError(f"{place}: {' '.join(str(error).split())}") from None
    records = [dict(zip(values, each, strict=True)) for each in zip(*values.values(), strict=True)]
    return Batch(records, range(row, row + len(records)), batch.nbytes)


def _interval_values(column: Any) -> list[Any]:
    return [None if value is None else interval_text(value) for value in column.to_pylist()]


def _plain_values(column: Any) -> list[Any]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if getattr(kind, "extension_name", "") == "arrow.json":
        return [None if text is None else jsontext.decode(text) for text in column.storage.to_pylist()]
    # Python has no nanoseconds; the casts refuse to drop any.
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us", kind.tz))
    elif pa.types.is_time(kind):
        micros = column.cast(pa.time64("us")).cast(pa.int64())
        return [None if value is None else clock_text(value) for value in micros.to_pylist()]
    elif pa.types.is_duration(kind):
        micros = column.cast(pa.duration("us")).cast(pa.int64())
        return [None if value is None else clock_text(value) for value in micros.to_pylist()]
    elif pa.types.is_float32(kind) or pa.types.is_float16(kind):
        # Cast to a double directly, a float's 0.1 becomes 0.10000000149.
        column = column.cast(pa.string()).cast(pa.float64())
    plain: list[Any] = column.to_pylist()
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_floating(kind):
        return plain
    return [_plain_value(value, kind) for value in plain]


def _plain_value(value: Any, kind: pa.DataType) -> Any:
    """A value of this type as records hold it: times in ISO 8601, and UUIDs as strings."""
    if isinstance(value, float | Decimal) and not jsontext.is_finite(value):
        raise ValueError(f"JSON cannot hold the value {value}")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return clock_text(value // timedelta(microseconds=1))
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, dict):
        return {name: _plain_value(inner, kind.field(name).type) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_value(inner, each) for inner, each in zip(value, _types_within(kind, len(value)), strict=True)]
    return shortest_single(value) if pa.types.is_float32(kind) and value is not None else value


def _types_within(kind: pa.DataType, count: int) -> list[pa.DataType]:
    """The types of the `count` values in a value of the type `kind`: of a list, or of a map's entry."""
    if pa.types.is_map(kind):
        return [pa.struct([("key", kind.key_type), ("value", kind.item_type)])] * count
    if pa.types.is_struct(kind):
        return [kind.field(index).type for index in range(count)]
    return [getattr(kind, "value_type", None) or kind] * count


@contextmanager
def _translate_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ConfigurationError(f"{name}: cannot be read as Parquet: {' '.join(str(error).split())}") from None
    except ValueError as error:
        raise ConfigurationError(f"{name}, {error}") from None
