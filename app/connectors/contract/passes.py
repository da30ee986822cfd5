"""What a source sends to destinations during one pass, and what both sides promise."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, runtime_checkable

from app.connectors.contract.batches import records_of
from app.connectors.contract.standing import Standing
from app.domain.attempt_protocol import SetBookmark
from app.domain.errors import LeaseLostError, OvertakenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from app.connectors.contract.batches import Batch
    from app.connectors.contract.schema import Table
    from app.domain.attempt_protocol import Level
    from app.domain.errors import SynclineError


NOTHING_SET: Final = SetBookmark()


class Log(Protocol):
    """Where a connector writes lines for the log of the task."""

    def __call__(self, level: Level, message: str, /) -> None: ...


@runtime_checkable
class ProgramsLog(Log, Protocol):
    """A log that tells the lines of programs from others."""

    def of_program(self, system: str, *, aside: bool = False) -> Log:
        """Where lines of the program `system` are written.

        With `aside` there may be any number, of which a log gets as many as it takes. They may be written by another
        thread, and wait for a slow log while all others go on.
        """
        ...


@runtime_checkable
class InstallationLog(Log, Protocol):
    """A log whose reader waits longer while `packages` are being installed, until they are `done`."""

    def installing(self, packages: str, *, done: bool = False) -> None: ...


@runtime_checkable
class MaskingLog(Log, Protocol):
    """A log that masks `secret` in all lines from now on."""

    def mask(self, secret: str) -> None: ...


@runtime_checkable
class RenewalLog(Log, Protocol):
    """A log whose reader keeps `config`, the JSON of what a program has made of its own configuration.

    The program is that of `destination`, or of the source if that is None.
    """

    def config_renewed(self, config: str, *, destination: str | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a table that was announced before; `size` is roughly their number of bytes."""

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
    """The next commit removes all rows of an announced table whose `column` has this `value`.

    Rows that are sent after it stay. A destination that cannot do this keeps the rows if they `may_stay`, and fails
    otherwise.
    """

    table: str
    column: str
    value: str
    may_stay: bool = False


@dataclass(frozen=True, slots=True)
class Doubt:
    """A reading of all rows may lack some, for this `reason`. It fails, unless the user has asked for a reset."""

    reason: str


