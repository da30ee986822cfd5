"""The columns of a table that a collection loads, and how they have changed since its last load."""

from __future__ import annotations

from typing import Literal

import msgspec


class TableColumn(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A field of the source, and the destination's column for it.

    `field_type` is the source's own name of the type if it has one, otherwise a name as in `contract.schema.type_name`.
    `column_type` is the destination's. `column` is None if the destination has no column for the field, or does not say
    which. An `inferred` field is known only from its values: it may still exist if no row has it.
    """

    field: str
    field_type: str
    column: str | None = None
    column_type: str | None = None
    inferred: bool = False


class ColumnChange(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A field that is new, is no longer sent, or has another type at the source or in the destination.

    `perhaps_renamed` is the other field of what looks like one that was renamed, and was `removed` and `added`.
    """

    change: Literal["added", "removed", "retyped"]
    field: str
    column: str | None = None
    from_field_type: str | None = None
    to_field_type: str | None = None
    from_column_type: str | None = None
    to_column_type: str | None = None
    perhaps_renamed: str | None = None


class SchemaRevision(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of a table in `destination` from now on. The first revision, number 1, has no changes."""

    destination: str
    table: str
    revision: int
    columns: tuple[TableColumn, ...]
    changes: tuple[ColumnChange, ...] = ()
