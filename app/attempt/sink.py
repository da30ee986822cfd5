"""A destination of an attempt: its position, and its failure, which does not stop the others."""

from __future__ import annotations

import dataclasses
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from app.connectors.contract.blame import destination_subject, joined, prefix_errors
from app.connectors.contract.passes import (
    NOTHING_SET,
    Completing,
    Describing,
    Emptying,
    Fence,
    Filling,
    Forgetful,
    Inspecting,
    Position,
)
from app.connectors.contract.standing import Standing
from app.connectors.making import make_loading_destination
from app.connectors.warehouse.layout import ReloadRefusedError
from app.domain.errors import (
    ConfigurationError,
    DatabaseUnreachableError,
    DestinationsUnreachableError,
    LeaseLostError,
    SynclineError,
)
from app.domain.naming import AS_IS, namer, reserved_table_problem
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from app.connectors.contract.batches import Batch
    from app.connectors.contract.passes import DescribedTable, Destination, Emptied, Log
    from app.connectors.contract.schema import Table
    from app.domain.attempt_protocol import CopyJob
    from app.domain.columns import ColumnRules
    from app.domain.naming import Naming

T = TypeVar("T")

# Not the fault of one destination: a newer attempt has taken over, or the source's values are nested too deeply.
_OF_THE_WHOLE_ATTEMPT = (LeaseLostError, RecursionError)


