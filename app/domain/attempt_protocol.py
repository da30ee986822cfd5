"""What a worker and the child process of one attempt say to each other.

The worker writes one `AttemptJob` as JSON to the child's standard input and closes it. The child answers with one JSON
message a line on the descriptor named by `EVENTS_FD_VARIABLE`; its standard output and standard error are free text
and become log lines. The last message is `Finished` or `Failed`; a child that ends without one has crashed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from app.domain.collection import CollectionJob, SyncMode
from app.domain.interval import Interval  # noqa: TC001 - msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENTS_FD_VARIABLE = "SYNCLINE_EVENTS_FD"

Level = Literal["debug", "info", "warn", "error"]


class SourceJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One collection of a source, as its connector reads it.

    `data_dir` is where connectors keep virtual environments and stage files. `generation` changes when a user asks for
    a full reload: a bookmark, or a catalog, of another generation is void.
    """

    source: str
    source_type: str
    source_config: dict[str, Any]
    collection: CollectionJob
    data_dir: str
    generation: int = 0


class CopyJob(SourceJob, frozen=True, kw_only=True):
    """What every attempt that loads rows is told.

    `task` is the UUIDv7 that identifies the task, `task_id` the id that users see. (task, claim) grows with every
    attempt of a collection, so destinations fence with it. `bookmarks` has those that the store knows of destinations
    that keep none themselves.
    """

    task: str
    task_id: str
    attempt: int
    claim: int
    destinations: dict[str, dict[str, Any]]
    bookmarks: dict[str, Any] = {}


class Sync(CopyJob, frozen=True, tag="sync", tag_field="mode"):
    """Load what is new since the bookmark."""


class Backfill(CopyJob, frozen=True, kw_only=True, tag="backfill", tag_field="mode"):
    """Load this interval only; the bookmark stays where it is."""

    interval: Interval


class _Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Nothing is loaded: the source is asked for each of `collections`."""

    source: str
    source_type: str
    source_config: dict[str, Any]
    collections: list[CollectionJob]
    data_dir: str

    def each(self) -> Iterator[SourceJob]:
        """The source with each of the collections."""
        for collection in self.collections:
            yield SourceJob(
                source=self.source,
                source_type=self.source_type,
                source_config=self.source_config,
                collection=collection,
                data_dir=self.data_dir,
            )


class Check(_Question, frozen=True, tag="check", tag_field="mode"):
    """Can each of the collections be read?"""


class Discover(_Question, frozen=True, tag="discover", tag_field="mode"):
    """What is there to choose from?"""


AttemptJob = Sync | Backfill | Check | Discover
"""What one attempt is to do, complete: the child reads nothing else."""


class LogLine(msgspec.Struct, frozen=True, tag="log"):
    """One line for the task's log."""

    level: Level
    message: str


class Installing(msgspec.Struct, frozen=True, tag="installing"):
    """Packages of the connector are being installed, which may take minutes; until `done` it answers nothing else."""

    done: bool = False


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """How much was read from the source so far; sent at most once a second.

    `bytes_read` is about how many bytes the records took, `share` how much of all there is (0 to 1, None if unknown).
    """

    records_read: int
    bytes_read: int = 0
    share: float | None = None


class Committed(msgspec.Struct, frozen=True, tag="committed"):
    """Rows and the bookmark that stands for them are durable and visible in `destination`.

    `rows` counts the rows that this commit inserted or changed; rows that were there already do not count.
    """

    destination: str
    rows: int
    bookmark: Any = None


class Checked(msgspec.Struct, frozen=True, tag="checked"):
    """The source can be read as this collection says."""

    collection: str


class Offered(msgspec.Struct, frozen=True, tag="offered"):
    """Something that a source could be asked for: a table, a stream, a function.

    `name` is what a collection's `type` is to be. `columns` maps each name to its type as `contract.schema.Kind`
    names it, or to `unknown` where only the values will tell. `cursor_fields` are the columns that may tell what is
    new, the likeliest first.
    """

    name: str
    columns: dict[str, str]
    key: list[str] = []
    cursor_fields: list[str] = []
    sync_modes: list[SyncMode] = msgspec.field(default_factory=lambda: list[SyncMode](["full_refresh"]))


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The attempt copied everything there was."""

    records_read: int
    rows_written: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The attempt could not go on. `retryable` is False for errors that running again cannot mend."""

    error: str
    retryable: bool = True


AttemptMessage = LogLine | Installing | Progress | Committed | Checked | Offered | Finished | Failed
