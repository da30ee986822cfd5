"""What flows from a source to destinations during one pass, and what both sides promise."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from app.connectors.contract.batches import records_of
from app.domain.errors import LeaseLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from app.connectors.contract.batches import Batch
    from app.connectors.contract.schema import Table
    from app.connectors.contract.standing import Standing
    from app.domain.attempt_protocol import Level


class Log(Protocol):
    """Where a connector writes lines for the log of the task."""

    def __call__(self, level: Level, message: str, /) -> None: ...


@runtime_checkable
class HearsOfInstalling(Log, Protocol):
    """A log whose reader waits longer while packages are being installed."""

    def installing(self, *, done: bool = False) -> None: ...


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a table that was announced before; `size` is about how many bytes they take."""

    table: str
    batch: Batch
    size: int

    @property
    def records(self) -> list[dict[str, Any]]:
        return records_of(self.batch)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything before this point is complete; `bookmark` (JSON text, None for nothing) stands for it."""

    bookmark: str | None


@dataclass(frozen=True, slots=True)
class Emptied:
    """All rows of a table that was announced before whose `column` has this `value` go with the next commit.

    Rows that come after it stay.
    """

    table: str
    column: str
    value: str


def voided(generation: int) -> int:
    """The generation of a bookmark of which a table with its rows was dropped. To be kept before it is made anew."""
    return min(generation, -generation - 1)


@dataclass(frozen=True, slots=True)
class Fence:
    """Who writes: (task, claim) only grows for one collection, and a destination accepts only the newest.

    A bookmark of another `generation` is void, and so is one that stands for something else than `standing`.
    """

    task: str
    task_id: str
    attempt: int
    claim: int
    source: str
    collection: str
    generation: int
    standing: Standing

    def position(
        self,
        *,
        generation: int,
        bookmark: str | None,
        completed_task: str | None,
        loaded: bool,
        standing: Standing | None,
        lacking: Callable[[Sequence[str]], Sequence[str]],
    ) -> Position:
        """How far a destination is, by what it remembers of the collection.

        `lacking` tells which of these tables are not there.
        """
        # 0 is that of a store which knows of no reset, as a new one does beside a destination that was reset before.
        if self.generation not in {0, generation, -generation - 1}:
            return Position(loaded=loaded, reload=Reload.RESET)
        if generation < 0:
            return Position(reload=Reload.MISSING, reason=f"its bookmark is void: {Reload.MISSING.value}")
        completed = completed_task == self.task
        if bookmark is not None and not completed:
            if standing and (reason := self.standing.change_from(standing)):
                return Position(reload=Reload.OTHER, reason=reason)
            if gone := lacking((standing or self.standing).tables):
                reason = f"its bookmark stands for rows in {', '.join(map(repr, gone))}, but that table is missing"
                return Position(reload=Reload.MISSING, reason=reason)
        return Position(bookmark=bookmark, loaded=loaded, completed=completed, standing=standing if bookmark else None)

    @property
    def name(self) -> str:
        """A name for this claim: unique, and short enough for part of a file name."""
        return f"{self.task}-{self.attempt}-{self.claim:x}"

    def overtaken(self) -> LeaseLostError:
        """To be raised where a destination has seen a newer attempt."""
        return LeaseLostError(f"a newer attempt writes {self.source}.{self.collection}")

    def displaced(self) -> LeaseLostError:
        """To be raised where the destination's bookmark is not the one that this attempt goes on from."""
        return LeaseLostError(
            f"the bookmark of {self.source}.{self.collection} was changed while this attempt was running: "
            "its rows would not follow on from what is there"
        )


class Reload(enum.Enum):
    """Why everything is to be loaded again. Only after a reset do the rows that come replace those that are there."""

    RESET = "the collection was reset"
    MISSING = "a table with its rows was dropped"
    OTHER = "it stands for another table"


@dataclass(frozen=True, slots=True)
class Position:
    """How far a destination is. `loaded` is False until a first commit.

    With `reload` there is no bookmark; `reason` says in which way it does not match. `standing` is what the bookmark
    stands for, as far as it is known. `completed` tells that the destination has all rows of this task, `indifferent`
    that it keeps nothing and takes any reading.
    """

    bookmark: str | None = None
    loaded: bool = False
    reload: Reload | None = None
    reason: str = ""
    standing: Standing | None = None
    completed: bool = False
    indifferent: bool = False

    @property
    def void(self) -> bool:
        """Whether the rows that come replace those that are there."""
        return self.reload is Reload.RESET


Item: TypeAlias = "Table | Rows | Checkpoint | Emptied"
"""What a source yields."""


class Source(Protocol):
    """One collection, or all of them, of one system."""

    def check(self) -> None:
        """Raises `SynclineError` when the source cannot be read as configured."""

    def read(self, bookmark: str | None) -> Iterator[Item]:
        """All that is new since `bookmark`. A table is announced before its rows, and again when it changes."""

    def close(self) -> None:
        """Ends what `read` started; may be called at any time and more than once."""


@runtime_checkable
class Measured(Protocol):
    """A source that knows how much there is."""

    def progress(self) -> float | None:
        """How much of what there is to read has been read: 0 to 1, None while unknown. Costs nothing to ask."""


@runtime_checkable
class Emptying(Protocol):
    """A destination that can replace a part of a table."""

    def empty(self, emptied: Emptied) -> None:
        """The rows that it tells go with the next commit."""


class Destination(Protocol):
    """Where rows go. All rows since the last commit become visible together with the bookmark, or not at all."""

    def open(self) -> Position:
        """Connects and takes the fence; raises `LeaseLostError` if a newer attempt has it."""

    def begin(self, table: Table) -> None:
        """Makes room for a table or for its new columns."""

    def write(self, table: str, batch: Batch) -> None:
        """Stages rows; raises `ValueRefusedError` for a value that a column cannot hold as it is."""

    def commit(self, bookmark: str | None, *, final: bool) -> int:
        """The number of rows inserted or changed. `final` ends the pass: replaced tables are swapped now."""

    def close(self) -> None:
        """Gives up whatever is not committed; may be called at any time and more than once."""
