"""How the fields of a source's table become columns of a destination, whatever the destination is."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from app.connectors.contract.batches import fields_of, has_values
from app.connectors.contract.schema import Kind, Table
from app.connectors.values.fitting import ValueRefusedError, fitted
from app.domain.errors import ConfigurationError
from app.domain.writing import SchemaPolicy, WriteMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pyarrow as pa  # type: ignore[import-untyped]

    from app.connectors.contract.batches import Batch
    from app.connectors.values.fitting import Column

TASK_COLUMN = "_syncline_task_id"
SYNCED_COLUMN = "_syncline_synced_at"
ROW_COLUMN = "_syncline_row"
VALID_FROM_COLUMN = "_syncline_valid_from"
VALID_TO_COLUMN = "_syncline_valid_to"
OWN_COLUMNS = {TASK_COLUMN, SYNCED_COLUMN, ROW_COLUMN, VALID_FROM_COLUMN, VALID_TO_COLUMN}


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """A table there: `qualified` is its quoted name; `columns` maps the fields of the source to its columns.

    Fields that are `left_out` have no column. A table is `unfinished` until its first load is complete. `vacant` tells
    of a field that it would have a column which is there and which none of `columns` is.
    """

    table: Table
    qualified: str
    columns: dict[str, Column]
    left_out: tuple[str, ...] = ()
    unfinished: bool = False
    vacant: Callable[[str], bool] = lambda _field: False

    @property
    def key(self) -> list[str]:
        return [self.columns[field].name for field in self.table.identity]

    @property
    def cursor(self) -> str | None:
        field = self.table.cursor_field
        return self.columns[field].name if field in self.columns else None

    @property
    def newest_by(self) -> tuple[str, tuple[str, ...]] | None:
        """The column, and the path in its object, of the value by which the newest row of a key is told."""
        field, *path = self.table.newest_by or ("",)
        return (self.columns[field].name, tuple(path)) if field and self.table.identity else None

    def fitted(self, batch: Batch) -> dict[str, pa.Array]:
        """The values by the names of `columns`, in their order.

        Raises:
            ValueRefusedError: a column cannot hold a value, or a row has none for a field of the key.
        """
        arrays = fitted(batch, self.columns, table=self.table.name)
        for field in self.table.identity:
            if arrays[self.columns[field].name].null_count:
                raise ValueRefusedError(f"table {self.table.name!r}: a record has no value for its key {field!r}")
        return arrays


def column_names(table: Table, *, fitted: Callable[[str], str], same: Callable[[str], str]) -> dict[str, str]:
    """Field → column. `fitted` makes a name fit the destination; names with equal `same` are one column there.

    Raises:
        ConfigurationError: two fields would be one column, a field has no name or that of a column which Syncline
            itself writes, or a key field does not exist.
    """
    names: dict[str, str] = {}
    taken: dict[str, str] = {}
    for field in table.columns:
        if not field or "\0" in field:
            raise ConfigurationError(f"table {table.name!r}: a field has the name {field!r}, which no column can have")
        name = fitted(field)
        if same(name) in {same(own) for own in OWN_COLUMNS}:
            raise ConfigurationError(
                f"table {table.name!r}: the field {field!r} has the name of a column that Syncline itself writes: "
                "rename it in the source, or leave it out with 'catalog'"
            )
        if (other := taken.setdefault(same(name), field)) and other != field:
            raise ConfigurationError(
                f"table {table.name!r}: the fields {other!r} and {field!r} would both be the column {name!r}"
            )
        names[field] = name
    if missing := [field for field in table.key if field not in names]:
        raise ConfigurationError(
            f"table {table.name!r}: primary_key names {', '.join(missing)}, valid are: {', '.join(names)}"
        )
    return names


def own_columns(table: Table) -> dict[str, Kind]:
    """The columns that Syncline itself writes into `table`."""
    own = {TASK_COLUMN: Kind.TEXT, SYNCED_COLUMN: Kind.TIMESTAMP}
    if table.mode is WriteMode.HISTORY:
        own |= {VALID_FROM_COLUMN: Kind.TIMESTAMP, VALID_TO_COLUMN: Kind.TIMESTAMP}
    return own


def admitted(
    table: Table, names: dict[str, str], *, new: Callable[[str], bool]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Those of `names` (field → column) that the table's schema policy lets in, and the fields that are left out.

    `new` tells of a column whether the table lacks it.

    Raises:
        ConfigurationError: nothing may be added, or what may not be left out would be.
    """
    lacking = tuple(field for field, name in names.items() if new(name))
    if table.schema_policy is SchemaPolicy.EVOLVE or not lacking:
        return names, ()
    fields = ", ".join(map(repr, lacking))
    if table.schema_policy is SchemaPolicy.FREEZE:
        raise ConfigurationError(
            f"table {table.name!r} has no column for {fields}, and its schema_policy is 'freeze': "
            "add the column there, leave the field out at the source, or set another schema_policy"
        )
    needed = {*table.key, *([table.cursor_field] if table.mode is WriteMode.APPEND else table.newest_by[:1])}
    if kept := [field for field in lacking if field in needed]:
        raise ConfigurationError(
            f"table {table.name!r} has no column for {', '.join(map(repr, kept))}, which tells its rows apart and "
            "cannot be discarded: add the column there, or set 'schema_policy: evolve'"
        )
    return {field: name for field, name in names.items() if field not in lacking}, lacking


