"""What keeps PostgreSQL from changing or dropping a table, and the statements that remove it.

Its messages may be in any language, name only the first obstacle, and for expressions none: so the catalogue is asked.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import psycopg

from app.connectors.destinations.postgres.connection import describe
from app.connectors.warehouse.layout import quoted
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.connectors.destinations.postgres.connection import PostgresSession

# What depends on a column, or on any part of the table. Views come before those that they read.
_DEPENDENTS: Final = """
    WITH RECURSIVE subject AS (
        SELECT c.oid, c.reltype, c.oid::regclass AS name, a.attnum
        FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = $2::text
        WHERE c.oid = to_regclass($1)
    ), dependents AS (
        SELECT classid, d.objid FROM subject s JOIN pg_depend d ON d.refobjid = s.oid
        WHERE refclassid = 'pg_class'::regclass AND (s.attnum IS NULL OR refobjsubid = s.attnum)
    ), views AS (
        SELECT ev_class, 1 AS depth FROM dependents JOIN pg_rewrite r ON r.oid = objid
        WHERE classid = 'pg_rewrite'::regclass AND rulename = '_RETURN'
        UNION
        SELECT r.ev_class, depth + 1 FROM views v JOIN pg_depend d ON d.refobjid = v.ev_class
            JOIN pg_rewrite r ON r.oid = d.objid
        WHERE d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_rewrite'::regclass AND r.ev_class <> v.ev_class
            AND r.rulename = '_RETURN'
    )
"""
_ALWAYS: Final = """
    SELECT format('DROP %s %s', CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END, ev_class::regclass),
        max(depth) AS depth
    FROM views JOIN pg_class v ON v.oid = ev_class WHERE relkind IN ('v', 'm') GROUP BY relkind, ev_class
    UNION ALL
    SELECT format('DROP RULE %I ON %s', rulename, ev_class::regclass), 0
    FROM dependents JOIN pg_rewrite r ON r.oid = objid JOIN pg_class c ON c.oid = ev_class, subject s
    WHERE classid = 'pg_rewrite'::regclass AND relkind NOT IN ('v', 'm') AND (ev_class <> s.oid OR s.attnum IS NOT NULL)
    UNION ALL
    SELECT format('DROP POLICY %I ON %s', polname, polrelid::regclass), 0
    FROM dependents JOIN pg_policy p ON p.oid = objid, subject s
    WHERE classid = 'pg_policy'::regclass AND (polrelid <> s.oid OR s.attnum IS NOT NULL)
    UNION ALL
    SELECT format('DROP %s %s', CASE prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, p.oid::regprocedure), 0
    FROM dependents JOIN pg_proc p ON p.oid = objid WHERE classid = 'pg_proc'::regclass
    UNION ALL
    SELECT format('ALTER TABLE %s ALTER COLUMN %I TYPE jsonb USING to_jsonb(%2$I)', attrelid::regclass, attname), 0
    FROM subject s JOIN pg_type t ON t.oid = s.reltype JOIN pg_attribute u ON atttypid IN (t.oid, t.typarray)
        JOIN pg_class c ON c.oid = attrelid
    WHERE relkind IN ('r', 'p', 'f') AND NOT attisdropped
"""
_OF_COLUMN: Final = """
    SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass), 0
    FROM dependents JOIN pg_trigger t ON t.oid = objid WHERE classid = 'pg_trigger'::regclass AND NOT tgisinternal
    UNION ALL
    SELECT format('ALTER TABLE %s DROP COLUMN %I', attrelid::regclass, attname), 0
    FROM dependents JOIN pg_attrdef e ON e.oid = objid JOIN pg_attribute g ON attrelid = adrelid AND g.attnum = adnum,
        subject s
    WHERE classid = 'pg_attrdef'::regclass AND attgenerated <> '' AND (adrelid, adnum) <> (s.oid, s.attnum)
    UNION ALL
    SELECT format('ALTER PUBLICATION %I DROP TABLE %s', pubname, prrelid::regclass), 0
    FROM dependents JOIN pg_publication_rel r ON r.oid = objid JOIN pg_publication p ON p.oid = prpubid
    WHERE classid = 'pg_publication_rel'::regclass
