"""Compares the columns that an attempt found with the known ones. Pure."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from msgspec import structs

from app.connectors.contract.schema import Kind, common_kind, parse_type
from app.domain.table_columns import ColumnChange, SchemaRevision, TableColumn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.domain.attempt_protocol import Level, TableDescribed

_MOST_NAMED: Final = 20


def revise(known: SchemaRevision | None, found: TableDescribed) -> SchemaRevision | None:
    """The next revision of a table's columns; None if nothing has changed."""
    if known is None:
        return SchemaRevision(
            destination=found.destination, table=found.table, revision=1, columns=tuple(found.columns)
        )
    columns = tuple(_merge(known.columns, found))
    if columns == known.columns:
        return None
    return structs.replace(
        known, revision=known.revision + 1, columns=columns, changes=tuple(_changes(known.columns, columns))
    )


def describe_changes(revision: SchemaRevision) -> tuple[Level, str] | None:
    """A line for the log of the task; None if there is nothing to tell."""
    changes = revision.changes
    added, removed, retyped = ([c for c in changes if c.change == kind] for kind in ("added", "removed", "retyped"))
    parts = [
        _listed("new: ", (f"{c.field!r} ({c.to_field_type})" for c in added)),
        _listed("no longer sent: ", (f"{c.field!r} ({c.from_field_type})" for c in removed)),
        _listed("", chain.from_iterable(map(_new_types, retyped))),
        *(f"perhaps {c.perhaps_renamed!r} was renamed to {c.field!r}" for c in added if c.perhaps_renamed),
    ]
    if not any(parts):
        return None
    where = f"table {revision.table!r} of destination {revision.destination!r}"
    return "warn" if removed or retyped else "info", f"{where}: columns have changed: {'; '.join(filter(None, parts))}"


def _merge(known: Sequence[TableColumn], found: TableDescribed) -> Iterable[TableColumn]:
    """The columns from now on: known ones first, in their order."""
    there = {column.field: column for column in found.columns}
    declares = any(not column.inferred for column in found.columns)
    for column in known:
        if column.field in there:
            yield _updated(column, there.pop(column.field))
        elif not (found.whole or (declares and not column.inferred)):
            # No row of this load had the field, which says nothing about those that were not read.
            yield column
    yield from there.values()


def _updated(known: TableColumn, found: TableColumn) -> TableColumn:
    """`found`; but what the values of one load show is less than what is known."""
    field_type = known.field_type if found.inferred and _holds(known.field_type, found.field_type) else found.field_type
    return structs.replace(found, field_type=field_type, inferred=known.inferred and found.inferred)


def _holds(wider: str, type_: str) -> bool:
    """Whether a field of type `wider` may have values that look like `type_`."""
    try:
        (kind, digits), (other, others) = parse_type(wider), parse_type(type_)
    except ValueError:  # of another release
        return False
    if common_kind({kind, other}) is not kind:
        return False
    return other is not Kind.DECIMAL or digits is None or (others is not None and digits.holds(others))


def _changes(before: Sequence[TableColumn], after: Sequence[TableColumn]) -> Iterable[ColumnChange]:
    earlier, later = ({column.field: column for column in columns} for columns in (before, after))
    added = [column for column in after if column.field not in earlier]
    removed = [column for column in before if column.field not in later]
    renamed = len(added) == len(removed) == 1 and added[0].field_type == removed[0].field_type
    for column in added:
        yield ColumnChange(
            change="added",
            field=column.field,
            column=column.column,
            to_field_type=column.field_type,
            to_column_type=column.column_type,
            perhaps_renamed=removed[0].field if renamed else None,
        )
    for column in after:
        if (old := earlier.get(column.field)) and _types(old) != _types(column):
            yield ColumnChange(
                change="retyped",
                field=column.field,
                column=column.column,
                from_field_type=old.field_type,
                to_field_type=column.field_type,
                from_column_type=old.column_type,
                to_column_type=column.column_type,
            )
    for column in removed:
        yield ColumnChange(
            change="removed",
            field=column.field,
            column=column.column,
            from_field_type=column.field_type,
            from_column_type=column.column_type,
            perhaps_renamed=added[0].field if renamed else None,
        )


def _types(column: TableColumn) -> tuple[str | None, ...]:
    return column.field_type, column.column, column.column_type


def _new_types(change: ColumnChange) -> Iterable[str]:
    if change.from_field_type != change.to_field_type:
        yield f"{change.field!r} was {change.from_field_type}, is {change.to_field_type}"
    if change.from_column_type != change.to_column_type:
        stored, before = change.to_column_type or "left out", change.from_column_type or "left out"
        yield f"{change.field!r} was {before} in the destination, is {stored}"


def _listed(title: str, entries: Iterable[str]) -> str:
    every = list(entries)
    more = f" and {len(every) - _MOST_NAMED} more" if len(every) > _MOST_NAMED else ""
    return f"{title}{', '.join(every[:_MOST_NAMED])}{more}" if every else ""
