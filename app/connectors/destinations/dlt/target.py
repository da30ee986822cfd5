"""A table of a dataset: the names and types of its columns, and its description for dlt."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

import pyarrow as pa  # type: ignore[import-untyped]

from app.connectors.contract.passes import DescribedTable
from app.connectors.destinations.dlt import columns as types
from app.connectors.warehouse import layout
from app.connectors.warehouse.layout import OWN_COLUMNS, admit_columns, column_names, own_columns
from app.domain.errors import ConfigurationError
from app.domain.naming import namer
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from dlt.common.destination import DestinationCapabilitiesContext
    from dlt.common.schema import Schema

    from app.connectors.contract.schema import Table
    from app.connectors.destinations.dlt.columns import Described
    from app.domain.naming import Naming

LOAD_COLUMN: Final = "_dlt_load_id"
NAME_COLUMN: Final = "_syncline_row_name"
# Information schemas report more than dlt wants, such as the 53 bits of a double.
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
    """`described` are the columns in dlt's form, `arrow` the source's columns as they are sent.

    Rows without a key that may be sent again are `named`.
    """

    described: dict[str, Described] = dataclasses.field(kw_only=True)
    arrow: pa.Schema = dataclasses.field(kw_only=True)
    named: bool = dataclasses.field(kw_only=True)

    @property
    def key(self) -> list[str]:
        return [NAME_COLUMN] if self.named else [self.columns[field].name for field in self.table.identity]

    def description(self) -> DescribedTable:
        """Only decimals are described with their size: dlt reports others of existing columns that new ones lack."""
        columns = {
            field: (each.name, types.stable_type_name(self.described[each.name]))
            for field, each in self.columns.items()
        }
        return DescribedTable(self.table, columns)

    @property
    def how(self) -> str:
        """What happens to existing rows; `named` ones are merged by their names."""
        if self.table.mode is WriteMode.REPLACE:
            return "replace"
        if self.named:
            return "named"
        return "merge" if self.table.mode is WriteMode.UPSERT else "append"


def is_named(table: Table) -> bool:
    """Whether its source may send rows again that can be recognised only by all of their values."""
    return table.mode is WriteMode.APPEND and table.cursor_field is not None and not table.full_refresh


def describe_target(
    table: Table,
    schema: Schema,
    present: dict[str, Described],
    capabilities: DestinationCapabilitiesContext,
    *,
    unfinished: bool,
    naming: Naming,
) -> Target:
    """The table as it will be; `present` are its existing columns, as the destination spells them.

    Raises:
        ConfigurationError: two fields would become one column, or a name is not allowed.
    """
    if not table.name or "\0" in table.name:
        raise ConfigurationError(f"table_name {table.name!r} must not be empty or contain U+0000")
    name_key = str if capabilities.generates_case_sensitive_identifiers() else str.casefold
    named = namer(naming)

    def column_name(field: str) -> str:
        return schema.naming.normalize_path(name) if (name := named(field)) else ""

    names = column_names(table, column_name=column_name, name_key=name_key)
    if taken := [field for field, name in names.items() if name_key(name) in _RESERVED]:
        raise ConfigurationError(
            f"table {table.name!r}: the field {taken[0]!r} has the name of a column that Syncline or dlt writes "
            "itself: rename it or leave it out with 'columns'"
        )
    there = {name_key(name): column for name, column in present.items()}
    left_out: tuple[str, ...] = ()
    if present and not unfinished:
        names, left_out = admit_columns(table, names, new=lambda name: name_key(name) not in there)
    key = {names[field] for field in table.identity}
    new_types = {
        field: types.new_type(kind, table.digits.get(field), capabilities) for field, kind in table.columns.items()
    }
    shape = {}
    for field, name in names.items():
        shape[name] = _column_type(there.get(name_key(name)), new_types[field]) | {"name": name}
        if name in key:
            shape[name] |= {"primary_key": True, "nullable": False}
    columns = {
        field: types.column(name, shape[name], table.columns[field], capabilities) for field, name in names.items()
    }
    nullable = {name: column.get("nullable", True) for name, column in shape.items()}
    arrow = pa.schema(
        [pa.field(column.name, column.arrow, nullable=nullable[column.name]) for column in columns.values()]
    )
    has_names = is_named(table)
    free = there.keys() - {name_key(name) for name in (*names.values(), *OWN_COLUMNS, *_RESERVED)}
    name_column: dict[str, Described] = {NAME_COLUMN: {"name": NAME_COLUMN, "data_type": "text", "primary_key": True}}
    return Target(
        table=table,
        qualified=schema.naming.normalize_tables_path(table.name),
        columns=columns,
        described=shape
        | {
            name: _column_type(there.get(name_key(name)), types.new_type(kind, None, capabilities)) | {"name": name}
            for name, kind in own_columns(table).items()
        }
        | {LOAD_COLUMN: {"name": LOAD_COLUMN, "data_type": "text"}}
        | (name_column if has_names else {}),
        left_out=left_out,
        unfinished=unfinished or not present,
        vacant=lambda field: name_key(column_name(field)) in free,
        arrow=arrow,
        named=has_names,
    )


def _column_type(present: Described | None, new: Described) -> Described:
    """The type that a column has already, or the `new` one."""
    if present is None or "data_type" not in present:
        return dict(new)
    parts = ("data_type", *_SIZES.get(present["data_type"], ()))
    return {part: present[part] for part in parts if present.get(part) is not None}