@dataclass(frozen=True, slots=True)
class Completed:
    """All rows of an announced table have arrived; the next checkpoint covers them, and no earlier one did.

    So they need not wait for other tables, even if they replace others.
    """

    table: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One of several tables cannot be read to its end: the attempt fails, but only once the others are loaded.

    No checkpoint covers rows of it that may only move together.
    """

    table: str
    error: SynclineError


@dataclass(frozen=True, slots=True)
class DescribedTable:
    """A table and its columns in the destination: field → (name, type). Fields without a column are left out."""

    table: Table
    columns: dict[str, tuple[str, str]]


def void_generation(generation: int) -> int:
    """The generation of a void bookmark, one whose table was dropped. Stored before the table is created again."""
    return min(generation, -generation - 1)


@dataclass(frozen=True, slots=True)
class Fence:
    """Who is writing: (task, claim) only grows for one collection, and a destination accepts only the newest.

    A bookmark of another `generation` is void, and so is one that stands for anything but `standing`. `set_bookmark`
    says what else counts since one was set by hand.
    """

    task: str
    task_id: str
    attempt: int
    claim: int
    source: str
    collection: str
    generation: int
    standing: Standing
    set_bookmark: SetBookmark = NOTHING_SET

    def position(
        self,
        *,
        generation: int,
        bookmark: str | None,
        completed_task: str | None,
        loaded: bool,
        standing: Standing | None,
        tables_without_rows: Callable[[Sequence[str]], Sequence[str]],
    ) -> Position:
        """How far a destination is, according to what it remembers of the collection.

        `tables_without_rows` returns those of the given tables that are missing or empty.
        """
        known = standing or Standing(reads="", writes="")
        there = known.without_bookmark() if loaded else None
        was_set = self.set_bookmark.bookmark is not None and not (loaded and self.accepts(generation))
        if was_set:
            bookmark, completed_task = self.set_bookmark.bookmark, None
        elif not self.accepts(generation):
            return Position(loaded=loaded, reload=Reload.RESET, standing=there)
        if generation < 0:
            lost = f"its bookmark is no longer valid: {Reload.MISSING.value}"
            return Position(reload=Reload.MISSING, reason=lost, standing=there)
        completed = completed_task == self.task
        if loaded and not completed and bookmark is None and standing and standing.writes != self.standing.writes:
            # Without a bookmark appended rows replace all others, which may be somebody else's in another table.
            moved = f"its rows are in {standing.writes!r}, but the table is now {self.standing.writes!r}"
            return Position(reload=Reload.OTHER, reason=moved, standing=there)
        if bookmark is not None and not completed:
            if standing and (reason := self.standing.change_from(standing)):
                return Position(reload=Reload.OTHER, reason=reason, standing=there)
            # Whoever sets a bookmark where nothing was loaded yet wants no earlier rows.
            gone = tables_without_rows((standing or self.standing).tables) if loaded else ()
            if gone:
                they = "that table is" if len(gone) == 1 else "those tables are"
                reason = f"its bookmark covers rows in {', '.join(map(repr, gone))}, but {they} missing or empty"
                return Position(reload=Reload.MISSING, reason=reason, standing=there)
        covered = known if loaded and bookmark is not None else there
        return Position(bookmark=bookmark, loaded=loaded, completed=completed, standing=covered, was_set=was_set)

    def accepts(self, generation: int) -> bool:
        """Whether a destination's own bookmark of this generation counts, unless its rows are gone."""
        # A store that knows of no reset has 0, such as a new one with a destination that was reset before.
        return any(
            each in {0, generation, -generation - 1} for each in (self.generation, *self.set_bookmark.still_valid)
        )

    @property
    def name(self) -> str:
        """A name for this claim: unique, and short enough for part of a file name."""
        return f"{self.task}-{self.attempt}-{self.claim:x}"

    def overtaken_error(self, newest: str | None) -> LeaseLostError:
        """For a destination that has seen a newer attempt; `newest` is its task, None if the destination forgot it."""
        subject = f"collection {self.collection!r} of source {self.source!r}"
        if newest is None or newest <= self.task:
            return LeaseLostError(f"a newer attempt is writing {subject}")
        return OvertakenError(
            f"a newer attempt has written {subject}: task {newest}. If the store does not know that task, it has lost "
            "its last commits, as after a failover to a standby that lagged behind; then this task can never go on, "
            "and the collection's next task will"
        )

    def displaced_error(self) -> LeaseLostError:
        """For a destination whose bookmark is not the one that this attempt continues from."""
        return LeaseLostError(
            f"the bookmark of collection {self.collection!r} of source {self.source!r} changed while this attempt was "
            "running; its rows would not continue from what the destination has"
        )


class Reload(enum.Enum):
    """Why everything must be loaded again. Only after a reset do new rows replace the existing ones."""

    RESET = "the collection was reset"
    MISSING = "a table with its rows was dropped or emptied"
    OTHER = "its bookmark belongs to another table"


@dataclass(frozen=True, slots=True)
class Position:
    """How far a destination is. `loaded` is False until a first commit.

    With `reload` there is no bookmark; `reason` says why it does not match. `standing` is what the destination knows of
    the rows that it has; without a bookmark it names no tables. `completed`: the destination has all rows of this task.
    `indifferent`: it keeps nothing and accepts rows from any bookmark on. `was_set`: the bookmark was set by hand, and
    no attempt has committed since.
    """

    bookmark: str | None = None
    loaded: bool = False
    reload: Reload | None = None
    reason: str = ""
    standing: Standing | None = None
    completed: bool = False
    indifferent: bool = False
    was_set: bool = False

    @property
    def void(self) -> bool:
        """Whether new rows replace the existing ones."""
        return self.reload is Reload.RESET


