"""How the fields of a source's table become columns, the same for every destination."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from app.connectors.contract.batches import Columns, fields_of, has_values
from app.connectors.contract.passes import DescribedTable
from app.connectors.contract.schema import Kind, Table
from app.connectors.values.casting import Floating
from app.connectors.values.fitting import ValueRefusedError, fit
from app.domain.errors import ConfigurationError
from app.domain.writing import Deletes, SchemaPolicy, WriteMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet

    import pyarrow as pa  # type: ignore[import-untyped]

    from app.connectors.contract.batches import Batch
    from app.connectors.values.fitting import Column

TASK_COLUMN = "_syncline_task_id"
SYNCED_COLUMN = "_syncline_synced_at"
ROW_COLUMN = "_syncline_row"
PRESENT_COLUMN = "_syncline_present"
DELETED_COLUMN = "_syncline_deleted_at"
VALID_FROM_COLUMN = "_syncline_valid_from"
VALID_TO_COLUMN = "_syncline_valid_to"
OWN_COLUMNS = {
    TASK_COLUMN,
    SYNCED_COLUMN,
    ROW_COLUMN,
    PRESENT_COLUMN,
    DELETED_COLUMN,
    VALID_FROM_COLUMN,
    VALID_TO_COLUMN,
}

_DROP: Final = "run 'syncline sources reset --drop', after which the table is made anew"


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """A table of the destination: `qualified` is its quoted name; `columns` maps the source's fields to its columns.

    Fields that are `left_out` have no column. Columns that are `relaxed` may be NULL from now on. A table is
    `unfinished` until its first load is complete; it `has_marks` if it has the column that marks rows which are gone.
    `vacant` says whether a field's column already exists and is not among `columns`. While it is `pending`, the table
    is still to be made like this; it `is_new` if there is none yet.
    """

    table: Table
    qualified: str
    columns: dict[str, Column]
    left_out: tuple[str, ...] = ()
    relaxed: tuple[str, ...] = ()
    unfinished: bool = False
    is_new: bool = False
    pending: bool = False
    has_marks: bool = False
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
        """The column, and the path in its object, of the value that decides which row of a key is the newest."""
        field, *path = self.table.newest_by or ("",)
        return (self.columns[field].name, tuple(path)) if field and self.table.identity else None

    def description(self) -> DescribedTable:
        return DescribedTable(self.table, {field: (each.name, each.type) for field, each in self.columns.items()})

    @property
    def stamps(self) -> set[str]:
        """The columns whose values alone make no other row."""
        return {self.columns[field].name for field in self.table.stamps if field in self.columns}

    @property
    def keeps_absent(self) -> bool:
        """Whether a record that lacks a field leaves that column of its row as it is."""
        return self.table.partial and bool(self.table.identity)

    @property
    def delete_marker(self) -> str | None:
        """The column in which a row with an identity has a value if it was deleted."""
        field = self.table.delete_marker
        return self.columns[field].name if field in self.columns and self.table.identity else None

    @property
    def with_unannounced_marker(self) -> Table | None:
        """The table with the delete marker that only its column still knows: a row without one is not deleted."""
        field = self.table.delete_marker
        if field is None or not self.table.identity or field in self.table.columns or not self.vacant(field):
            return None
        return dataclasses.replace(self.table, columns=self.table.columns | {field: Kind.JSON})

    def fit(self, batch: Batch) -> dict[str, pa.Array]:
        """The values by the names of `columns`, in their order.

        Raises:
            ValueRefusedError: a column cannot hold a value, or a row has no value for a field of the key.
        """
        arrays = fit(batch, self.columns, table=self.table.name)
        for field in self.table.identity:
            if arrays[self.columns[field].name].null_count:
                raise ValueRefusedError(f"table {self.table.name!r}: a record has no value for the key field {field!r}")
        return arrays


def column_names(table: Table, *, column_name: Callable[[str], str], name_key: Callable[[str], str]) -> dict[str, str]:
    """Field → column. `column_name` adapts a name to the destination; names with equal `name_key` are one column there.

    Raises:
        ConfigurationError: two fields would become one column, a field has no name or the name of a column that
            Syncline writes itself, or a key field does not exist.
    """
    names: dict[str, str] = {}
    taken: dict[str, str] = {}
    for field in table.columns:
        name = column_name(field)
        if not name or "\0" in field:
            why = " in snake_case, as it has no Latin letter and no digit" if field and not name else ""
            raise ConfigurationError(
                f"table {table.name!r}: the field name {field!r} cannot be a column name{why}: rename it with 'columns'"
            )
        if name_key(name) in {name_key(own) for own in OWN_COLUMNS}:
            raise ConfigurationError(
                f"table {table.name!r}: the field {field!r} has the name of a column that Syncline writes itself: "
                "rename it or leave it out with 'columns'"
            )
        if (other := taken.setdefault(name_key(name), field)) and other != field:
            raise ConfigurationError(
                f"table {table.name!r}: the fields {other!r} and {field!r} would both become the column {name!r}: "
                "rename one of them with 'columns'"
            )
        names[field] = name
    if missing := [field for field in table.key if field not in names]:
        raise ConfigurationError(
            f"table {table.name!r}: unknown primary_key {', '.join(map(repr, missing))}; "
            f"choose from {', '.join(map(repr, names))}"
        )
    return names


def own_columns(table: Table) -> dict[str, Kind]:
    """The columns of `table` that Syncline writes itself."""
    own = {TASK_COLUMN: Kind.TEXT, SYNCED_COLUMN: Kind.TIMESTAMP}
    if table.mode is WriteMode.HISTORY:
        own |= {VALID_FROM_COLUMN: Kind.TIMESTAMP, VALID_TO_COLUMN: Kind.TIMESTAMP}
    if table.gone is Deletes.MARK:
        own |= {DELETED_COLUMN: Kind.TIMESTAMP}
    return own


def admit_columns(
    table: Table, names: dict[str, str], *, new: Callable[[str], bool]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Those of `names` (field → column) that the table's schema policy allows, and the fields that are left out.

    `new` says whether the table lacks a column.

    Raises:
        ConfigurationError: no column may be added, or a field is missing that must not be left out.
    """
    missing = tuple(field for field, name in names.items() if new(name))
    if table.schema_policy.adds_columns or not missing:
        return names, ()
    fields = ", ".join(map(repr, missing))
    if table.schema_policy is SchemaPolicy.FREEZE:
        raise ConfigurationError(
            f"table {table.name!r} has no column for {fields}, and its schema_policy is 'freeze': "
            f"add the column, leave the field out at the source, set another schema_policy, or {_DROP}"
        )
    needed = {*table.key, *([table.cursor_field] if table.mode is WriteMode.APPEND else table.newest_by[:1])}
    if kept := [field for field in missing if field in needed]:
        raise ConfigurationError(
            f"table {table.name!r} has no column for {', '.join(map(repr, kept))}, which identifies its rows and "
            f"cannot be discarded: add the column, set 'schema_policy: evolve', or {_DROP}"
        )
    if table.identity and table.delete_marker in missing and table.deletes is not Deletes.IGNORE:
        raise ConfigurationError(
            f"table {table.name!r} has no column for {table.delete_marker!r}, which says that a row was deleted and "
            f"cannot be discarded: add the column, set 'schema_policy: evolve' or 'deletes: ignore', or {_DROP}"
        )
    return {field: name for field, name in names.items() if field not in missing}, missing


