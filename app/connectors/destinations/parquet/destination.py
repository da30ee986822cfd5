"""Parquet files as a destination: files are written first, then one manifest with their names and the bookmark."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from app.connectors.contract.passes import Reload
from app.connectors.destinations.parquet import types
from app.connectors.destinations.parquet.manifest import DataFile, Manifest, Manifests, TableState, escape
from app.connectors.destinations.parquet.options import WRITE_MODES
from app.connectors.destinations.parquet.resent import Resent
from app.connectors.destinations.parquet.stage import Stage
from app.connectors.destinations.parquet.storage import make_storage
from app.connectors.warehouse.deleted import deleted_message, leave_out_deleted
from app.connectors.warehouse.layout import (
    Target,
    admit_columns,
    check_is_empty,
    column_names,
    fixed_types_warning,
    inexact_warning,
    left_out_warning,
    refuse_gone,
    widen,
)
from app.connectors.warehouse.shrinkage import check_shrinkage
from app.domain.errors import ConfigurationError
from app.domain.naming import namer
from app.domain.writing import WriteMode
from app.failpoints import fail_point

if TYPE_CHECKING:
    from pathlib import Path

    from app.connectors.contract.batches import Batch
    from app.connectors.contract.passes import DescribedTable, Fence, Log, Position
    from app.connectors.contract.schema import Table
    from app.connectors.contract.standing import Standing
    from app.connectors.destinations.parquet.options import ParquetDestinationOptions
    from app.connectors.destinations.parquet.stage import Staged


class ParquetDestination:
    """The manifest decides: a file that it does not name is ignored, and the next attempt removes it."""

    def __init__(
        self, options: ParquetDestinationOptions, fence: Fence, *, name: str, work_dir: Path, log: Log
    ) -> None:
        self._fence = fence
        self._log = log
        self._directory = work_dir / f"parquet-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
        self._storage = make_storage(options)
        self._manifests = Manifests(self._storage, fence)
        self._named = namer(options.naming)
        identity = msgspec.json.encode([fence.source, fence.collection])
        # The prefix of this collection's file names: others may write to the same directory.
        self._prefix = f"{hashlib.sha256(identity).hexdigest()[:12]}-"
        self._manifest: Manifest
        self._before: dict[str, TableState] = {}
        self._found: set[str] = set()
        self._reload_reason = ""
        self._standing: Standing | None = None
        self._numbers = 0
        self._stages: dict[str, Stage] = {}
        self._resent: dict[str, Resent] = {}
        self._deleted = Counter[str]()
        self._complete: set[str] = set()
        self._settled: set[str] = set()

    def open(self) -> Position:
        self._manifest = self._manifests.claim()
        self._found = self._sweep()
        position = self._manifest.position(self._fence, self._found)
        if position.reload in (Reload.MISSING, Reload.RESET):
            self._manifest = self._manifest.without_missing(self._found)
        self._before = self._manifest.tables
        self._reload_reason = position.reason
        self._standing = position.standing
        return position

    def begin(self, table: Table) -> None:
        target = self._target(table)
        if self._reload_reason:
            before = self._before.get(table.name, TableState({}))
            check_is_empty(table, reason=self._reload_reason, has_rows=lambda: any(file.rows for file in before.files))
        if stage := self._stages.get(table.name):
            stage.widen(target)
        else:
            for warning in filter(None, [inexact_warning(target), fixed_types_warning(table)]):
                self._log("warn", warning)
            directory = self._directory / str(len(self._stages))
            self._stages[table.name] = Stage(target, directory, task_id=self._fence.task_id)

    def write(self, table: str, batch: Batch) -> None:
        stage = self._stages[table]
        batch, left_out = leave_out_deleted(stage.target.table, batch)
        self._deleted[table] += left_out
        if not len(batch):
            return
        if wider := widen(stage.target.table, batch):
            self.begin(wider)
        stage.add(batch)

    def complete(self, table: str) -> None:
        stage = self._stages[table]
        if stage.target.table.mode is WriteMode.REPLACE:
            check_shrinkage(stage.target.table, had=lambda: self._rows_before(table), sent=stage.rows)
        self._complete.add(table)

    def commit(self, bookmark: str | None, *, final: bool) -> int:
        moving = {name: stage for name, stage in self._stages.items() if self._may_move(name, final=final)}
        tables = dict(self._manifest.tables)
        rows = 0
        for name, stage in moving.items():
            files = self._upload(name, stage)
            rows += sum(file.rows for file in files)
            tables[name] = self._state(stage.target, files, final=final or name in self._complete)
        loaded = [name for name, stage in self._stages.items() if not stage.target.table.aside]
        self._standing = self._fence.standing.with_tables(self._standing, *loaded)
        manifest = self._manifest.next_version(
            tables=tables,
            standing=self._standing,
            bookmark=bookmark,
            generation=self._fence.generation,
            completed_task=self._fence.task if final else None,
            committed_at=datetime.now(UTC).isoformat(),
        )
        fail_point("destination.committing")
        self._manifests.commit(manifest)
        self._manifest = manifest
        self._settled |= self._complete
        if final:
            for name, stage in self._stages.items():
                if warning := left_out_warning(name, stage.target):
                    self._log("warn", warning)
                if deleted := self._deleted[name]:
                    self._log("info", deleted_message(stage.target.table, deleted))
        return rows

    def has_rows(self, table: str) -> bool:
        known = self._manifest.without_missing(self._found).tables.get(table)
        return known is not None and any(file.rows for file in known.files)

    def own_tables(self) -> dict[str, bool]:
        """Others may have files of their own in the same directory, which stay."""
        newest, found = self._manifests.newest(), set(self._storage.starting_with(self._prefix))
        with_files = newest.without_missing(found).tables if newest else {}
        return dict.fromkeys(sorted(name for name, state in with_files.items() if state.files), False)

    def drop_table(self, table: str) -> None:
        """Removes the files of this collection; the next load notices that they are missing."""
        newest = self._manifests.newest()
        for file in newest.tables[table].files if newest else ():
            self._storage.remove(file.name)

    def describe_tables(self) -> list[DescribedTable]:
        return [stage.target.description() for stage in self._stages.values()]

    def close(self) -> None:
        """Nothing to do: the next attempt removes files that no manifest names."""

    def _may_move(self, name: str, *, final: bool) -> bool:
        if name in self._settled:  # its rows have moved, and none would now replace them
            return False
        return final or name in self._complete or not self._stages[name].target.table.comes_at_once

    def _sweep(self) -> set[str]:
        """Removes files that no manifest names, and returns the files that exist.

        A newer attempt claims the collection before it writes files, so none of them can be its own.
        """
        found = set(self._storage.starting_with(self._prefix))
        self._manifests.verify(self._manifest)
        for file in found - self._manifest.file_names:
            self._storage.remove(file)
        return found

    def _target(self, table: Table) -> Target:
        check_possible(table)
        names = column_names(table, column_name=self._named, name_key=str.lower)
        known = self._manifest.tables.get(table.name)
        there = {name.lower(): (name, type_) for name, type_ in known.columns.items()} if known else {}
        left_out: tuple[str, ...] = ()
        if known and not known.unfinished:
            names, left_out = admit_columns(table, names, new=lambda name: name.lower() not in there)
        described = {}
        for field, name in names.items():
            new = (name, types.type_name(table.columns[field], table.digits.get(field)))
            described[field] = types.column(*there.get(name.lower(), new))
        return Target(table, table.name, described, left_out=left_out, unfinished=known is None or known.unfinished)

    def _upload(self, name: str, stage: Stage) -> list[DataFile]:
        """Moves the staged files to the destination, where no manifest names them yet."""
        table = stage.target.table
        empty = table.mode is WriteMode.REPLACE or not self._manifest.tables.get(name)
        staged = stage.finish(even_if_empty=empty)
        if table.mode is WriteMode.REPLACE:
            check_shrinkage(table, had=lambda: self._rows_before(name), sent=sum(each.rows for each in staged))
        if table.mode is WriteMode.APPEND and not table.full_refresh:
            if name not in self._resent:
                before = self._before.get(name)
                self._resent[name] = Resent(self._storage, stage, before.files if before else ())
            staged = [self._resent[name].drop(each) for each in staged]
        return [self._put(name, each, cursor=stage.target.cursor) for each in staged if each.rows or empty]

    def _rows_before(self, table: str) -> int:
        """Without those in files that somebody has removed."""
        before = self._before.get(table)
        return sum(file.rows for file in before.files if file.name in self._found) if before else 0

    def _put(self, table: str, staged: Staged, *, cursor: str | None) -> DataFile:
        self._numbers += 1
        name = f"{escape(table)}/{self._prefix}{self._fence.name}-{self._numbers}.parquet"
        self._storage.put(staged.path, name)
        lowest, highest = (None if each is None else types.to_text(each) for each in (staged.lowest, staged.highest))
        return DataFile(name, staged.rows, lowest, highest, cursor)

    def _state(self, target: Target, files: list[DataFile], *, final: bool) -> TableState:
        known = self._manifest.tables.get(target.table.name) or TableState({})
        kept = () if target.table.mode is WriteMode.REPLACE else known.files
        columns = known.columns | {column.name: column.type for column in target.columns.values()}
        settled = final or target.table.schema_policy.adds_columns
        return TableState(columns, (*kept, *files), unfinished=target.unfinished and not settled)


def check_possible(table: Table) -> None:
    """Refuses a table that files cannot have.

    Raises:
        ConfigurationError: single rows of it would have to change.
    """
    refuse_gone(table)
    if table.mode not in WRITE_MODES:
        raise ConfigurationError(
            f"table {table.name!r}: write_mode '{table.mode}' changes single rows, which files cannot do: "
            "set 'write_mode: append', or 'write_mode: replace' with 'sync_mode: full_refresh'"
        )