"""
_REFERENCES: Final = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname), 0 AS depth
    FROM pg_constraint JOIN subject s ON confrelid = s.oid
    WHERE contype = 'f' AND conrelid <> s.oid AND conparentid = 0
"""
_CHILDREN: Final = """
    SELECT format('ALTER TABLE %s NO INHERIT %s', inhrelid::regclass, s.name), 0
    FROM pg_inherits JOIN subject s ON inhparent = s.oid JOIN pg_class c ON c.oid = inhrelid WHERE NOT relispartition
"""
# These are in the way of some types only.
_EXPRESSIONS: Final = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname), 0 AS depth
    FROM dependents JOIN pg_constraint c ON c.oid = objid
    WHERE classid = 'pg_constraint'::regclass AND contype IN ('c', 'f', 'x')
    UNION
    SELECT format('DROP INDEX %s', indexrelid::regclass), 0
    FROM dependents JOIN pg_index i ON indexrelid = objid JOIN pg_class c ON c.oid = indexrelid
        JOIN pg_am m ON m.oid = relam
    WHERE classid = 'pg_class'::regclass AND (indexprs IS NOT NULL OR indpred IS NOT NULL OR amname <> 'btree')
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    UNION
    SELECT format('DROP STATISTICS %I.%I', nspname, stxname), 0
    FROM dependents JOIN pg_statistic_ext x ON x.oid = objid JOIN pg_namespace n ON n.oid = stxnamespace
    WHERE classid = 'pg_statistic_ext'::regclass AND 'e' = ANY (stxkind)
    UNION
    SELECT format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', attrelid::regclass, attname), 0
    FROM subject s JOIN pg_attribute a ON attrelid = s.oid AND a.attnum = s.attnum
    WHERE atthasdef AND attgenerated = ''
"""
_NOT_NULL: Final = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname), 0 AS depth
    FROM dependents JOIN pg_constraint c ON c.oid = objid
    WHERE classid = 'pg_constraint'::regclass AND contype = 'p'
    UNION
    SELECT format('ALTER TABLE %s REPLICA IDENTITY FULL', s.name), 0
    FROM subject s JOIN pg_index ON indrelid = s.oid WHERE indisreplident AND s.attnum = ANY (indkey::smallint[])
    UNION
    SELECT format('ALTER TABLE %s ALTER COLUMN %I DROP IDENTITY', attrelid::regclass, attname), 0
    FROM subject s JOIN pg_attribute a ON attrelid = s.oid AND a.attnum = s.attnum WHERE attidentity <> ''
"""
_QUERIES: Final = {
    "retype": f"{_DEPENDENTS}{_ALWAYS} UNION ALL {_OF_COLUMN}",
    "retype to this": _DEPENDENTS + _EXPRESSIONS,
    "relax": _DEPENDENTS + _NOT_NULL,
    "drop": f"{_DEPENDENTS}{_ALWAYS} UNION ALL {_REFERENCES} UNION ALL {_CHILDREN}",
    "unkey": f"{_DEPENDENTS}{_REFERENCES} AND conindid = to_regclass($2)",
}
# What the table is, and the column.
_NATURE: Final = """
    SELECT c.oid::regclass::text, relkind::text, reloftype <> 0, coalesce(attidentity, '')::text,
        coalesce(attgenerated, '')::text,
        (SELECT inhparent::regclass::text FROM pg_inherits
         WHERE inhrelid = c.oid AND (relispartition OR attinhcount > 0) LIMIT 1),
        pg_get_userbyid(relowner)::text, pg_has_role(relowner, 'USAGE'),
        relkind = 'p' AND EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid
            AND objsubid = attnum AND refclassid = 'pg_class'::regclass AND refobjid = c.oid AND refobjsubid = 0)
    FROM pg_class c LEFT JOIN pg_attribute a ON attrelid = c.oid AND attname = $2::text
    WHERE c.oid = to_regclass($1)
"""


_CLASSES: Final = ("0A", "22", "23", "2B", "42")
# These have other causes than what depends on the column.
_OTHER: Final = (psycopg.errors.UniqueViolation, psycopg.errors.CannotCoerce, psycopg.errors.DataException)


