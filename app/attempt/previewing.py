"""Reads the first rows of a collection, and says what its columns would become; nothing is loaded."""

from __future__ import annotations

import dataclasses
import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from app.attempt.open_source import open_source
from app.attempt.report import WorkerLog
from app.attempt.shaping import shaped
from app.attempt.windows import INTERVAL_COLUMN
from app.attempt.writing import Writing
from app.connectors.contract.passes import Position, Rows, Unreadable
from app.connectors.contract.schema import Table, type_name
from app.connectors.making import plan_tables
from app.connectors.values import jsontext
from app.connectors.warehouse.layout import widen
from app.domain.attempt_protocol import Finished, Previewed, PreviewedColumn
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from app.attempt.worker_pipe import WorkerPipe
    from app.connectors.contract.passes import Item, Log
    from app.domain.attempt_protocol import Preview

_LONGEST_TEXT: Final = 1000


@dataclasses.dataclass(slots=True)
class _Begun:
    """A table and its first rows."""

    table: Table
    records: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def preview(job: Preview, *, work_dir: Path, pipe: WorkerPipe) -> Finished:
    """Report the tables that have the first rows or, if there are no rows, those that the source announces.

    Raises:
        SynclineError: the source cannot be read.
    """
    log = WorkerLog(pipe)
    (source_job,) = job.each()
    writing = Writing.of(source_job)
    with open_source(source_job, work_dir=work_dir, log=log) as source:
        items = shaped(source.read(None), source_job, writing=writing, sinks=(), log=log)
        begun = _first_rows(items, most=job.rows)
    tables = [writing.arriving(each.table, Position()) for each in begun]
    columns, refused = _columns_of(job.destinations, tables, work_dir=work_dir, log=log)
    for number, (table, each) in enumerate(zip(tables, begun, strict=True)):
        described = [_describe(table, field, columns, number) for field in table.columns if field != INTERVAL_COLUMN]
        rows = [{one.field: _shown(record.get(one.field)) for one in described} for record in each.records]
        pipe.send(Previewed(table.name, described, rows, refused))
    return Finished(records_read=sum(len(each.records) for each in begun), rows_written=0)


def _first_rows(items: Iterable[Item], *, most: int) -> list[_Begun]:
    begun: dict[str, _Begun] = {}
    left = most
    for item in items:
        match item:
            case Table() if not item.aside:
                begun.setdefault(item.name, _Begun(item)).table = item
            case Rows() if item.table in begun:
                table = begun[item.table]
                # A field that the source has not announced gets a column as well.
                table.table = widen(table.table, item.batch) or table.table
                table.records += item.records[:left]
                left = most - sum(len(each.records) for each in begun.values())
            case Unreadable():
                raise item.error
            case _:
                pass
        if left <= 0:
            break
    return [each for each in begun.values() if each.records] or [each for each in begun.values() if each.table.columns]


_Columns = dict[str, list[dict[str, tuple[str, str]]]]
"""By destination, for each table: field → name and type of its column."""


def _columns_of(
    destinations: dict[str, dict[str, Any]], tables: list[Table], *, work_dir: Path, log: Log
) -> tuple[_Columns, dict[str, str]]:
    """What the columns would become in each destination, and why others do not take the tables."""
    columns: _Columns = {}
    refused: dict[str, str] = {}
    for name, description in destinations.items():
        try:
            planned = plan_tables(name, description, tables, work_dir=work_dir, log=log)
        except SynclineError as error:
            refused[name] = " ".join(str(error).split())
        else:
            columns[name] = [each.columns for each in planned]
    return columns, refused


def _describe(table: Table, field: str, columns: _Columns, number: int) -> PreviewedColumn:
    return PreviewedColumn(
        field=field,
        type=table.source_types.get(field) or type_name(table.columns[field], table.digits.get(field)),
        inferred=field in table.inferred,
        columns={name: each[number][field] for name, each in columns.items() if each and field in each[number]},
    )


def _shown(value: Any) -> Any:
    """A value as JSON has it; what JSON does not have, or a long one, as text."""
    if isinstance(value, bytes):
        return _cut(f"\\x{value[:_LONGEST_TEXT].hex()}", length=2 + 2 * len(value))
    if isinstance(value, float | Decimal):
        return _shown_number(value)
    try:
        text = value if isinstance(value, str) else jsontext.encode(value)
        text.encode()
    except (TypeError, UnicodeEncodeError):
        return _cut(repr(value))
    return _cut(text) if isinstance(value, str) or len(text) > _LONGEST_TEXT else json.loads(text)


def _shown_number(value: float | Decimal) -> float | str:
    if not jsontext.is_finite(value):
        return jsontext.non_finite_name(value)
    as_double = float(value)
    return as_double if math.isfinite(as_double) and Decimal(repr(as_double)) == Decimal(str(value)) else str(value)


def _cut(text: str, *, length: int = 0) -> str:
    """`text`, or its beginning if it is long: `length` is how many characters the whole of it has."""
    length = length or len(text)
    return text if length <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}… ({length:,} characters)"