Item: TypeAlias = "Table | Rows | Checkpoint | Emptied | Doubt | Completed | Unreadable"
"""What a source yields."""


class Source(Protocol):
    """One collection, or all of them, of one system."""

    def check(self) -> str | None:
        """Raises `SynclineError` if the source cannot be read as configured; may say how much was read."""

    def read(self, bookmark: str | None) -> Iterator[Item]:
        """Everything new since `bookmark`. A table is announced before its rows, and again when it changes."""

    def close(self) -> None:
        """Stops what `read` started; may be called at any time and more than once."""


@runtime_checkable
class Divided(Protocol):
    """A source whose collection has parts, each of which can be checked alone."""

    def parts(self) -> list[str]:
        """Their names."""

    def check_part(self, part: str) -> str | None:
        """As `check`."""


@runtime_checkable
class Measured(Protocol):
    """A source that knows how much it has to read."""

    def progress(self) -> float | None:
        """The share that has been read: 0 to 1, None while unknown. Cheap to call."""


@runtime_checkable
class Emptying(Protocol):
    """A destination that can replace part of a table."""

    def empty(self, emptied: Emptied) -> None:
        """The next commit removes these rows."""


@runtime_checkable
class Completing(Protocol):
    """A destination that need not wait for the end of the pass with rows that replace others."""

    def complete(self, table: str) -> None:
        """The next commit moves all rows of this table, however they are written; no more will come.

        Raises:
            SynclineError: too many rows of the table would go.
        """


@runtime_checkable
class Filling(Protocol):
    """A destination where rows of a `gradual` table move with each commit."""

    def may_fill(self, table: str) -> bool:
        """Whether a table of this name has no rows yet that others could rely on."""


@runtime_checkable
class Describing(Protocol):
    """A destination that can tell which tables it has begun."""

    def describe_tables(self) -> list[DescribedTable]:
        """All tables of this attempt, as they are now; asks no server."""


@runtime_checkable
class Inspecting(Protocol):
    """A destination that can look into its tables."""

    def has_rows(self, table: str) -> bool:
        """Whether there is a table of this name that has rows, whoever wrote them."""


@runtime_checkable
class Counting(Protocol):
    """A destination that can count the rows of its tables."""

    def count_rows(self, table: str) -> int | None:
        """The rows of the table of this name, whoever wrote them; None if there is none. Needs no `open`.

        Raises:
            SynclineError: they cannot be counted, or not within seconds.
        """


@runtime_checkable
class Dropping(Protocol):
    """A destination that knows which tables a collection has loaded into. Neither method needs `open`."""

    def own_tables(self) -> dict[str, bool]:
        """Those that exist, by the names in `Table`; True for those that other collections load into, too."""

    def drop_table(self, table: str) -> None:
        """Drops it, with all of its rows, if it still exists."""


@runtime_checkable
class Forgetful(Protocol):
    """A destination that keeps no bookmark: the store keeps it, with what it stands for."""

    def standing(self) -> Standing:
        """What the bookmarks of this attempt stand for, once it is open."""


class Destination(Protocol):
    """Where rows go. All rows since the last commit become visible together with the bookmark, or none do."""

    def open(self) -> Position:
        """Connects and takes the collection over; raises `LeaseLostError` if a newer attempt has it."""

    def begin(self, table: Table) -> None:
        """Creates a table, or adds its new columns."""

    def write(self, table: str, batch: Batch) -> None:
        """Stages rows; raises `ValueRefusedError` for a value that a column cannot hold as it is."""

    def commit(self, bookmark: str | None, *, final: bool) -> int:
        """The number of rows inserted or changed. `final` ends the pass: replaced tables are swapped now."""

    def close(self) -> None:
        """Discards whatever is not committed; may be called at any time and more than once."""
