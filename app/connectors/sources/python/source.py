"""A user's own function as a source, written with `syncline`."""

from __future__ import annotations

import copy
import datetime as dt
import logging
from typing import TYPE_CHECKING, Any

import syncline
from app.connectors.contract.schema import Table
from app.connectors.programs.output_log import log_of
from app.connectors.sources.python.blame import Blame
from app.connectors.sources.python.function import declared_schema, find_function, offered_functions
from app.connectors.sources.python.reading import Reading
from app.domain.attempt_protocol import Offered
from app.domain.lines import split_lines
from app.domain.secret_values import secrets_in
from syncline import Context, Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from app.connectors.contract.passes import Checkpoint, Log, Rows
    from app.connectors.sources.python.options import PythonOptions
    from app.domain.attempt_protocol import Level, SourceJob
    from app.domain.interval import Interval


class PythonSource:
    def __init__(
        self,
        options: PythonOptions,
        _parameters: None,
        job: SourceJob,
        *,
        work_dir: Path,  # noqa: ARG002 -- it keeps no files
        log: Log,
    ) -> None:
        self._options = options
        self._job = job
        self._blame = Blame(
            job.source,
            job.collection.name,
            secrets=secrets_in(job.source_config) | secrets_in(job.collection.parameters),
        )
        self._logger = logger_to(log_of(log, job.source_type), redact=self._blame.redact)

    def check(self) -> None:
        self._find_function()

    def discover(self) -> Iterator[Offered]:
        functions = offered_functions(self._options.function, self._options.path, blame=self._blame)
        for name, function in functions.items():
            yield _offer(name, declared_schema(function, self._blame))

    def read(self, bookmark: str | None) -> Iterator[Table | Rows | Checkpoint]:
        yield from self._reading().items(bookmark)

    def read_interval(self, interval: Interval) -> Iterator[Table | Rows | Checkpoint]:
        """What the function yields for the interval; a function that does not use intervals is refused."""
        reading = self._reading(syncline.Interval(interval.start, interval.end))
        announced = False
        for item in reading.items(None):
            self._refuse_without_intervals(reading)
            announced = announced or isinstance(item, Table)
            yield item
        self._refuse_without_intervals(reading)
        if not announced and not reading.settings.key:
            # Without rows and columns, the interval's earlier rows must still be removed.
            yield Table(self._job.collection.table_name, {})

    def _reading(self, interval: syncline.Interval | None = None) -> Reading:
        function, declared = self._find_function()

        def call(bookmark: Any) -> Any:
            return function(self._context(bookmark, interval))

        was_set = self._job.bookmark_was_set
        return Reading(call, declared, self._job.collection, blame=self._blame, bookmark_was_set=was_set)

    def _refuse_without_intervals(self, reading: Reading) -> None:
        if not reading.settings.intervals:
            raise self._blame.refusal(
                "the function does not declare that it uses context.interval; declare Schema(intervals=True)"
            )

    def close(self) -> None:
        """A generator ends with the reading that runs it."""

    def _find_function(self) -> tuple[Callable[..., Any], Schema]:
        options = self._options
        function = find_function(options.function, options.path, default=self._job.collection.type, blame=self._blame)
        return function, declared_schema(function, self._blame)

    def _context(self, bookmark: Any, interval: syncline.Interval | None) -> Context:
        collection = self._job.collection
        return Context(
            source=self._job.source,
            collection=collection.name,
            config=copy.deepcopy(self._options.config),
            parameters=copy.deepcopy(collection.parameters),
            bookmark=bookmark,
            start_date=dt.date.fromisoformat(collection.start_date),
            log=self._logger,
            interval=interval,
            lookback=collection.lookback,
        )


def _offer(name: str, schema: Schema) -> Offered:
    remembers = schema.mode == "incremental" or (schema.mode is None and schema.cursor_field)
    return Offered(
        name=name,
        columns=dict(schema.columns),
        key=list(schema.key),
        cursor_fields=[schema.cursor_field] if schema.cursor_field else [],
        sync_modes=["full_refresh", "incremental"] if remembers else ["full_refresh"],
    )


def logger_to(log: Log, *, redact: Callable[[str], str]) -> logging.Logger:
    """A logger, not shared with any other code, that writes to a task's log."""
    logger = logging.Logger("syncline.source")  # noqa: LOG001 -- the shared ones belong to the user's code
    logger.addHandler(_Forwarding(log, redact))
    return logger


class _Forwarding(logging.Handler):
    def __init__(self, log: Log, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._log = log
        self._redact = redact

    def emit(self, record: logging.LogRecord) -> None:
        try:
            lines = split_lines(self.format(record))
        except Exception:  # noqa: BLE001 -- as logging itself does: a wrong format must not end the program
            self.handleError(record)
            return
        for line in lines:
            self._log(_level(record.levelno), self._redact(line))


def _level(number: int) -> Level:
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warn"
    return "info" if number >= logging.INFO else "debug"
