"""A table of a dataset: how its fields are named and typed there, and its description for dlt."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

import pyarrow as pa  # type: ignore[import-untyped]

from app.connectors.destinations.dlt import columns as types
from app.connectors.warehouse import layout
from app.connectors.warehouse.layout import OWN_COLUMNS, admitted, column_names, own_columns
from app.domain.errors import ConfigurationError
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from dlt.common.destination import DestinationCapabilitiesContext
    from dlt.common.schema import Schema

    from app.connectors.contract.schema import Kind, Table
    from app.connectors.destinations.dlt.columns import Described

LOAD_COLUMN: Final = "_dlt_load_id"
NAME_COLUMN: Final = "_syncline_row_name"
# Information schemas tell more, such as the 53 bits of a double.
_SIZES: Final[dict[str, tuple[str, ...]]] = {
    "bigint": ("precision",),
    "decimal": ("precision", "scale"),
    "text": ("precision",),
    "time": ("precision",),
    "timestamp": ("precision", "timezone"),
}
_RESERVED: Final = frozenset({LOAD_COLUMN, NAME_COLUMN, "_dlt_id"})


@dataclasses.dataclass(frozen=True, slots=True)
class Target(layout.Target):
    """`described` are the columns as dlt is told of them, `arrow` those of the source in which rows travel.

    Rows without a key that may come again are `named`.
    """

    described: dict[str, Described] = dataclasses.field(kw_only=True)
    arrow: pa.Schema = dataclasses.field(kw_only=True)
    named: bool = dataclasses.field(kw_only=True)

    @property
    def key(self) -> list[str]:
        return [NAME_COLUMN] if self.named else [self.columns[field].name for field in self.table.identity]

    @property
    def how(self) -> str:
        """What becomes of the rows that are there; `named` ones are merged by their names."""
        if self.table.mode is WriteMode.REPLACE:
            return "replace"
        if self.named:
            return "named"
        return "merge" if self.table.mode is WriteMode.UPSERT else "append"


def is_named(table: Table) -> bool:
    """Whether its source sends rows again that nothing tells from new ones but all that they hold."""
    return table.mode is WriteMode.APPEND and table.cursor_field is not None and not table.full_refresh


def described(
    table: Table,
    schema: Schema,
    present: dict[str, Described],
    capabilities: DestinationCapabilitiesContext,
    *,
    unfinished: bool,
) -> Target:
    """`present` are the columns that are there, as the destination spells them.

    Raises:
        ConfigurationError: two fields would be one column, or a name is not to be had.
    """
    if not table.name or "\0" in table.name:
        raise ConfigurationError(f"table_name {table.name!r} must not be empty or contain U+0000")
    same = str if capabilities.generates_case_sensitive_identifiers() else str.casefold
    names = column_names(table, fitted=schema.naming.normalize_path, same=same)
    if taken := [field for field, name in names.items() if same(name) in _RESERVED]:
        raise ConfigurationError(f"table {table.name!r}: the field {taken[0]!r} has the name of a column of our own")
    there = {same(name): column for name, column in present.items()}
    left_out: tuple[str, ...] = ()
    if present and not unfinished:
        names, left_out = admitted(table, names, new=lambda name: same(name) not in there)
    key = {names[field] for field in table.identity}
    shape = {}
    for field, name in names.items():
        shape[name] = _described(there.get(same(name)), table.columns[field]) | {"name": name}
        if name in key:
            shape[name] |= {"primary_key": True, "nullable": False}
    columns = {
        field: types.column(name, shape[name], table.columns[field], capabilities) for field, name in names.items()
    }
    nullable = {name: described.get("nullable", True) for name, described in shape.items()}
    arrow = pa.schema(
        [pa.field(column.name, column.arrow, nullable=nullable[column.name]) for column in columns.values()]
    )
    named = is_named(table)
    free = there.keys() - {same(name) for name in (*names.values(), *OWN_COLUMNS, *_RESERVED)}
    name_column: dict[str, Described] = {NAME_COLUMN: {"name": NAME_COLUMN, "data_type": "text", "primary_key": True}}
    return Target(
        table=table,
        qualified=schema.naming.normalize_tables_path(table.name),
        columns=columns,
        described=shape
        | {name: _described(there.get(same(name)), kind) | {"name": name} for name, kind in own_columns(table).items()}
        | {LOAD_COLUMN: {"name": LOAD_COLUMN, "data_type": "text"}}
        | (name_column if named else {}),
        left_out=left_out,
        unfinished=unfinished or not present,
        vacant=lambda field: same(schema.naming.normalize_path(field)) in free,
        arrow=arrow,
        named=named,
    )


def _described(present: Described | None, kind: Kind) -> Described:
    """The type that a column has already, or the one that a new column gets."""
    if present is None or "data_type" not in present:
        return dict(types.NEW_TYPES[kind])
    parts = ("data_type", *_SIZES.get(present["data_type"], ()))
    return {part: present[part] for part in parts if present.get(part) is not None}