class ReloadRefusedError(ConfigurationError):
    """Everything would have to be loaded again, and cannot: no part of it may be loaded, so that this stays so."""


def check_is_empty(table: Table, *, reason: str, has_rows: Callable[[], bool]) -> None:
    """For a table into which everything is loaded again for this `reason`, without replacing rows.

    Raises:
        ReloadRefusedError: all rows would be added to existing ones, some of which may be the same.
    """
    if table.mode is WriteMode.APPEND and not table.full_refresh and has_rows():
        raise ReloadRefusedError(
            f"{reason}. Everything must be loaded again, but table {table.name!r} already has rows, and 'append' would "
            "add all rows of the collection to them: empty the table, undo the change, or run 'syncline sources "
            "reset', which replaces the rows"
        )


def left_out_warning(table: str, target: Target) -> str | None:
    if not target.left_out:
        return None
    fields = ", ".join(map(repr, target.left_out))
    return f"table {table!r} has no column for {fields}; left out because of schema_policy 'discard'"


def relaxed_message(target: Target) -> str | None:
    if not target.relaxed:
        return None
    names = ", ".join(map(repr, target.relaxed))
    return f"table {target.table.name!r}: NOT NULL was dropped for {names}, because the source no longer declares it"


def inexact_fields(target: Target) -> list[str]:
    """The fields that are decimals at the source, and whose columns are older than that knowledge."""
    return [
        field
        for field, column in target.columns.items()
        if target.table.columns[field] is Kind.DECIMAL and isinstance(column.holds, Floating)
    ]


