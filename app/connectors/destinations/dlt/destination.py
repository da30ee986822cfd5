"""dlt's destinations: rows wait in files of the attempt; a load is announced, carried out, and confirmed.

Rows and bookmark cannot commit together here. So a load is noted with its id and its bookmark before it begins. An
attempt that finds such a note asks the destination whether it knows the load, and continues from there or undoes it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from app.connectors.destinations.dlt.bookmarks import Bookmark
from app.connectors.destinations.dlt.ledger import FileLedger, Prepared, SqlLedger
from app.connectors.destinations.dlt.trial import leaving_nothing
from app.connectors.destinations.dlt.warehouse import Warehouse
from app.connectors.warehouse.deleted import deleted_message, leave_out_deleted
from app.connectors.warehouse.layout import (
    check_is_empty,
    fixed_types_warning,
    inexact_warning,
    late_versions_warning,
    left_out_warning,
    partial_warning,
    refuse_gone,
    widen,
)
from app.connectors.warehouse.shrinkage import check_shrinkage
from app.failpoints import fail_point

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from app.connectors.contract.batches import Batch
    from app.connectors.contract.passes import DescribedTable, Fence, Log, Position
    from app.connectors.contract.schema import Table
    from app.connectors.destinations.dlt.options import DltDestinationOptions
    from app.connectors.destinations.dlt.stage import Stage


class DltDestination:
    def __init__(self, options: DltDestinationOptions, fence: Fence, *, name: str, work_dir: Path, log: Log) -> None:
        self._home = work_dir / f"dlt-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
        self._home.mkdir(exist_ok=True)
        self._options = options
        self._fence = fence
        self._log = log
        self._reload_reason = ""
        self._deleted = Counter[str]()
        self._partial = set[str]()
        self._warehouse = Warehouse(options, home=self._home, locks=work_dir.parent)
        # Only now, after dlt is isolated.
        from app.connectors.destinations.dlt.load import Loader, schema_name  # noqa: PLC0415
        from app.connectors.destinations.dlt.tables import Tables  # noqa: PLC0415

        schema = schema_name(fence.source, fence.collection)
        ledger = FileLedger if self._warehouse.is_of_files else SqlLedger
        self._ledger = ledger(self._warehouse, source=fence.source, collection=fence.collection)
        self._loader = Loader(self._warehouse, name=schema, task_id=fence.task_id, home=self._home)
        self._bookmark = Bookmark(self._ledger, self._loader, fence)
        self._tables = Tables(
            self._warehouse,
            self._bookmark,
            schema=schema,
            home=self._home,
            attempt=fence.name,
            naming=options.naming,
        )

    def open(self) -> Position:
        with self._warehouse.translate_errors("cannot prepare the bookmarks"), self._warehouse.changing_schema():
            self._ledger.prepare()
            position = self._bookmark.claim()
        self._reload_reason = position.reason
        return position

    def begin(self, table: Table) -> None:
        refuse_gone(table)
        with (
            self._warehouse.translate_errors(f"cannot prepare table {table.name!r}"),
            self._warehouse.changing_schema(),
        ):
            self._bookmark.verify()
            is_new = table.name not in self._tables.stages
            if is_new:
                self._drop_unfinished(table.name)
            self._tables.begin(table)
            if self._reload_reason and is_new:
                has_rows = partial(self._loader.has_rows, self._tables.stages[table.name].target.qualified)
                check_is_empty(table, reason=self._reload_reason, has_rows=has_rows)
        if is_new:
            warnings = [late_versions_warning(table), fixed_types_warning(table), self._inexact_warning(table.name)]
            for warning in filter(None, warnings):
                self._log("warn", warning)

    def write(self, table: str, batch: Batch) -> None:
        stage = self._tables.stages[table]
        batch, left_out = leave_out_deleted(stage.target.table, batch)
        self._deleted[table] += left_out
        if not len(batch):
            return
        self._warn_of_partial(stage.target.table, batch)
        if wider := widen(stage.target.table, batch, vacant=stage.target.vacant):
            self.begin(wider)
        stage.add(batch)

    def commit(self, bookmark: str | None, *, final: bool) -> int:
        moving = [stage for stage in self._tables.stages.values() if final or not stage.target.table.comes_at_once]
        full = [stage for stage in moving if stage.rows]
        empty = [stage for stage in moving if not stage.rows and stage.target.how == "replace"]
        with self._warehouse.translate_errors("cannot commit"), self._warehouse.loading():
            self._bookmark.verify()
            load_id = self._loader.package(full) if full else ""
            for stage in moving:
                self._check_shrinkage(stage)
            prepared = Prepared(
                task=self._fence.task,
                load_id=load_id,
                tables={stage.target.qualified: stage.target.how for stage in full}
                | {stage.target.qualified: "empty" for stage in empty},
                bookmark=bookmark,
                generation=self._fence.generation,
                final=final,
                standing=self._bookmark.standing(_names(full), begun=_names(self._tables.stages.values())),
            )
            if full:
                self._bookmark.prepare(prepared)
                fail_point("destination.committing")
                self._loader.load()
                fail_point("destination.bookmarked")
            self._loader.finish(prepared, verify=self._bookmark.verify)
            self._bookmark.move(prepared)
        if final:
            self._warn_of_left_out()
        rows = sum(stage.moved for stage in full)
        for stage in full:
            stage.clear()
        return rows

    def has_rows(self, table: str) -> bool:
        with self._warehouse.translate_errors(f"cannot look into table {table!r}"):
            return self._loader.has_rows(table)

    def own_tables(self) -> dict[str, bool]:
        with leaving_nothing(self._warehouse, self._options, doing="cannot list the tables"):
            if not self._ledger.exists():
                return {}
            return {name: shared for name, shared in self._bookmark.own_tables().items() if self._loader.exists(name)}

    def drop_table(self, table: str) -> None:
        with self._warehouse.translate_errors(f"cannot drop table {table!r}"), self._warehouse.changing_schema():
            self._loader.drop(table)

    def _check_shrinkage(self, stage: Stage) -> None:
        target = stage.target
        if target.how == "replace":
            check_shrinkage(target.table, had=lambda: self._loader.count_rows(target.qualified), sent=stage.moved)

    def describe_tables(self) -> list[DescribedTable]:
        return [stage.target.description() for stage in self._tables.stages.values()]

    def _inexact_warning(self, table: str) -> str | None:
        return inexact_warning(self._tables.stages[table].target)

    def _warn_of_left_out(self) -> None:
        for name, stage in self._tables.stages.items():
            if warning := left_out_warning(name, stage.target):
                self._log("warn", warning)
            if deleted := self._deleted[name]:
                self._log("info", deleted_message(stage.target.table, deleted))

    def _warn_of_partial(self, table: Table, batch: Batch) -> None:
        if table.name not in self._partial and (warning := partial_warning(table, batch)):
            self._partial.add(table.name)
            self._log("warn", warning)

    def close(self) -> None:
        """The files are removed with the attempt's directory; connections to the destination are never kept."""
        for stage in self._tables.stages.values():
            stage.close()
        if self._bookmark.unfinished and self._tables.stages:
            with suppress(Exception), self._warehouse.changing_schema():
                self._bookmark.verify()
                for table in self._tables.stages:
                    self._drop_unfinished(table)

    def _drop_unfinished(self, table: str) -> None:
        """Drops a table that no load has completed, if it has no rows: the next one may need other types."""
        if table not in self._bookmark.unfinished or self._warehouse.is_of_files:
            return
        if self._loader.exists(table) and not self._loader.has_rows(table):
            self._loader.drop(table)


def _names(stages: Iterable[Stage]) -> list[str]:
    """The tables of the source, without those of rows that could not be read."""
    return [stage.target.table.name for stage in stages if not stage.target.table.aside]