def check_is_empty(table: Table, *, reason: str, has_rows: Callable[[], bool]) -> None:
    """To be asked where everything is loaded again for this `reason`, and replaces nothing.

    Raises:
        ConfigurationError: all rows would be added to rows that are there, some of which may be the same.
    """
    if table.mode is WriteMode.APPEND and not table.full_refresh and has_rows():
        raise ConfigurationError(
            f"{reason}. Everything must be loaded again, but table {table.name!r} already has rows, to which 'append' "
            "would add all rows of the collection: empty the table, undo the change, or run 'syncline sources reset', "
            "which replaces what is there"
        )


def left_out_warning(table: str, target: Target) -> str | None:
    if not target.left_out:
        return None
    fields = ", ".join(map(repr, target.left_out))
    return f"table {table!r} has no column for {fields}, left out as schema_policy 'discard' says"


def late_versions_warning(table: Table) -> str | None:
    """For destinations that cannot compare rows with those that are there."""
    if not table.newest_by or table.mode is not WriteMode.UPSERT or table.full_refresh:
        return None
    cursor = ".".join(table.newest_by)
    return (
        f"table {table.name!r}: this destination does not compare {cursor!r} with that of the row that is there, so "
        "a row that comes in a later commit replaces a newer version: 'postgres' and 'duckdb' keep the newest"
    )


def widened(table: Table, batch: Batch, *, vacant: Callable[[str], bool] = lambda _field: False) -> Table | None:
    """`table` with columns for fields that its source did not announce, where there are any; they may hold any JSON.

    A field that is only NULL makes no column, but goes to one that is `vacant`: an old value there would stay for good.
    """
    new = [
        field for field in sorted(fields_of(batch) - table.columns.keys()) if has_values(batch, field) or vacant(field)
    ]
    return dataclasses.replace(table, columns=table.columns | dict.fromkeys(new, Kind.JSON)) if new else None


def quoted(*names: str) -> str:
    """An SQL identifier, qualified where there are several names."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def listed(names: Iterable[str], *, prefix: str = "") -> str:
    return ", ".join(prefix + quoted(name) for name in names)


def with_own(names: str, task_id: str = TASK_COLUMN, synced_at: str = SYNCED_COLUMN) -> str:
    """A list of columns, or of their values, with Syncline's own at its end; `names` may be empty."""
    return ", ".join(filter(None, [names, task_id, synced_at]))