class Sink:
    """Keeps an error of its destination as `failure`; the destination gets no more calls, and the others continue.

    An error of a table that stands `apart` is raised instead, because its source goes on with other tables.
    """

    def __init__(
        self,
        name: str,
        destination: Destination | None,
        position: Position | None = None,
        *,
        log: Log | None = None,
        naming: Naming = AS_IS,
        standing: Standing | None = None,
    ) -> None:
        """`log` gets a failure immediately, if other destinations continue before it is raised.

        `standing` is what its bookmarks stand for, if it does not say so itself. The destination itself names its
        columns; its tables get their names here, by `naming`.
        """
        self.name = name
        self.position = position or Position()
        self.failure: SynclineError | None = None
        self.apart = False
        self._destination = destination
        self._log = log
        self._named = namer(naming)
        self._standing = standing
        self._tables: dict[str, str] = {}

    @classmethod
    def open(cls, job: CopyJob, name: str, *, work_dir: Path, log: Log) -> Sink:
        """Opens the destination of this name; an error becomes its `failure`."""
        description = job.destinations[name]
        naming: Naming = description.get("naming", AS_IS)
        standing = Standing.of(job).in_naming(naming)
        fence = Fence(
            task=job.task,
            task_id=job.task_id,
            attempt=job.attempt,
            claim=job.claim,
            source=job.source,
            collection=job.collection.name,
            generation=job.generation,
            standing=standing,
            set_bookmark=job.set_bookmarks.get(name, NOTHING_SET),
        )
        # The store keeps this, too: one that keeps no bookmark may get the name of this destination later.
        kept = standing.at({"type": str(description.get("type"))})
        sink = cls(name, None, log=log if len(job.destinations) > 1 else None, naming=naming, standing=kept)
        sink._destination = sink._try(
            lambda: make_loading_destination(job, name, fence=fence, work_dir=work_dir, log=log),
        )
        sink.position = sink._call(lambda destination: destination.open()) or sink.position
        if sink.position.reason:
            log("warn", f"destination {name!r}: {sink.position.reason}: reloading everything")
        if sink.position.was_set:
            log("info", f"destination {name!r}: reading from the bookmark that was set by hand")
        return sink

    @property
    def standing(self) -> Standing | None:
        """What the bookmarks of this attempt stand for."""
        return self._destination.standing() if isinstance(self._destination, Forgetful) else self._standing

    @property
    def lacks_rows(self) -> bool:
        """Whether it still needs rows and has not failed."""
        return self.failure is None and not self.position.completed

    def all_rows_are_by(self, rules: ColumnRules) -> bool:
        """Whether new rows, by these rules, meet none that were loaded by others."""
        standing = self.position.standing
        return standing is None or self.position.void or standing.is_all_by(rules)

    def rules_of_rows(self, table: str) -> ColumnRules | None:
        """The rules by which the rows of a table of the source were loaded; None if it has none, or none that stay."""
        standing = self.position.standing
        if standing is None or self.position.void:
            return None
        name = self._named(table)

        def has_rows(destination: Destination) -> bool:
            return not isinstance(destination, Inspecting) or destination.has_rows(name)

        return None if self._call(has_rows) is False else standing.rules_of(name)

    def may_fill(self, table: Table) -> bool:
        """Whether rows of a first load, which the source sends in parts, may move before all of them have arrived."""
        if table.mode is not WriteMode.REPLACE or not table.resumable:
            return False
        if table.goes_on or self.position.indifferent:
            return True
        name = self._named(table.name)

        def may_fill(destination: Destination) -> bool:
            return isinstance(destination, Filling) and destination.may_fill(name)

        return self.is_first_load and self._call(may_fill) is True

    @property
    def is_first_load(self) -> bool:
        """Whether it has nothing of the collection yet."""
        return not self.position.loaded and self.position.reload is None

    def begin(self, table: Table) -> None:
        self._call(lambda destination: destination.begin(self._under_its_name(table)), raises=ConfigurationError)

    def write(self, table: str, batch: Batch) -> None:
        self._call(lambda destination: destination.write(self.table_name(table), batch), raises=ConfigurationError)

    def empty(self, emptied: Emptied) -> None:
        def empty(destination: Destination) -> None:
            if not isinstance(destination, Emptying):
                if emptied.may_stay:
                    return
                raise ConfigurationError(
                    "it cannot replace the rows of an interval, so they would be duplicated: set 'primary_key'"
                )
            destination.empty(dataclasses.replace(emptied, table=self.table_name(emptied.table)))

        self._call(empty)

    def complete(self, table: str) -> bool:
        """Whether the next commit can move all rows of the table; a destination that has failed holds nothing up."""

        def complete(destination: Destination) -> bool:
            if not isinstance(destination, Completing):
                return False
            destination.complete(self.table_name(table))
            return True

        return self._call(complete, raises=SynclineError) is not False

    def commit(self, bookmark: str | None, *, final: bool) -> int | None:
        """The number of rows inserted or changed; None if the destination has failed."""
        return self._call(lambda destination: destination.commit(bookmark, final=final))

    def describe_tables(self) -> list[DescribedTable]:
        """The tables of this attempt; none if the destination has failed or keeps nothing."""

        def describe(destination: Destination) -> list[DescribedTable]:
            return destination.describe_tables() if isinstance(destination, Describing) else []

        return self._call(describe) or []

    def table_name(self, name: str) -> str:
        """What the destination calls a table of the source."""
        return self._tables.get(name, name)

    def _under_its_name(self, table: Table) -> Table:
        name = self._tables[table.name] = self._named(table.name)
        if table.name and not name:
            raise ConfigurationError(
                f"{table.name!r} cannot be a table name in snake_case, as it has no Latin letter and no digit: set "
                "another 'table_name'"
            )
        if problem := reserved_table_problem(name):
            raise ConfigurationError(f"{problem}, or if it is a stream, name it in 'stream_table_names'")
        if other := next((each for each, taken in self._tables.items() if taken == name and each != table.name), None):
            raise ConfigurationError(f"the tables {other!r} and {table.name!r} would both become {name!r}: rename one")
        return table if name == table.name else dataclasses.replace(table, name=name)

    def close(self) -> None:
        destination, self._destination = self._destination, None
        if destination is not None:
            try:
                with prefix_errors(destination_subject(self.name)):
                    destination.close()
            except Exception as error:  # noqa: BLE001 -- the others must be closed in any case
                self._fail(error)

    def _call(self, what: Callable[[Destination], T], *, raises: type[SynclineError] | tuple[()] = ()) -> T | None:
        """`raises` are errors of a table that are raised if it stands apart."""
        destination = self._destination
        if destination is None:
            return None

        def call() -> T:
            with prefix_errors(destination_subject(self.name)):
                return what(destination)

        return self._try(call, raises=raises if self.apart else ())

    def _try(self, what: Callable[[], T], *, raises: type[SynclineError] | tuple[()] = ()) -> T | None:
        try:
            return what()
        except _OF_THE_WHOLE_ATTEMPT:
            raise
        except ReloadRefusedError as error:
            self._fail(error)
            return None
        except raises:
            raise
        except Exception as error:  # noqa: BLE001 -- it must not stop the others
            self._fail(error)
            return None

    def _fail(self, error: Exception) -> None:
        if isinstance(error, SynclineError):
            self.failure = error
        else:
            traceback.print_exc()
            self.failure = SynclineError(f"destination {self.name!r}: {type(error).__name__}: {error}")
        if self._log is not None:
            self._log("error", f"the attempt will fail once the other destinations are done: {self.failure}")
        destination, self._destination = self._destination, None
        if destination is not None:
            with suppress(Exception):  # it has failed already
                destination.close()


def close(sinks: Iterable[Sink], *, unread: Iterable[SynclineError | None] = ()) -> None:
    """Closes all of them, then raises their failures, and the errors of tables that were left `unread`, as one error.

    Raises:
        ConfigurationError: a retry cannot fix any of the failures.
        DestinationsUnreachableError: destinations cannot be reached, and nothing else is wrong.
        SynclineError: a retry may fix one of them.
    """
    # Earlier failures come first in the message.
    in_order = sorted(sinks, key=lambda sink: sink.failure is None)
    for sink in in_order:
        sink.close()
    failures = [each for each in (*unread, *(sink.failure for sink in in_order)) if each is not None]
    if failures and all(isinstance(each, DatabaseUnreachableError) for each in failures):
        names = tuple(sink.name for sink in in_order if sink.failure is not None)
        raise DestinationsUnreachableError(str(joined(failures)), destinations=names)
    if failures:
        raise joined(failures)
