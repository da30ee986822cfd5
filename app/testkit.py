"""The test kit of `syncline.testing`: runs a user's function with the parts of a real attempt."""

from __future__ import annotations

import copy
import datetime as dt
import inspect
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Table, parse_type, type_name
from app.connectors.destinations.postgres.columns import TYPES
from app.connectors.sources.python.blame import Blame
from app.connectors.sources.python.function import declared_schema
from app.connectors.sources.python.reading import Reading as _Reading
from app.connectors.sources.python.source import logger_to
from app.connectors.values import jsontext
from app.connectors.values.fitting import ValueRefusedError, fit
from app.domain.collection import CollectionJob
from app.domain.errors import SynclineError
from app.domain.secret_values import secrets_in
from syncline.reading import Context, Interval, Item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from syncline.schema import Mode

__all__ = ["Reading", "SourceError", "check_resumes", "run"]

SourceError = SynclineError
"""What `run` raises if an attempt would fail."""

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of one run of a function.

    `records` are as destinations get them: times are ISO 8601 strings. `bookmarks` are the values of all `Bookmark`s;
    `covered[n]` is the number of records before bookmark n. `log` has lines such as `info: 3 pages`.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    bookmarks: list[Any] = field(default_factory=list)
    covered: list[int] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    mode: Mode = "full_refresh"
    cursor_field: str | None = None
    log: list[str] = field(default_factory=list)
    _declared: frozenset[str] = field(default=frozenset(), repr=False)

    def check_schema(self) -> None:
        """Raises AssertionError for a value that its column cannot hold, and for a field that the Schema lacks."""
        undeclared = sorted(set().union(*self.records) - self._declared)
        if undeclared:
            raise AssertionError(f"the Schema does not declare these fields: {', '.join(map(repr, undeclared))}")
        columns = {name: TYPES.column(name, TYPES.new_type(*parse_type(type_))) for name, type_ in self.columns.items()}
        for number, record in enumerate(self.records):
            try:
                fit([record], columns, table="")
            except ValueRefusedError as refused:
                raise AssertionError(f"record {number}: {str(refused).replace(' of table ' + repr(''), '')}") from None


def run(
    function: Callable[[Context], Iterable[Item]],
    *,
    config: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    bookmark: Any = None,
    start_date: dt.date = dt.date(2020, 1, 1),
    sync_mode: Mode | None = None,
    collection: str | None = None,
    interval: tuple[dt.datetime, dt.datetime] | None = None,
    lookback: dt.timedelta = dt.timedelta(),
) -> Reading:
    """Everything that `function` yields from `bookmark` on.

    `sync_mode` and `lookback` are the catalogue's keys of these names; `collection` defaults to the function's name.
    With an `interval`, whose ends are aware, the function runs as in a backfill.

    Raises:
        SourceError: as in an attempt, with the place in the function's file.
    """
    name = collection or str(getattr(function, "__name__", "collection"))
    job = CollectionJob(
        name=name,
        type=name,
        table_name=name,
        start_date=start_date.isoformat(),
        sync_mode=sync_mode,
        lookback=lookback,
    )
    given = copy.deepcopy(dict(config or {})), copy.deepcopy(dict(parameters or {}))
    blame = Blame("test", name, roots=_homes(function), secrets=secrets_in(list(given)))
    lines: list[str] = []
    logger = logger_to(lambda level, line: lines.append(f"{level}: {line}"), redact=blame.redact)

    def call(known: Any) -> Any:
        return function(
            Context(
                source="test",
                collection=name,
                config=given[0],
                parameters=given[1],
                bookmark=known,
                start_date=start_date,
                log=logger,
                interval=None if interval is None else Interval(*interval),
                lookback=lookback,
            )
        )

    reading = _Reading(call, declared_schema(function, blame), job, blame=blame)
    return _collect(reading, None if bookmark is None else json.dumps(bookmark), lines)


def check_resumes(function: Callable[[Context], Iterable[Item]], **given: Any) -> Reading:
    """Resumes from each bookmark, and checks that no record is lost or loaded twice.

    Nothing new may come after the last bookmark. `given` are arguments of `run`; the source must not change in the
    meantime. Returns the run without a bookmark.

    Raises:
        AssertionError: a bookmark loses or duplicates records, or there is no bookmark.
    """
    whole = run(function, **given)
    if not whole.bookmarks:
        raise AssertionError("the function yields no Bookmark, so it cannot resume")
    wanted = _loaded_rows(whole, whole.records)
    for number, (bookmark, covered) in enumerate(zip(whole.bookmarks, whole.covered, strict=True)):
        rest = run(function, **(given | {"bookmark": bookmark}))
        found = _loaded_rows(whole, whole.records[:covered], rest.records)
        if found != wanted:
            raise AssertionError(f"resuming from bookmark {number} ({bookmark!r}) {_difference(wanted, found)}")
    return whole


def _collect(reading: _Reading, bookmark: str | None, lines: list[str]) -> Reading:
    records: list[dict[str, Any]] = []
    bookmarks: list[Any] = []
    covered: list[int] = []
    columns: dict[str, str] = {}
    for item in reading.items(bookmark):
        match item:
            case Rows():
                records += item.records
            case Checkpoint(bookmark=str(text)):
                bookmarks.append(json.loads(text))
                covered.append(len(records))
            case Table():
                columns = {name: type_name(kind, item.digits.get(name)) for name, kind in item.columns.items()}
            case _:
                pass
    settings = reading.settings
    return Reading(
        records=records,
        bookmarks=bookmarks,
        covered=covered,
        columns=columns,
        key=settings.key,
        mode="full_refresh" if settings.full_refresh else "incremental",
        cursor_field=settings.cursor_field,
        log=lines,
        _declared=frozenset(settings.columns),
    )


def _loaded_rows(whole: Reading, *runs: list[dict[str, Any]]) -> Counter[str]:
    """The rows that a destination has after these runs: as JSON, each with its number of copies."""
    if whole.key:
        rows = {tuple(jsontext.encode(row[name]) for name in whole.key): row for each in runs for row in each}
        return Counter(map(_text, rows.values()))
    total: Counter[str] = Counter()
    for count in [Counter(map(_text, each)) for each in runs]:
        # With a cursor, destinations recognise rows that are sent again; without one each of them is a new row.
        total = total | count if whole.cursor_field else total + count
    return total


def _text(row: dict[str, Any]) -> str:
    return jsontext.encode({name: row[name] for name in sorted(row)})


def _difference(wanted: Counter[str], found: Counter[str]) -> str:
    lost, doubled = wanted - found, found - wanted
    return "; ".join(
        f"{verb} {rows.total()} records, such as {', '.join(list(rows)[:_SHOWN])}"
        for verb, rows in (("loses", lost), ("duplicates", doubled))
        if rows
    )


def _homes(function: Callable[..., Any]) -> list[Path]:
    try:
        file = inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:
        return []
    return [Path(file).parent] if file else []