def inexact_warning(target: Target, *, remedies: Iterable[str] = ()) -> str | None:
    """For a table with `inexact_fields`; `remedies` are statements that change the types of their columns."""
    if not (found := [target.columns[field] for field in inexact_fields(target)]):
        return None
    named = ", ".join(f"{column.name!r} ({column.type})" for column in found)
    told = "; ".join(remedies)
    return (
        f"table {target.table.name!r}: the source has exact decimals for {named}, but sums over binary floats are not "
        f"exact{f'. Widen with {told}' if told else ''}"
    )


def fixed_types_warning(table: Table) -> str | None:
    """For destinations that cannot change the type of a column."""
    if table.schema_policy is not SchemaPolicy.WIDEN:
        return None
    return (
        f"table {table.name!r}: this destination does not change the types of columns, so 'schema_policy: widen' does "
        "the same as 'evolve' here; 'postgres' and 'duckdb' widen them"
    )


def late_versions_warning(table: Table) -> str | None:
    """For destinations that cannot compare new rows with existing ones."""
    if not table.newest_by or table.mode is not WriteMode.UPSERT or table.full_refresh:
        return None
    cursor = ".".join(table.newest_by)
    return (
        f"table {table.name!r}: this destination does not compare {cursor!r} with that of the row it already has, so "
        "a row in a later commit replaces a newer version; 'postgres' and 'duckdb' keep the newest"
    )


def refuse_gone(table: Table) -> None:
    """For destinations that do not know which rows they have.

    Raises:
        ConfigurationError: rows would have to be marked or removed because the source no longer has them.
    """
    if table.gone is not Deletes.IGNORE:
        raise ConfigurationError(
            f"table {table.name!r}: 'deletes: {table.gone}' with a full refresh needs a destination that finds the "
            "rows which the source no longer has, 'postgres' or 'duckdb': set 'deletes: ignore'"
        )


def partial_warning(table: Table, batch: Batch) -> str | None:
    """For destinations that replace rows as a whole."""
    if not table.partial or table.mode is not WriteMode.UPSERT or isinstance(batch, Columns):
        return None
    marker = table.delete_marker
    needed = table.columns.keys() - {marker}
    if len(needed) <= min(map(len, batch), default=0) and (marker is None or not has_values(batch, marker)):
        return None
    return (
        f"table {table.name!r}: some records lack fields or say that their row was deleted, and this destination keeps "
        "nothing of the row that it already has: other columns become NULL; 'postgres' and 'duckdb' keep them"
    )


def widen(
    table: Table,
    batch: Batch,
    *,
    fields: AbstractSet[str] | None = None,
    vacant: Callable[[str], bool] = lambda _field: False,
) -> Table | None:
    """`table` with JSON columns for the fields of `batch` that its source did not announce; None if there are none.

    A field that is only NULL gets no new column, but is written to a `vacant` one, where an old value would stay.
    `fields` are those of `batch`, for callers that know them.
    """
    known = fields_of(batch) if fields is None else fields
    new = [field for field in sorted(known - table.columns.keys()) if has_values(batch, field) or vacant(field)]
    if not new:
        return None
    columns = table.columns | dict.fromkeys(new, Kind.JSON)
    return dataclasses.replace(table, columns=columns, inferred=table.inferred.union(new))


def with_staged(table: Table, staged: Table, *, column_key: Callable[[str], str]) -> Table:
    """`table`, which is announced again, with the fields of rows that are `staged` for it.

    Fields with equal `column_key` have one column.
    """
    known = set(map(column_key, table.columns))
    missing = {field: kind for field, kind in staged.columns.items() if column_key(field) not in known}
    if not missing:
        return table
    return dataclasses.replace(table, columns=table.columns | missing, inferred=table.inferred.union(missing))


def quoted(*names: str) -> str:
    """An SQL identifier, qualified if there are several names."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def column_list(names: Iterable[str], *, prefix: str = "") -> str:
    return ", ".join(prefix + quoted(name) for name in names)


def with_own(names: str, task_id: str = TASK_COLUMN, synced_at: str = SYNCED_COLUMN) -> str:
    """A list of columns, or of their values, followed by Syncline's own; `names` may be empty."""
    return ", ".join(filter(None, [names, task_id, synced_at]))
