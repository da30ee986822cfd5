"""What a bookmark stands for: rows of one table or stream of the source, in tables of the destination.

It is wrong for any other table: the rows before it are not there.
"""

from __future__ import annotations

import hashlib
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.connectors.contract.several import loads_several
from app.connectors.contract.stream_tables import tables_in
from app.domain.collection import ALL
from app.domain.columns import ColumnRules
from app.domain.naming import AS_IS, Naming, namer
from app.domain.writing import BAD_ROWS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from app.domain.attempt_protocol import SourceJob

_DIGITS: Final = 16
# Options of a source that decide the table names when all of its streams are loaded.
_NAMING: Final = ("stream_table_name_prefix", "stream_table_names")


class Standing(msgspec.Struct, frozen=True):
    """`reads` is what is read; `writes` the table, or what the names of several depend on; `tables` have the rows.

    `query` is a digest of the query that is read, empty if it is none; `key` is the one that the user has set, empty if
    the source decides. Both are None in bookmarks of earlier releases, which fit any. Sources know the cursor of their
    own bookmarks. `columns` and `naming` made the columns that the rows have; in tables that no load has reached since
    `columns` changed, it was those in `earlier`. `place` is where the tables are: the keys of the destination that say
    so, each with a digest. It is None in bookmarks that lie beside their tables. `loaded` are all tables that loads
    have ever made or found, by what their names depended on then. `aside` are tables of rows that could not be read,
    for which the bookmark does not stand.
    """

    reads: str
    writes: str
    tables: tuple[str, ...] = ()
    query: str | None = None
    key: tuple[str, ...] | None = None
    columns: ColumnRules | None = None
    naming: Naming = AS_IS
    place: dict[str, str] | None = None
    earlier: dict[str, ColumnRules] = {}
    aside: tuple[str, ...] = ()
    loaded: dict[str, tuple[str, ...]] = {}

    @classmethod
    def of(cls, job: SourceJob) -> Standing:
        """What the bookmarks of this job stand for, with the table that must exist if there is only one."""
        collection, parameters = job.collection, job.collection.parameters
        several = loads_several(job)
        reads = ALL if several else str(parameters.get("table") or collection.type)
        query = " ".join(str(parameters.get("query") or "").split())
        if query:
            reads = "a query"
        elif "." not in reads and (schema := job.source_config.get("schema")):
            reads = f"{schema}.{reads}"
        settings: dict[str, Any] = {
            "query": hashlib.sha256(query.encode()).hexdigest()[:_DIGITS] if query else "",
            "key": _key(collection.primary_key or parameters.get("key")),
            "columns": collection.columns,
            "aside": (f"{collection.table_name}{BAD_ROWS}",) if parameters.get("bad_rows") == "keep" else (),
        }
        if not several:
            return cls(reads, collection.table_name, (collection.table_name,), **settings)
        naming = {key: job.source_config[key] for key in _NAMING if job.source_config.get(key)}
        if tables := tables_in(job.source_config.get("catalog")):
            naming["catalog"] = tables
        names = f" {msgspec.json.encode(naming, order='sorted').decode()}" if naming else ""
        return cls(reads, collection.table_name + names, **settings)

    @classmethod
    def parse(cls, text: str | None) -> Standing | None:
        """The inverse of `text`; None for a bookmark of a release before 0.1.1."""
        return None if text is None else msgspec.json.decode(text, type=cls)

    def in_naming(self, naming: Naming) -> Standing:
        """The same at a destination that names its tables this way."""
        named = namer(naming)
        tables, aside = tuple(map(named, self.tables)), tuple(map(named, self.aside))
        return msgspec.structs.replace(self, tables=tables, aside=aside, naming=naming)

    def at(self, place: dict[str, str]) -> Standing:
        """The same for tables that are there."""
        return msgspec.structs.replace(self, place=place)

    def text(self) -> str:
        return msgspec.json.encode(self).decode()

    def change_from(self, kept: Standing) -> str | None:
        """Why a bookmark that stands for `kept` does not stand for this; None if it does."""
        return _change_of_place(kept.place, self.place) or self._change_of_rows(kept)

    def _change_of_rows(self, kept: Standing) -> str | None:
        if kept.writes != self.writes:
            return f"its bookmark covers rows in {kept.writes!r}, but the table is now {self.writes!r}"
        if kept.reads != self.reads:
            return f"its bookmark covers rows of {kept.reads!r}, but the source now reads {self.reads!r}"
        if kept.query is not None and kept.query != self.query:
            return "its bookmark covers rows of another query"
        if kept.key is not None and kept.key != self.key:
            return (
                f"its bookmark covers rows with {_named('key', kept.key)}, but now there is {_named('key', self.key)}"
            )
        if kept.naming != self.naming:
            return f"its bookmark covers rows of 'naming: {kept.naming}', but the destination now has '{self.naming}'"
        return None

    def with_tables(self, before: Standing | None, *tables: str, begun: Iterable[str] = ()) -> Standing:
        """This, with the tables that already have rows and the given ones, which were loaded by its rules."""
        kept = _sorted(before.tables if before else (), tables)
        rules = before.rules_by_table if before else {}
        earlier = {name: each for name, each in rules.items() if name not in tables and each != self.rules_of(name)}
        loaded = before.loaded if before else {}
        loaded = loaded | {self.writes: _sorted(loaded.get(self.writes, ()), kept, begun)}
        aside = _sorted(before.aside if before else (), self.aside)
        return msgspec.structs.replace(self, tables=kept, earlier=earlier, loaded=loaded, aside=aside)

    def without_bookmark(self) -> Standing:
        """What is still known of the rows when no bookmark covers them."""
        loaded = self.loaded | {self.writes: _sorted(self.own_tables(self))}
        return msgspec.structs.replace(self, tables=(), earlier=self.rules_by_table, loaded=loaded)

    def own_tables(self, now: Standing) -> set[str]:
        """Those with rows, and those that were ever loaded, even without rows, under the names that are set `now`."""
        own = {*self.tables, *self.loaded.get(now.writes, ())}
        return {*own, *self._aside_of(own)}

    def rules_of(self, table: str) -> ColumnRules:
        """Those that made the columns of the table's rows."""
        return self.earlier.get(table, self.columns or ColumnRules())

    @property
    def rules_by_table(self) -> dict[str, ColumnRules]:
        """The rules of each table that is known to have rows, or to have had some."""
        return {name: self.rules_of(name) for name in sorted({*self.tables, *self.earlier})}

    def is_all_by(self, rules: ColumnRules) -> bool:
        """Whether no rows were loaded by other rules."""
        return all(each == rules for each in (self.columns or ColumnRules(), *self.earlier.values()))

    @property
    def all_tables(self) -> tuple[str, ...]:
        """Those with rows of the source, then those of rows that could not be read for them."""
        return (*self.tables, *self._aside_of(self.tables))

    def _aside_of(self, tables: Collection[str]) -> tuple[str, ...]:
        return tuple(each for each in self.aside if each.removesuffix(BAD_ROWS) in tables)


def _sorted(*tables: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*chain.from_iterable(tables)}))


def _key(given: Any) -> tuple[str, ...]:
    return tuple(map(str, given if isinstance(given, list | tuple) else [given] if given else []))


def _change_of_place(before: dict[str, str] | None, now: dict[str, str] | None) -> str | None:
    if before is None or before == now:
        return None
    now = now or {}
    keys = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
    has = "has" if len(keys) == 1 else "have"
    return f"its bookmark covers rows in another place: {', '.join(map(repr, keys))} {has} changed since then"


def _named(what: str, names: tuple[str, ...] | None) -> str:
    return f"the {what} {', '.join(map(repr, names))}" if names else f"no {what}"
