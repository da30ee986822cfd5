"""Divides a table of PostgreSQL into parts: ranges of a key, with which a first load can go on, or else of places.

A range of places (`ctid`) reads pages as they lie, so it is the faster way, but it means nothing in another snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from app.connectors.sources.sql import parts
from app.connectors.sources.sql.parts import Part, Parts
from app.connectors.sources.sql.postgres_values import expression_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from app.connectors.sources.sql.dialect import SourceColumn
    from app.connectors.sources.sql.selection import Selection

PAGES_OF_A_PART = 1024
"""8 MiB, unless there would be too many parts."""
_MOST_PARTS: Final = 1000
_SAMPLED_PAGES: Final = 1000
_SAMPLED_PAGES_OF_A_PART: Final = 4
_TID_RANGES: Final = 140_000
_ORDERED: Final = frozenset(
    {
        *("smallint", "integer", "bigint", "numeric", "text", "character varying", "uuid", "date"),
        *("timestamp without time zone", "timestamp with time zone"),
    }
)

_FACTS = """
    SELECT relkind::text, has_table_privilege(oid, 'SELECT'),
           current_setting('server_version_num')::int, current_setting('server_encoding'),
           coalesce(leaves.pages, pg_relation_size(oid) / current_setting('block_size')::int)::bigint,
           coalesce(leaves.most, pg_relation_size(oid) / current_setting('block_size')::int)::bigint
    FROM pg_class, LATERAL (
        SELECT sum(size) AS pages, max(size) AS most
        FROM (SELECT pg_relation_size(relid) / current_setting('block_size')::int AS size
              FROM pg_partition_tree(pg_class.oid) WHERE isleaf) AS sizes
    ) AS leaves
    WHERE oid = to_regclass(%s)
"""
# Columns of NULLs would be in no range, and without an index each range would scan the table.
_INDEXES = """
    SELECT indisunique, first.attname::text, format_type(first.atttypid, NULL),
           ARRAY(SELECT attname::text FROM unnest(indkey[:indnkeyatts - 1]) AS number JOIN pg_attribute
                 ON attrelid = indrelid AND attnum = number AND attnotnull)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
    JOIN pg_attribute AS first ON first.attrelid = indrelid AND first.attnum = indkey[0]
    WHERE indrelid = to_regclass(%s) AND indisvalid AND indpred IS NULL AND amname = 'btree' AND first.attnotnull
      AND cardinality(ARRAY(SELECT attname FROM unnest(indkey[:indnkeyatts - 1]) AS number JOIN pg_attribute
                            ON attrelid = indrelid AND attnum = number AND attnotnull)) = indnkeyatts
    ORDER BY indisprimary DESC, indisunique DESC, indexrelid
