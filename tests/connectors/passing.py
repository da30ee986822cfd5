"""Passes without a process of their own: a table that changes goes into a real destination, with crashes in between."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from typing import TYPE_CHECKING, Any

from app.attempt import copying
from app.attempt.copying import Pass
from app.attempt.report import Report
from app.attempt.sink import Sink, close
from app.attempt.writing import Writing
from app.connectors.contract.passes import Checkpoint, Fence, Rows
from app.connectors.contract.schema import Kind, Table
from app.connectors.contract.standing import Standing
from app.connectors.making import make_destination
from app.domain.attempt_protocol import LogLine
from app.domain.writing import Deletes, SchemaPolicy, WriteMode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from app.connectors.contract.passes import Destination
    from app.domain.attempt_protocol import AttemptMessage
    from app.domain.writing import Empty

COLUMNS = {"id": Kind.INTEGER, "at": Kind.INTEGER, "v": Kind.TEXT}


class Crash(BaseException):
    """Nothing catches it, as nothing catches a SIGKILL."""


@dataclasses.dataclass
class Origin:
    """A table of a source, read whole or from a bookmark on: rows by id, each with the time of its last change.

    Some rows come twice, first with another value, where `twice` is set.
    """

    keyed: bool
    full_refresh: bool
    twice: bool = False
    rows: dict[int, tuple[int, str | None]] = dataclasses.field(default_factory=dict)
    clock: int = 0

    def change(self, key: int, value: str | None, *, later: int) -> None:
        """`later` 0: at the same time as the change before, so that a bookmark at it does not cover this one."""
        self.clock += later
        self.rows[key] = (self.clock, value)

    def current(self) -> list[tuple[int, int, str | None]]:
        return [(key, at, value) for key, (at, value) in self.rows.items()]

    def since(self, bookmark: str | None) -> list[tuple[int, int, str | None]]:
        """What a reading from `bookmark` sends; rows at it come again."""
        found = self.current() if bookmark is None else [row for row in self.current() if row[1] >= int(bookmark)]
        return sorted(found, key=lambda row: row[1])

    def check(self) -> None: ...

    def close(self) -> None: ...

    def read(self, bookmark: str | None) -> Iterator[Table | Rows | Checkpoint]:
        cursor = None if self.full_refresh else "at"
        yield Table("t", COLUMNS, ("id",) if self.keyed else (), cursor, full_refresh=self.full_refresh)
        for key, at, value in self.since(None if self.full_refresh else bookmark):
            earlier = [{"id": key, "at": at, "v": f"not {value}"}] if self.twice and key % 2 else []
            yield Rows("t", [*earlier, {"id": key, "at": at, "v": value}], 1)
            yield Checkpoint(None if self.full_refresh else str(at))


class Sent:
    """A source that sends what it is told."""

    def __init__(self, *items: Table | Rows | Checkpoint) -> None:
        self._items = items

    def check(self) -> None: ...

    def close(self) -> None: ...

    def read(self, bookmark: str | None) -> Iterator[Table | Rows | Checkpoint]:  # noqa: ARG002 -- its signature
        yield from self._items


@dataclasses.dataclass
class Collection:
    """A collection that is loaded again and again into one destination."""

    options: dict[str, Any]
    directory: Path
    mode: WriteMode | None = None
    policy: SchemaPolicy = SchemaPolicy.EVOLVE
    empty: Empty | None = None
    max_shrink: float | None = None
    deletes: Deletes | None = None
    generation: int = 0
    tasks: int = 0
    told: list[AttemptMessage] = dataclasses.field(default_factory=list)

    def destination(self, *, again: int = 0) -> Destination:
        """For a claim of a new task, or of the last one; all are of its first attempt, for claims alone decide."""
        self.tasks += not again
        task = f"0192f7c2-0000-7000-8000-{self.tasks:012}"
        fence = Fence(
            task=task,
            task_id=f"task {self.tasks}",
            attempt=1,
            claim=again,
            source="source",
            collection="collection",
            generation=self.generation,
            standing=Standing("t", "t"),
        )
        self.directory.mkdir(exist_ok=True)
        return make_destination("d", self.options, fence=fence, work_dir=self.directory, log=self._log)

    def load(self, source: Any, *, again: int = 0) -> int:
        """One attempt; the number of rows that were written."""
        with closing(self.destination(again=again)) as destination:
            sink = Sink("d", destination, destination.open())
            report = Report(self)  # type: ignore[arg-type]
            if not sink.position.completed:
                subject = "source 'source', collection 'collection'"
                writing = Writing(
                    self.mode,
                    self.policy,
                    subject,
                    empty=self.empty,
                    max_shrink=self.max_shrink,
                    deletes=self.deletes,
                )
                bookmark = sink.position.bookmark
                Pass([sink], bookmark=bookmark, writing=writing, report=report).run(source.read(bookmark))
            close([sink])
        return report.rows_written

    def send(self, message: AttemptMessage) -> None:
        self.told.append(message)

    def _log(self, level: Any, message: str) -> None:
        self.told.append(LogLine(level, message))


class Killer:
    """Crashes when the fail points have been passed so often; commits come every few rows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._left = 0
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(copying, "_COMMIT_RECORDS", 3)
        monkeypatch.setattr(copying, "fail_point", self._pass)

    def commit_each(self, records: int) -> None:
        self._monkeypatch.setattr(copying, "_COMMIT_RECORDS", records)

    def after(self, points: int) -> None:
        """0: never."""
        self._left = points

    def watch(self, owner: type, method: str) -> None:
        """From now on the method's begin and its end are fail points."""
        original = getattr(owner, method)

        def watched(*arguments: Any, **more: Any) -> Any:
            self._pass(method)
            result = original(*arguments, **more)
            self._pass(method)
            return result

        self._monkeypatch.setattr(owner, method, watched)

    def _pass(self, name: str) -> None:
        assert name
        self._left -= 1
        if self._left == 0:
            raise Crash
