"""Whether a table that exists can take new rows at all: what others have declared of columns that nothing fills.

Asked before the first rows are staged, when their fields are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from app.connectors.warehouse.layout import quoted
from app.domain.classic_names import EVENT_ID
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.connectors.warehouse.layout import Target
    from app.connectors.warehouse.session import Session

# A trigger may fill any column, and so may the default of a domain.
_REQUIRED: Final = """
    SELECT attname::text FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
    WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
        AND attnotnull AND NOT atthasdef AND attidentity = '' AND typdefault IS NULL
        AND col_description(attrelid, attnum) IS DISTINCT FROM $2
    ORDER BY attnum
"""
_FILLS: Final = """
    SELECT 1 FROM pg_trigger
    WHERE tgrelid = to_regclass($1) AND NOT tgisinternal AND tgtype & 7 = 7 LIMIT 1
"""
# A default with a call, such as nextval('…') or gen_random_uuid(), differs from row to row.
_UNIQUE: Final = """
    SELECT indexrelid::regclass::text, conname::text, obj_description(indexrelid, 'pg_class'),
        array_agg(attname::text ORDER BY attnum),
        array_agg(atthasdef AND attgenerated = '' AND attidentity = ''
            AND regexp_replace(pg_get_expr(adbin, adrelid), '''[^'']*''', '', 'g') NOT LIKE '%(%' ORDER BY attnum)
    FROM pg_index
        JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY ((indkey::smallint[])[0:indnkeyatts - 1])
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        LEFT JOIN pg_constraint ON conindid = indexrelid AND contype IN ('p', 'u')
    WHERE indrelid = to_regclass($1) AND indisunique AND indexprs IS NULL AND indpred IS NULL
    GROUP BY indexrelid, conname ORDER BY indexrelid
"""


class _Unique(NamedTuple):
    """A unique index, by its quoted `name`.

    `repeats` says of each of its `columns` whether rows that are not given a value have the same one.
    """

    name: str
    constraint: str | None
    comment: str | None
    columns: list[str]
    repeats: list[bool | None]


def check_can_be_filled(
    session: Session, target: Target, *, written: Collection[str], required_comment: str, key_comment: str
) -> None:
    """For new rows that have values in the `written` columns alone.

    Columns and indexes with these comments are Syncline's own, which follow what is loaded.

    Raises:
        ConfigurationError: a column must not be NULL and has no default, or is unique and would be the same everywhere.
    """
    if session.row(_FILLS, target.qualified):
        return
    indexes = [_Unique(*row) for row in session.rows(_UNIQUE, target.qualified)]
    own = {name for index in indexes if index.comment == key_comment for name in index.columns}
    foreign = [index for index in indexes if index.comment != key_comment]
    _check_classic(target, foreign, written)
    for (name,) in session.rows(_REQUIRED, target.qualified, required_comment):
        if name not in written and name not in own:
            raise ConfigurationError(
                f"table {target.table.name!r} has the column {name!r}, which is NOT NULL and has no default, and no "
                f"record supplies it, so inserts would fail. Remove the constraint with ALTER TABLE {target.qualified} "
                f"ALTER COLUMN {quoted(name)} DROP NOT NULL, or set another 'table_name'"
            )
    for index in foreign:
        _check_unique(target, index, written)


def _check_classic(target: Target, indexes: list[_Unique], written: Collection[str]) -> None:
    index = next((each for each in indexes if EVENT_ID in each.columns), None)
    if index is None or EVENT_ID in written:
        return
    raise ConfigurationError(
        f"table {target.table.name!r} is one of Jitsu Classic: its key {EVENT_ID!r} "
        f"({index.constraint or index.name}) would have no value in new rows. Set 'naming: classic' at this "
        "destination, which fills it as Classic does, or set another 'table_name'"
    )


def _check_unique(target: Target, index: _Unique, written: Collection[str]) -> None:
    filled = [name for name in index.columns if name in written]
    missing = [name for name in index.columns if name not in written]
    repeats = [repeats for name, repeats in zip(index.columns, index.repeats, strict=True) if name not in written]
    # What is unique by the columns that are written stays so.
    if not missing or not all(repeats) or (target.key and set(target.key) <= set(filled)):
        return
    dropped = f"DROP INDEX {index.name}"
    if index.constraint is not None:
        dropped = f"ALTER TABLE {target.qualified} DROP CONSTRAINT {quoted(index.constraint)}"
    raise ConfigurationError(
        f"table {target.table.name!r} has the unique {'index' if index.constraint is None else 'constraint'} "
        f"{index.constraint or index.name!r} with {', '.join(map(repr, missing))}, which no record has, so new rows "
        f"would have the same value there. Drop it with {dropped}, or set another 'table_name'"
    )
