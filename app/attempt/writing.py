"""How the rows of a table are written: what the catalogue asks for, checked against what the source reads."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from app.connectors.contract.batches import fields_of
from app.connectors.contract.blame import subject_of
from app.domain.collection import ALL
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.writing import Deletes, SchemaPolicy, WriteMode

if TYPE_CHECKING:
    from app.connectors.contract.batches import Batch
    from app.connectors.contract.passes import Doubt, Position
    from app.connectors.contract.schema import Table
    from app.domain.attempt_protocol import SourceJob
    from app.domain.writing import Empty

_KEYED = {WriteMode.UPSERT, WriteMode.HISTORY}


@dataclasses.dataclass(frozen=True, slots=True)
class Writing:
    """How the collection is written; `subject` begins every error.

    `mode` None: as the source reads; `max_shrink` is in percent; `deletes` None: not set. `table` is the collection's
    own, None if each stream has one.
    """

    mode: WriteMode | None
    policy: SchemaPolicy
    subject: str
    empty: Empty | None = None
    max_shrink: float | None = None
    deletes: Deletes | None = None
    table: str | None = None

    @classmethod
    def of(cls, job: SourceJob) -> Writing:
        collection = job.collection
        return cls(
            mode=collection.write_mode,
            policy=collection.schema_policy,
            subject=subject_of(job),
            empty=collection.empty,
            max_shrink=collection.max_shrink,
            deletes=collection.deletes,
            table=None if collection.type == ALL else collection.table_name,
        )

    @property
    def all_or_nothing(self) -> bool:
        """Whether a pass commits only at its end, because a field that it does not know yet must fail all of it."""
        return self.policy is SchemaPolicy.FREEZE

    def mode_for(self, table: Table) -> WriteMode:
        return self.mode or _usual(table)

    def arriving(self, table: Table, position: Position) -> Table:
        """`table` as a destination at `position` is to take it.

        After a void or lost bookmark the source sends all rows again. So appended rows are replaced, because rows that
        are sent again could not be recognised; after a void one an upsert starts with an empty table. Snapshots stay as
        they are, and so does a history, in which rows that are not sent again end. A void bookmark is what the user
        asked for, so the table may shrink then.

        Raises:
            ConfigurationError: the mode contradicts what the source reads, or needs a key that it does not have.
        """
        if table.aside:
            return _put_aside(table, position)
        mode, gone = self._with_gone_rows(self.mode_for(table), table)
        self._check(mode, table)
        if mode is WriteMode.APPEND:
            # Each record is a row of its own, whatever it lacks or says of others.
            table = dataclasses.replace(table, partial=False, delete_marker=None)
        lost = position.void or (position.loaded and position.bookmark is None)
        appended = mode is WriteMode.APPEND and not table.full_refresh
        if (appended and lost) or (mode is WriteMode.UPSERT and position.void):
            mode = WriteMode.REPLACE
        whole = table.full_refresh or (mode is WriteMode.HISTORY and position.void)
        return dataclasses.replace(
            table,
            mode=mode,
            schema_policy=self.policy,
            full_refresh=whole,
            for_want_of_key=table.for_want_of_key and self.mode is None and not position.void,
            empty=None if position.void else table.empty or self.empty,
            max_shrink=None if position.void else self.max_shrink,
            deletes=self.deletes or Deletes.MARK,
            gone=gone,
        )

    def _with_gone_rows(self, mode: WriteMode, table: Table) -> tuple[WriteMode, Deletes]:
        """The mode, and what happens to rows that a reading of all rows does not bring, if the user says so.

        Marked rows stay, so that a replacement becomes an upsert.

        Raises:
            ConfigurationError: rows are to be marked that nothing identifies.
        """
        if not table.full_refresh or self.deletes in (None, Deletes.IGNORE):
            return mode, Deletes.IGNORE
        if mode is WriteMode.REPLACE and self.deletes is Deletes.MARK:
            if table.columns and not table.key:
                raise ConfigurationError(
                    f"{self.subject}: 'deletes: mark' needs a key that tells which rows are gone, and the source has "
                    f"none for table {table.name!r}: set 'primary_key', or 'deletes: remove'"
                )
            mode = WriteMode.UPSERT
        return mode, self.deletes if mode is WriteMode.UPSERT and self.deletes else Deletes.IGNORE

    def _check(self, mode: WriteMode, table: Table) -> None:
        if table.columns:  # otherwise there are no rows yet, and the key may still come
            self._check_key(table)
        if mode is WriteMode.REPLACE and not table.full_refresh:
            raise ConfigurationError(
                f"{self.subject}: write_mode 'replace' needs all rows each time, but the source reads only new rows "
                f"of table {table.name!r}: set 'sync_mode: full_refresh' or another write_mode"
            )

    def check_rows(self, table: Table, batch: Batch) -> None:
        """Raises `ConfigurationError` if nothing identifies the rows of `batch`, and they need it."""
        if not table.aside:
            self._check_key(table)
            self._check_cursor(table, batch)

    def check_doubt(self, doubt: Doubt, position: Position) -> None:
        """Raises `SynclineError`, as another try may find the source complete; after a reset anything is taken."""
        if not position.void:
            raise SynclineError(f"{self.subject}: {doubt.reason}")

    def _check_key(self, table: Table) -> None:
        mode = self.mode_for(table)
        if mode in _KEYED and not table.key:
            raise ConfigurationError(
                f"{self.subject}: write_mode '{mode}' needs a key, and the source has none for table {table.name!r}: "
                "set 'primary_key'"
            )

    def _check_cursor(self, table: Table, batch: Batch) -> None:
        """Appended rows that are sent again are recognised by their cursor, so it has to be one of their fields."""
        field = table.cursor_field
        if field is None or field in table.columns or table.full_refresh:
            return
        appended = self.mode_for(table) is WriteMode.APPEND
        # A field that the source has not announced may still come as a new column.
        if appended and field not in (fields := fields_of(batch)):
            names = ", ".join(map(repr, table.columns | dict.fromkeys(sorted(fields))))
            raise ConfigurationError(
                f"{self.subject}: 'cursor_field' names {field!r}, which the rows of table {table.name!r} do not have, "
                f"so rows that are read again would be loaded twice; choose from {names}"
            )


def _put_aside(table: Table, position: Position) -> Table:
    """Appended, unless the source reads everything again."""
    again = table.full_refresh or position.reload or (position.loaded and position.bookmark is None)
    return dataclasses.replace(table, mode=WriteMode.REPLACE if again else WriteMode.APPEND)


def _usual(table: Table) -> WriteMode:
    if table.full_refresh:
        return WriteMode.REPLACE
    return WriteMode.UPSERT if table.key else WriteMode.APPEND