"""


@dataclass(frozen=True, slots=True)
class _Table:
    """`pages` of all its rows, `most_pages` of one partition."""

    name: str
    version: int
    pages: int
    most_pages: int


@dataclass(frozen=True, slots=True)
class _Key:
    """A column that is never NULL, and that an index begins with."""

    name: str
    type: str

    @property
    def column(self) -> str:
        return f"syncline_source.{_quoted(self.name)}"

    def literal(self, text: str) -> str:
        # Other literals take a backslash as the server is set to.
        escaped = text.replace("\\", "\\\\").replace("'", "''")
        return f"E'{escaped}'::{self.type}"


class UndividedError(Exception):
    """Why a table is not read in parts."""


def divide(
    connection: Connection,
    selection: Selection,
    columns: Sequence[SourceColumn],
    *,
    bookmark: str | None,
    first_load: bool,
    highest: Callable[[], str | None],
) -> Parts:
    """The parts in which the whole table is read, or the rest of it if `bookmark` is that of a first load.

    `highest` is the bookmark of the highest cursor, for a table that has one.

    Raises:
        UndividedError: it cannot be divided, or is too small.
    """
    table = _look_at(connection, selection)
    expressions = ", ".join(f"{expression_of(each)} AS {_quoted(each.name)}" for each in columns)
    everything = f"SELECT {expressions} FROM {table.name} AS syncline_source"  # noqa: S608 -- quoted identifiers
    indexes = list(connection.exec_driver_sql(_INDEXES, (table.name,)))
    unique_key = any(unique and {*names} <= {*selection.key} for unique, _, _, names in indexes)
    if first_load or parts.is_first_load(bookmark):
        for _, name, type_, _ in indexes:
            if type_ in _ORDERED and (not selection.key or name in selection.key):
                begin = parts.decode(bookmark, key=name, type_=type_, cursor_field=selection.cursor_field)
                then = highest() if begin is None else parts.then_of(bookmark)
                key = _Key(name, type_)
                bounds = _sample(connection, table, key, begin)
                ranges = _key_ranges(everything, key, [begin, *bounds, None], then)
                return Parts(ranges, then=then, goes_on=begin is not None, unique_key=unique_key)
    if selection.cursor_field is not None:
        raise UndividedError("it has a cursor_field, and no index begins with a column of its key that is NOT NULL")
    if table.version < _TID_RANGES:
        raise UndividedError("PostgreSQL 13 and older ones read no ranges of pages")
    return Parts(_place_ranges(table, everything), unique_key=unique_key)


def _look_at(connection: Connection, selection: Selection) -> _Table:
    name = ".".join(_quoted(part) for part in (selection.schema, selection.table) if part)
    found = connection.exec_driver_sql(_FACTS, (name,)).fetchone()
    if found is None or found[0] not in {"r", "p", "m"}:
        raise UndividedError("it is not a table")
    _, may_read, version, encoding, pages, most_pages = found
    if not may_read:
        raise UndividedError("this login may read its columns, but not the places of its rows")
    if encoding == "SQL_ASCII":
        raise UndividedError("its database has the encoding SQL_ASCII")
    if pages <= PAGES_OF_A_PART:
        raise UndividedError("it is small")
    return _Table(name, version, pages, most_pages)


def _pages_of_a_part(pages: int) -> int:
    return max(PAGES_OF_A_PART, -(-pages // _MOST_PARTS))


def _place_ranges(table: _Table, everything: str) -> list[Part]:
    """Of all partitions alike; the last range is open, for rows in tables that inherit from this one."""
    step = _pages_of_a_part(table.most_pages)
    begins = list(range(0, max(table.most_pages, 1), step))
    ends = [f" AND ctid < '({begin},0)'" for begin in begins[1:]] + [""]
    return [Part(f"{everything} WHERE ctid >= '({begin},0)'{end}") for begin, end in zip(begins, ends, strict=True)]


def _key_ranges(everything: str, key: _Key, bounds: list[str | None], then: str | None) -> list[Part]:
    """Between each two of `bounds`, of which the first and the last may be None, for no bound."""
    found: list[Part] = []
    for low, high in pairwise(bounds):
        conditions = [f"{key.column} >= {key.literal(low)}"] if low is not None else []
        conditions += [f"{key.column} < {key.literal(high)}"] if high is not None else []
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        found.append(
            Part(everything + where, None if high is None else parts.encode(key.name, key.type, high, then=then))
        )
    return found


def _sample(connection: Connection, table: _Table, key: _Key, begin: str | None) -> list[str]:
    """Values between ranges of about the same number of rows; from a small sample, so that this takes no time."""
    wanted = -(-table.pages // _pages_of_a_part(table.pages))
    percent = min(100.0, 100.0 * max(_SAMPLED_PAGES, _SAMPLED_PAGES_OF_A_PART * wanted) / table.pages)
    beginning = f"WHERE key >= %s::{key.type}" if begin is not None else ""
    arguments: tuple[Any, ...] = () if begin is None else (begin,)
    statement = f"""
        SELECT format('%%s', key) FROM (
            SELECT key, row_number() OVER (ORDER BY key) AS number, count(*) OVER () AS count
            FROM (SELECT {_quoted(key.name).replace("%", "%%")} AS key
                  FROM {table.name.replace("%", "%%")} TABLESAMPLE SYSTEM ({percent})) AS sampled {beginning}
        ) AS numbered
        WHERE number %% greatest(count / {wanted}, 1) = 0 AND number < count
        GROUP BY key ORDER BY key
    """  # noqa: S608 -- quoted identifiers
    found = [value for (value,) in connection.exec_driver_sql(statement, arguments)]
    # Nothing is read before the first bound of a sample, or it is where an earlier load has stopped.
    return [value for value in found if value != begin]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