class _Nature(NamedTuple):
    """`identity` and `generated` are of the column, and empty if it is neither; `parent` is where it comes from."""

    table: str
    kind: str
    is_typed: bool
    identity: str
    generated: str
    parent: str | None
    owner: str
    is_own: bool
    partitions_by_it: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to `table` (a quoted name) or its `column`; `statement` says it of any table.

    `add` adds columns, `relax` drops NOT NULL, `index` and `unkey` make and drop the unique index of a key; to `unkey`,
    `column` is the index.
    """

    what: Literal["retype", "relax", "add", "index", "unkey", "drop"]
    table: str
    statement: Callable[[str], str]
    column: str | None = None


def check_obstacles(session: PostgresSession, change: Change) -> None:
    """Looks for what is in the way of a change before it is made.

    Raises:
        ConfigurationError: the change is sure to be refused; names what the user has to remove, as `naming_obstacles`.
    """
    row = session.row(_NATURE, change.table, change.column)
    if row is None:
        return
    nature = _Nature(*row)
    if advice := _about_owner(nature, change) or _about_table(nature, change) or _about_column(nature, change):
        raise ConfigurationError(f"cannot change table {change.table}. {advice}")
    if advice := _about_dependents(session, change, query=change.what):
        used = f"other objects use column {change.column!r}"
        raise ConfigurationError(f"cannot change table {change.table}: {used}. {advice}")


@contextmanager
def naming_obstacles(session: PostgresSession, change: Change) -> Iterator[None]:
    """Explains why a change that is made inside is refused.

    Raises:
        ConfigurationError: the user has to remove what is in the way; names it, and the statements that do so.
        psycopg.Error: anything else.
    """
    try:
        with session.connection.transaction():  # after an error, nothing could be asked in this one
            yield
    except psycopg.Error as error:
        advice = ""
        if (error.sqlstate or "").startswith(_CLASSES):
            with suppress(psycopg.Error):  # the first error counts
                advice = _advice(session, error, change)
        if advice:
            raise ConfigurationError(f"cannot change table {change.table}: {describe(error)}. {advice}") from error
        raise


def _advice(session: PostgresSession, error: psycopg.Error, change: Change) -> str:
    row = session.row(_NATURE, change.table, change.column)
    if row is None:
        return ""
    nature = _Nature(*row)
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return _about_owner(nature, change)
    if advice := _about_table(nature, change) or _about_column(nature, change) or _about_type(nature, error, change):
        return advice
    if isinstance(error, _OTHER):
        return ""
    depends_on_type = change.what == "retype" and not isinstance(error, psycopg.errors.FeatureNotSupported)
    return _about_dependents(session, change, query="retype to this" if depends_on_type else change.what)


def _about_owner(nature: _Nature, change: Change) -> str:
    asked = f"ask {nature.owner!r} to run {change.statement(nature.table)}"
    return "" if nature.is_own else f"Only its owner can do that: {asked}"


def _about_table(nature: _Nature, change: Change) -> str:
    if nature.kind in ("v", "m"):
        return f"{nature.table} is a view: set another 'table_name'"
    if nature.parent is not None and change.what in ("retype", "relax", "add"):
        return f"Its columns are those of {nature.parent}: run {change.statement(nature.parent)}"
    if nature.is_typed and change.what in ("retype", "add"):
        return f"Its columns are those of a type: run ALTER TABLE {nature.table} NOT OF"
    return ""


def _about_column(nature: _Nature, change: Change) -> str:
    if change.what != "retype" or change.column is None:
        return ""
    if nature.partitions_by_it:
        return "It is divided into partitions by this column: set another 'table_name', or make it without partitions"
    if nature.generated:
        dropped = f"ALTER TABLE {nature.table} DROP COLUMN {quoted(change.column)}"
        return f"The column is generated, so nothing can be loaded into it: run {dropped}"
    return ""


def _about_type(nature: _Nature, error: psycopg.Error, change: Change) -> str:
    """What only the error says."""
    if nature.kind == "p" and change.what == "index":
        return (
            "Its partitions do not allow this key: let 'primary_key' have all columns by which it is divided, or set "
            "another 'table_name'"
        )
    if change.what == "index" and isinstance(error, psycopg.errors.UndefinedObject):
        return (
            "A column of the key has a type without an order: set another 'primary_key', or make it jsonb if it is json"
        )
    if change.column and nature.identity and isinstance(error, psycopg.errors.InvalidParameterValue):
        return f"Run ALTER TABLE {nature.table} ALTER COLUMN {quoted(change.column)} DROP IDENTITY"
    return ""


def _about_dependents(session: PostgresSession, change: Change, *, query: str) -> str:
    asked = _QUERIES.get(query)
    found = session.rows(f"{asked} ORDER BY depth DESC, 1", change.table, change.column) if asked else []
    if not found:
        return ""
    advice = f"Run {'; '.join(statement for statement, _ in found)}"
    if change.what in ("relax", "unkey"):
        return advice
    advice += f", and make {'it' if len(found) == 1 else 'them'} again after the next task"
    evolve = ", or set 'schema_policy: evolve' and correct the value at the source"
    return advice + evolve if change.what == "retype" else advice
