"""Tables and rows as Jitsu Classic (v1.44.8) writes them to Postgres: its columns, its types and its key.

Objects are taken apart, arrays become JSON texts, and each row gets `eventn_ctx_event_id`: a hash of the fields of its
key, or of all fields if it has none. A column comes with its first value.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from app.connectors.contract.batches import records_of
from app.connectors.contract.passes import DescribedTable
from app.connectors.contract.schema import Kind
from app.connectors.values.classic_values import KINDS, common_kind, in_utc, kind_of_value
from app.connectors.values.flattening import Leaves, NameTakenError
from app.connectors.values.go_text import hash_of_fields, json_text
from app.domain.classic_names import (
    COLLECTION_ID,
    EVENT_ID,
    SOURCE_ID,
    SRC,
    TIME_INTERVAL,
    TIMESTAMP,
    classic_column,
)
from app.domain.errors import ConfigurationError
from app.domain.naming import is_reserved
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.connectors.contract.batches import Batch
    from app.connectors.contract.passes import Log
    from app.connectors.contract.schema import Table

_KEY: Final = (EVENT_ID,)
_SOURCE: Final = "source"
_REDIS: Final = "redis"
_DRIVERS: Final = frozenset({
    _REDIS, "amplitude", "facebook_marketing", "firebase", "google_ads", "google_analytics", "google_play",
})  # fmt: skip
_EVERYTHING: Final = "UTC_ALL_ALL"
_CONTEXT: Final = ("eventn_ctx", "event_id")


class ClassicTables:
    """The tables of one collection; a row is recognised by `key`, columns under Classic's names.

    `driver` is the type of the source: rows of Classic's own ones have the name of their `collection`, too. `now` is
    the time of the rows.
    """

    def __init__(
        self,
        source: str,
        *,
        key: Sequence[str] = _KEY,
        driver: str | None = None,
        collection: str = "",
        log: Log | None = None,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        own = {SRC: _SOURCE, SOURCE_ID: source}
        if driver in _DRIVERS:
            own[COLLECTION_ID] = collection
        if driver == _REDIS:
            own[TIME_INTERVAL] = _EVERYTHING
        # Its drivers get all but the first only after the hash.
        hashed = frozenset({SRC} if driver in _DRIVERS else {SRC, SOURCE_ID})
        self._layout = _Layout(tuple(key), own, hashed)
        self._log = log
        self._now = now
        self._tables: dict[str, _Flat] = {}

    @classmethod
    def from_description(
        cls,
        description: Mapping[str, Any],
        *,
        source: str = "",
        driver: str | None = None,
        collection: str = "",
        log: Log | None = None,
    ) -> ClassicTables:
        """Those of a destination as the catalogue describes it."""
        key = description.get("primary_key_fields") or _KEY
        return cls(source, key=key, driver=driver, collection=collection, log=log)

    def without_own(self, described: DescribedTable) -> DescribedTable:
        """Only the columns of what the source has, under its own names."""
        fields = {field: kind for field, kind in described.table.columns.items() if field not in self._layout.columns}
        return DescribedTable(dataclasses.replace(described.table, columns=fields), described.columns)

    def announce(self, table: Table) -> Table:
        """`table` with the columns of the source as it is for the destination.

        Raises:
            ConfigurationError: two fields would become one column.
        """
        flat = self._tables.get(table.name)
        if flat is None:
            flat = self._tables[table.name] = _Flat(table, self._layout)
        else:
            flat.update(table)
        return flat.table()

    def describe(self, table: Table) -> dict[str, str]:
        """Field → column of the `table` that `announce` returns when all of its fields have values."""
        return {field: classic_column((field,)) for field in table.columns}

    def announce_all(self, table: Table) -> Table:
        """As `announce` for a table whose fields all have values; what may be anything is taken for text."""
        flat = _Flat(table, self._layout)
        flat.seen |= {name: kind or Kind.TEXT for name, kind in flat.declared.items()}
        return flat.table()

    def shape(self, name: str, batch: Batch) -> tuple[Table | None, Batch]:
        """The rows as Classic has them, and the table as it is from now on if it has new columns.

        Raises:
            ConfigurationError: two values would become one column, or no record has a column of the key.
        """
        flat = self._tables[name]
        now = self._now().astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
        records = records_of(batch)
        self._warn_of_overwritten(flat, records)
        rows = [flat.row(record, now=now) for record in records]
        flat.check_key(rows)
        wider = flat.table() if flat.see(rows) else None
        flat.convert(rows)
        return wider, rows

    def _warn_of_overwritten(self, flat: _Flat, records: list[dict[str, Any]]) -> None:
        if flat.has_warned or self._log is None:
            return
        found = [field for field in (*self._layout.own, EVENT_ID) if any(field in record for record in records)]
        if found:
            flat.has_warned = True
            self._log(
                "warn",
                f"table {flat.source.name!r}: the values of {', '.join(map(repr, found))} are overwritten, as Jitsu "
                "Classic does it: to keep them, give the fields other names with 'columns.rename'",
            )


@dataclasses.dataclass(frozen=True, slots=True)
class _Layout:
    """What all tables have: their `key`, and the values of columns that Classic adds, of which some are `hashed`."""

    key: tuple[str, ...]
    own: dict[str, str]
    hashed: frozenset[str]

    @property
    def unhashed(self) -> set[str]:
        return self.own.keys() - self.hashed

    @property
    def columns(self) -> dict[str, Kind]:
        return {EVENT_ID: Kind.TEXT, TIMESTAMP: Kind.LOCAL_TIMESTAMP} | dict.fromkeys(self.own, Kind.TEXT)


class _Flat:
    """One table: `declared` are the kinds of its columns as far as the source says, `seen` those that have values.

    A declared kind of None is decided by the values.
    """

    def __init__(self, table: Table, layout: _Layout) -> None:
        self._layout = layout
        self._columns = layout.columns
        self._overwritten = {*layout.own, EVENT_ID}
        self._leaves = Leaves(classic_column)
        self.seen: dict[str, Kind] = {}
        self.has_warned = False
        self.update(table)

    def update(self, table: Table) -> None:
        self.source = table
        inside = {path[0] for path in table.nested}
        declared = {(field,): kind for field, kind in table.columns.items() if field not in inside} | table.nested
        self.declared = {
            self._name_of(path): None if kind is Kind.JSON else KINDS.get(kind, Kind.TEXT)
            for path, kind in declared.items()
            if path[0] not in self._overwritten and not is_reserved(path[0])
        } | {TIMESTAMP: Kind.LOCAL_TIMESTAMP}
        self.seen |= {field: kind for field, kind in table.columns.items() if is_reserved(field)}
        needed = [name for name in self._layout.key if name not in self._columns]
        if table.newest_by:
            needed.append(self._name_of(table.newest_by))
        for name in needed:
            self.seen.setdefault(name, self.declared.get(name) or Kind.TEXT)

    def _name_of(self, path: tuple[str, ...]) -> str:
        try:
            return self._leaves.name_of(path)
        except NameTakenError as taken:
            raise self._taken_error(taken) from None

    def _taken_error(self, taken: NameTakenError) -> ConfigurationError:
        return ConfigurationError(
            f"table {self.source.name!r}: {' and '.join(map(repr, taken.paths))} would both become the column "
            f"{taken.name!r} with 'naming: classic': rename one of them with 'columns', or leave it out"
        )

    def table(self) -> Table:
        source = self.source
        stamps = frozenset({TIMESTAMP}.difference(source.columns))
        marker = None if source.delete_marker is None else classic_column((source.delete_marker,))
        names = {classic_column((field,)): field for field in source.columns}
        return dataclasses.replace(
            source,
            columns=self._columns | self.seen,
            key=self._layout.key,
            # Rows with one key are one row to Classic, whatever else is asked for.
            mode=WriteMode.UPSERT if source.mode is WriteMode.APPEND else source.mode,
            cursor_field=None,
            newest_by=(classic_column(source.newest_by),) if source.newest_by else (),
            digits={},
            source_types={name: source.source_types[f] for name, f in names.items() if f in source.source_types},
            required=frozenset(),
            inferred=frozenset(self.seen),
            declared_by_user=False,
            delete_marker=marker,
            about_changes=frozenset(classic_column((field,)) for field in source.about_changes),
            source_names=self._source_names(names),
            nested={},
            stamps=stamps,
        )

    def _source_names(self, names: dict[str, str]) -> dict[str, str]:
        source = self.source
        marker = {} if source.delete_marker is None else {classic_column((source.delete_marker,)): source.delete_marker}
        own = {name: source.source_names.get(field, field) for name, field in (marker | names).items()}
        inner = {name: ".".join(path) for path, name in self._leaves.names.items() if len(path) > 1}
        return inner | own

    def row(self, record: dict[str, Any], *, now: str) -> dict[str, Any]:
        """The columns of a record, with what Classic adds; values are still those of the source."""
        marks = {field: value for field, value in record.items() if is_reserved(field)}
        whole = {field: value for field, value in record.items() if field not in marks} | self._layout.own
        event_id = hash_of_fields(whole, self.source.key or whole.keys() - self._layout.unhashed)
        whole.pop(EVENT_ID, None)
        context, inner = _CONTEXT
        if isinstance(whole.get(context), dict):
            whole[context] = {key: value for key, value in whole[context].items() if key != inner}
        try:
            flat = self._leaves.flatten(whole)
        except NameTakenError as taken:
            raise self._taken_error(taken) from None
        flat.setdefault(TIMESTAMP, now)
        return flat | marks | {EVENT_ID: event_id}

    def check_key(self, rows: list[dict[str, Any]]) -> None:
        """Whether the key is one of these rows, whose source need not announce it.

        Raises:
            ConfigurationError: none of them has a value for one of its columns.
        """
        missing = [name for name in self._layout.key if all(row.get(name) is None for row in rows)]
        if rows and missing:
            found = sorted({name for row in rows for name, value in row.items() if value is not None})
            raise ConfigurationError(
                f"table {self.source.name!r}: no record has a value for {', '.join(map(repr, missing))}, by which "
                f"'primary_key_fields' of the destination recognises rows: choose from {', '.join(map(repr, found))}"
            )

    def see(self, rows: list[dict[str, Any]]) -> bool:
        """Notes the columns that have their first values; whether there are any."""
        kinds: dict[str, set[Kind]] = {}
        known = self.seen.keys() | self._columns.keys()
        for row in rows:
            for name, value in row.items():
                if value is not None and name not in known:
                    kinds.setdefault(name, set()).add(kind_of_value(value))
        new = {name: self.declared.get(name) or common_kind(found) for name, found in kinds.items()}
        self.seen |= new
        return bool(new)

    def convert(self, rows: list[dict[str, Any]]) -> None:
        """Puts texts in place of arrays, and makes points in time those of UTC."""
        moments = {name for name, kind in (self._columns | self.seen).items() if kind is Kind.LOCAL_TIMESTAMP}
        for row in rows:
            for name, value in row.items():
                if isinstance(value, list | tuple | dict):
                    row[name] = self._json_text(name, value)
                elif isinstance(value, str) and name in moments:
                    row[name] = in_utc(value)

    def _json_text(self, name: str, value: Any) -> str:
        try:
            return json_text(value)
        except UnicodeEncodeError:
            raise ConfigurationError(
                f"table {self.source.name!r}: a value of {name!r} has half of a surrogate pair, which is not a "
                "character: correct it at the source"
            ) from None
