"""Singer targets as destinations, the last resort: any `target-*`, at least once.

One run of the target is one commit: it gets the rows, its input is closed, and it has to echo the last STATE and to end
with exit code 0. What a killed target has written is unknown, so its rows are sent again after a crash.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.connectors.contract.batches import records_of
from app.connectors.contract.passes import NOTHING_SET, DescribedTable, Position, Reload
from app.connectors.contract.standing import Standing
from app.connectors.destinations.singer.messages import (
    check_bytes,
    check_finite,
    record_lines,
    schema_line,
    state_line,
    version_line,
)
from app.connectors.destinations.singer.place import place_of
from app.connectors.destinations.singer.target import RunningTarget
from app.connectors.programs.documents import read_document
from app.connectors.programs.names import program_name
from app.connectors.programs.output_log import OutputLog
from app.connectors.programs.packages import PackageSet, command_of
from app.connectors.programs.program import Program
from app.connectors.programs.renewals import ConfigFile, current_config, report_renewal
from app.connectors.values import jsontext
from app.connectors.warehouse.layout import ReloadRefusedError, late_versions_warning, refuse_gone, widen
from app.domain.errors import ConfigurationError
from app.domain.secret_values import renewed_secrets, secrets_in
from app.domain.writing import Deletes, SchemaPolicy, WriteMode
from app.failpoints import fail_point

if TYPE_CHECKING:
    from pathlib import Path

    from app.connectors.contract.batches import Batch
    from app.connectors.contract.passes import Fence, Log
    from app.connectors.contract.schema import Table
    from app.connectors.destinations.singer.options import TargetOptions
    from app.domain.attempt_protocol import SavedBookmark


class SingerDestination:
    """`remembered` is the store's bookmark since the last reset, if there is one: targets keep none."""

    def __init__(
        self,
        options: TargetOptions,
        fence: Fence,
        *,
        name: str,
        data_dir: Path,
        work_dir: Path,
        remembered: SavedBookmark | None,
        renewed: str | None,
        log: Log,
    ) -> None:
        self._options = options
        self._name = name
        self._data_dir = data_dir
        self._work_dir = work_dir
        self._remembered = remembered
        self._renewed = renewed
        self._written: dict[str, Any] = {}
        self._config: ConfigFile | None = None
        self._fence = fence
        self._standing = fence.standing
        self._standing_before: Standing | None = None
        self._reason = ""
        self._log = log
        self._output_log: OutputLog | None = None
        self._program: Program | None = None
        self._running: RunningTarget | None = None
        self._tables: dict[str, Table] = {}
        self._told_of_shrinking = False
        self._rows = 0
        # Rows of a replaced table have a version; activating it removes the rows of other versions.
        self._version = time.time_ns() // 1_000_000

    def open(self) -> Position:
        written = self._written = read_document(self._options.settings, "settings")
        self._standing = self._fence.standing.at(place_of(self._options, written))
        config = current_config(written, self._renewed)
        self._config = ConfigFile(
            self._work_dir,
            f"target-{hashlib.sha256(self._name.encode()).hexdigest()[:12]}.json",
            config,
            program="the target",
            renewed=self._take_renewed,
            log=self._log,
        )
        command = self._command()
        system = program_name(command, self._options.package or ())
        # One for all runs, which share the limit of a log.
        self._output_log = OutputLog(self._log, system)
        self._program = Program(
            [*command, "--config", str(self._config.path)],
            name="the target",
            system=system,
            home=self._data_dir / "home",
            secrets=secrets_in(written) | renewed_secrets(config, written),
            log=self._log,
            before_errors=self._config.look,
        )
        self._log("warn", f"destination {self._name!r} is a Singer target: after a crash, rows may be loaded twice")
        position = self._position()
        self._standing_before = position.standing
        self._reason = position.reason
        if position.void:
            self._log(
                "warn",
                f"destination {self._name!r}: the collection was reset, so its rows are sent as a new version; a "
                "target that ignores ACTIVATE_VERSION keeps the old rows as well",
            )
        return position

    def standing(self) -> Standing:
        # A table that was refused keeps the rules of its rows, and is refused again by the next attempt.
        begun = [table.name for table in self._tables.values() if not table.aside]
        return self._standing.with_tables(self._standing_before, *begun)

    def begin(self, table: Table) -> None:
        if table.schema_policy is not SchemaPolicy.EVOLVE:
            raise ConfigurationError(
                "schema_policy must be 'evolve': a Singer target does not say which columns it has"
            )
        refuse_gone(table)
        if self._reason:
            _refuse_to_append_again(table, reason=self._reason)
        if table.name not in self._tables:
            warnings = [late_versions_warning(table), _repeats_warning(table), _deletes_warning(table)]
            for warning in filter(None, warnings):
                self._log("warn", warning)
        if table.mode is WriteMode.REPLACE:
            self._warn_of_shrinking(table)
        if self._tables.get(table.name) != table:
            self._tables[table.name] = table
            if self._running is not None:
                self._running.send(schema_line(table))

    def write(self, table: str, batch: Batch) -> None:
        records = records_of(batch)
        if wider := widen(self._tables[table], records):
            self.begin(wider)
        described = self._tables[table]
        if set().union(*records) - described.columns.keys():
            # They are only NULL, and the target does not know these columns.
            records = [{field: record[field] for field in record if field in described.columns} for record in records]
        check_finite(described, records)
        check_bytes(described, records)
        version = self._version if described.mode is WriteMode.REPLACE else None
        self._running_target().send(record_lines(described, records, version))
        self._rows += len(records)

    def commit(self, bookmark: str | None, *, final: bool) -> int:
        target = self._running_target()
        if final:
            for table in self._tables.values():
                if table.mode is WriteMode.REPLACE:
                    target.send(version_line(table, self._version))
        target.send(state_line(bookmark))
        fail_point("destination.committing")
        self._running = None
        try:
            target.finish(bookmark)
        finally:
            self._look_at_config()
        rows, self._rows = self._rows, 0
        return rows

    def describe_tables(self) -> list[DescribedTable]:
        """A target does not say which columns it makes."""
        return [DescribedTable(table, {}) for table in self._tables.values()]

    def close(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.stop()
        if self._config is not None:
            self._config.look_at_the_end()

    def _look_at_config(self) -> None:
        if self._config is not None:
            self._config.look()

    def _take_renewed(self, config: dict[str, Any]) -> None:
        report_renewal(self._log, config, destination=self._name)
        if self._program is not None:
            self._program.mask(renewed_secrets(config, self._written))

    def _position(self) -> Position:
        remembered, fence = self._remembered, self._fence
        if remembered is None:
            return Position(reload=None if fence.accepts(0) else Reload.RESET)
        was_set = fence.set_bookmark.bookmark is not None
        bookmark = None if remembered.bookmark is None else jsontext.encode(remembered.bookmark)
        standing = Standing.parse(remembered.standing)
        if standing is None:
            return Position(bookmark=bookmark, loaded=True, was_set=was_set)
        if bookmark is None and (reason := self._standing.change_from(standing)):
            # Rows that replace all others would replace somebody else's in another place.
            return Position(reload=Reload.OTHER, reason=reason, standing=standing.without_bookmark())
        position = replace(fence, standing=self._standing, set_bookmark=NOTHING_SET).position(
            generation=fence.generation,
            bookmark=bookmark,
            completed_task=None,
            loaded=True,
            standing=standing,
            tables_without_rows=lambda _: (),
        )
        return replace(position, was_set=was_set and not position.reload)

    def _warn_of_shrinking(self, table: Table) -> None:
        if not self._told_of_shrinking and (table.empty == "refuse" or table.max_shrink is not None):
            self._told_of_shrinking = True
            self._log(
                "warn",
                f"destination {self._name!r} is a Singer target, which does not say how many rows it has: 'empty' and "
                "'max_shrink' do not protect the tables that are replaced there",
            )

    def _running_target(self) -> RunningTarget:
        """The running target, started with the schemas of all tables if there is none."""
        if self._running is None:
            if self._program is None or self._output_log is None:
                raise RuntimeError("the destination was not opened")
            self._running = RunningTarget(self._program, output_log=self._output_log)
            for table in self._tables.values():
                self._running.send(schema_line(table))
        return self._running

    def _command(self) -> list[str]:
        options = self._options
        package, executable = PackageSet(options.package or (), options.constraints), options.executable
        return command_of(options.command, package, executable=executable, data_dir=self._data_dir, log=self._log)


def _refuse_to_append_again(table: Table, *, reason: str) -> None:
    if table.mode is WriteMode.APPEND and not table.full_refresh:
        raise ReloadRefusedError(
            f"{reason}. Everything must be loaded again, but a Singer target does not say whether table {table.name!r} "
            "already has rows, and 'append' would add all rows of the collection to them: undo the change, or run "
            "'syncline sources reset', which sends the rows as a new version"
        )


def _repeats_warning(table: Table) -> str | None:
    if table.mode is not WriteMode.APPEND or table.cursor_field is None or table.full_refresh:
        return None
    return (
        f"table {table.name!r}: its source may read the rows at the last value of {table.cursor_field!r} again, or all "
        "those within its 'lookback'. A Singer target does not recognise them without a key, so they are loaded twice: "
        "set 'primary_key' or 'sync_mode: full_refresh'"
    )


def _deletes_warning(table: Table) -> str | None:
    if table.delete_marker is None or not table.identity or table.deletes is Deletes.MARK:
        return None
    return (
        f"table {table.name!r}: 'deletes: {table.deletes}' has no effect, because a Singer target gets the records of "
        "deleted rows as they are, and decides itself what to do with them"
    )
