"""Singer targets as destinations, the last resort: any `target-*`, at least once.

One run of the target is one commit: it gets what there is, its input is closed, and it has to echo the STATE that it
got last and to end well. Whether it has written what it got before it was killed nobody can know, so after a crash
those rows come again.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from app.connectors.contract.batches import records_of
from app.connectors.contract.passes import Position, Reload
from app.connectors.destinations.singer.messages import record_lines, schema_line, state_line, version_line
from app.connectors.destinations.singer.target import RunningTarget
from app.connectors.programs.documents import document, written
from app.connectors.programs.packages import command_of
from app.connectors.programs.program import Program
from app.connectors.programs.spoken import Spoken
from app.connectors.values import jsontext
from app.connectors.warehouse.layout import late_versions_warning, widened
from app.domain.errors import ConfigurationError
from app.domain.secret_values import secrets_in
from app.domain.writing import SchemaPolicy, WriteMode
from app.failpoints import fail_point

if TYPE_CHECKING:
    from pathlib import Path

    from app.connectors.contract.batches import Batch
    from app.connectors.contract.passes import Fence, Log
    from app.connectors.contract.schema import Table
    from app.connectors.destinations.singer.options import TargetOptions


class SingerDestination:
    """`remembered` is the bookmark that the store has since a reset, if there was one, as JSON text.

    The target itself keeps none.
    """

    def __init__(
        self,
        options: TargetOptions,
        fence: Fence,
        *,
        name: str,
        data_dir: Path,
        work_dir: Path,
        remembered: str | None,
        log: Log,
    ) -> None:
        self._options = options
        self._name = name
        self._data_dir = data_dir
        self._work_dir = work_dir
        self._remembered = remembered
        self._void = fence.generation > 0 and remembered is None
        self._log = log
        # One for all runs: each of them could fill a log else.
        self._spoken = Spoken(log)
        self._program: Program | None = None
        self._running: RunningTarget | None = None
        self._tables: dict[str, Table] = {}
        self._rows = 0
        # Rows of a table that is replaced have a version, and those of others go when it is activated.
        self._version = time.time_ns() // 1_000_000

    def open(self) -> Position:
        config = document(self._options.settings, "settings")
        path = written(
            self._work_dir,
            f"target-{hashlib.sha256(self._name.encode()).hexdigest()[:12]}.json",
            jsontext.encode(config),
        )
        home = self._data_dir / "home"
        command = [*self._command(), "--config", path]
        self._program = Program(command, name="the target", home=home, secrets=secrets_in(config))
        self._log("warn", f"destination {self._name!r} is a Singer target: after a crash rows may come twice")
        if self._void:
            self._log(
                "warn",
                f"destination {self._name!r}: the collection was reset, so its rows are a new version: a target that "
                "does not heed ACTIVATE_VERSION keeps the old rows beside them",
            )
        reload = Reload.RESET if self._void else None
        return Position(bookmark=self._remembered, loaded=self._remembered is not None, reload=reload)

    def begin(self, table: Table) -> None:
        if table.schema_policy is not SchemaPolicy.EVOLVE:
            raise ConfigurationError("schema_policy must be 'evolve': a target does not tell which columns it has")
        if (warning := late_versions_warning(table)) and table.name not in self._tables:
            self._log("warn", warning)
        if self._tables.get(table.name) != table:
            self._tables[table.name] = table
            if self._running is not None:
                self._running.say(schema_line(table))

    def write(self, table: str, batch: Batch) -> None:
        records = records_of(batch)
        if wider := widened(self._tables[table], records):
            self.begin(wider)
        described = self._tables[table]
        if set().union(*records) - described.columns.keys():
            # They are only NULL, and the target has not heard of them.
            records = [{field: record[field] for field in record if field in described.columns} for record in records]
        version = self._version if described.mode is WriteMode.REPLACE else None
        self._started().say(record_lines(described, records, version))
        self._rows += len(records)

    def commit(self, bookmark: str | None, *, final: bool) -> int:
        target = self._started()
        if final:
            for table in self._tables.values():
                if table.mode is WriteMode.REPLACE:
                    target.say(version_line(table, self._version))
        target.say(state_line(bookmark))
        fail_point("destination.committing")
        self._running = None
        target.finish(bookmark)
        rows, self._rows = self._rows, 0
        return rows

    def close(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.stop()

    def _started(self) -> RunningTarget:
        """A target that knows all tables."""
        if self._running is None:
            if self._program is None:
                raise RuntimeError("the destination was not opened")
            self._running = RunningTarget(self._program, spoken=self._spoken)
            for table in self._tables.values():
                self._running.say(schema_line(table))
        return self._running

    def _command(self) -> list[str]:
        options = self._options
        package, executable = options.package or (), options.executable
        return command_of(options.command, package, executable=executable, data_dir=self._data_dir, log=self._log)
