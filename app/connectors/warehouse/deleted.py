"""Records that say that their row was deleted: what is written of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.connectors.contract.batches import has_values, records_of
from app.connectors.warehouse.layout import ROW_COLUMN, VALID_TO_COLUMN, column_list, quoted
from app.domain.errors import ConfigurationError
from app.domain.writing import Deletes, WriteMode

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from app.connectors.contract.batches import Batch
    from app.connectors.contract.schema import Table
    from app.connectors.warehouse.session import Session
    from app.connectors.warehouse.staged import Staged


def settle_deleted(table: Table, batch: Batch) -> tuple[Batch, int]:
    """`batch` with only what is to be staged of deleted rows, and how many of its records are about such rows."""
    marker = table.delete_marker
    if marker is None or not has_values(batch, marker):
        return batch, 0
    records = records_of(batch)
    deleted = sum(record.get(marker) is not None for record in records)
    if table.deletes is Deletes.MARK:
        return records, deleted
    if table.deletes is Deletes.REMOVE and table.identity:
        return [_bare(record, table, marker) for record in records], deleted
    return [record for record in records if record.get(marker) is None], deleted


def _bare(record: dict[str, Any], table: Table, marker: str) -> dict[str, Any]:
    """Only what tells which row was removed: a later record of its key must not find any of its values."""
    if record.get(marker) is None:
        return record
    about = _fields_about_the_change(record, table, marker)
    return {field: value for field, value in record.items() if field in about}


def stated_fields(record: dict[str, Any], table: Table) -> AbstractSet[str] | None:
    """The fields that a record decides; None for all: nothing stays of a removed row."""
    marker = table.delete_marker
    if marker is None:
        return record.keys()
    if record.get(marker) is None:
        return {*record, marker}
    return None if table.deletes is Deletes.REMOVE else _fields_about_the_change(record, table, marker)


def _fields_about_the_change(record: dict[str, Any], table: Table, marker: str) -> set[str]:
    """The key, and the fields that are named like the marker: some sources send the row's last values, others NULLs."""
    prefix = table.change_prefix or ""
    likewise = {field for field in record if field.startswith(prefix) or field in table.about_changes}
    return {marker, *table.key, *table.newest_by[:1], *likewise}


def leave_out_deleted(table: Table, batch: Batch) -> tuple[Batch, int]:
    """The same for destinations that change no single rows.

    Raises:
        ConfigurationError: a row would have to be removed.
    """
    if table.deletes is Deletes.IGNORE:
        return settle_deleted(table, batch)
    marker = table.delete_marker
    if table.deletes is Deletes.REMOVE and marker is not None and has_values(batch, marker):
        raise ConfigurationError(
            f"table {table.name!r}: a record has a value for {marker!r}, so its row was deleted, but this destination "
            "cannot remove single rows: set 'deletes: mark' or 'deletes: ignore'"
        )
    return batch, 0


def deleted_message(table: Table, count: int) -> str:
    """The line of a task's log about `count` records of deleted rows."""
    came = "1 record of a deleted row was" if count == 1 else f"{count} records of deleted rows were"
    outcome = {
        Deletes.IGNORE: "left out",
        Deletes.MARK: f"marked in {table.delete_marker!r}",
        Deletes.REMOVE: "removed",
    }
    return f"table {table.name!r}: {came} {outcome[table.deletes]} ('deletes: {table.deletes}')"


def remove_deleted(session: Session, stage: Staged) -> int:
    """Removes rows of the target whose newest staged record says that they were deleted, and all staged ones of theirs.

    Returns the number of rows that were removed, or of versions that have ended.
    """
    target = stage.target
    marker = target.delete_marker
    if marker is None:
        return 0
    gone = f"(SELECT {column_list(target.key)} FROM {stage.newest()} AS newest WHERE {quoted(marker)} IS NOT NULL)"  # noqa: S608 -- quoted identifiers
    removed = 0
    matching = stage.matches(coming="gone")
    if target.table.mode is WriteMode.UPSERT:
        removed = session.run(f"DELETE FROM {target.qualified} AS kept USING {gone} AS gone WHERE {matching}")  # noqa: S608 -- quoted identifiers
    elif target.table.mode is WriteMode.HISTORY:
        counts = f"kept.{VALID_TO_COLUMN} IS NULL"
        removed = session.run(
            f"UPDATE {target.qualified} AS kept SET {VALID_TO_COLUMN} = now() FROM {gone} AS gone "  # noqa: S608 -- quoted identifiers
            f"WHERE {counts} AND {matching}"
        )
    session.run(
        f"""
        DELETE FROM {stage.name} WHERE {ROW_COLUMN} IN (
            SELECT kept.{ROW_COLUMN} FROM {stage.name} AS kept JOIN {gone} AS gone ON {matching}
        )
        """  # noqa: S608 -- quoted identifiers
    )
    return removed
