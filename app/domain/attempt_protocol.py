"""The protocol between a worker and the child process of an attempt.

The child writes one JSON message per line to the descriptor in `EVENTS_FD_VARIABLE`. The first is `Hidden`. Then the
worker writes one `AttemptJob` as JSON to the child's standard input and closes it. The last message is `Finished` or
`Failed`; a child that ends without one has crashed. Standard output and standard error are free text and become log
lines.

What programs write to their standard error is sent as one `LogLine` per line to the descriptor in `LINES_FD_VARIABLE`:
a log that is slow holds up these lines, and no message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from app.domain.collection import CollectionJob, SyncMode
from app.domain.interval import Interval  # noqa: TC001 - msgspec reads the annotations
from app.domain.table_columns import TableColumn  # noqa: TC001 - likewise

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENTS_FD_VARIABLE = "SYNCLINE_EVENTS_FD"
LINES_FD_VARIABLE = "SYNCLINE_LINES_FD"

Level = Literal["debug", "info", "warn", "error"]


class SourceJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One collection of a source, as its connector reads it.

    In `data_dir` connectors keep virtual environments and staged files. `generation` changes if a user requests a full
    reload: bookmarks and catalogs of other generations are void. `from_files`: some of `source_config` was in files,
    which are read again for each attempt. `bookmark_was_set`: the bookmark to begin at was set by hand, so that one
    that the source cannot use is an error, and no reason to read everything. `first_load`: no destination has rows of
    the collection yet. `renewed_config` is the JSON of what the source's program last made of its own configuration;
    None if that is still as it is written.
    """

    source: str
    source_type: str
    source_config: dict[str, Any]
    collection: CollectionJob
    data_dir: str
    generation: int = 0
    from_files: bool = False
    bookmark_was_set: bool = False
    first_load: bool = False
    renewed_config: str | None = None


class SavedBookmark(msgspec.Struct, frozen=True):
    """A destination's bookmark in the store; `standing` says what it stands for, None in those of earlier releases."""

    bookmark: Any
    standing: str | None = None


class SetBookmark(msgspec.Struct, frozen=True):
    """What bookmarks that were set by hand mean to a destination.

    Its own bookmark still counts if it is of a generation in `still_valid`, or if it was saved since. Otherwise
    `bookmark` (JSON text) replaces it; None for nothing, as after a reset.
    """

    still_valid: tuple[int, ...] = ()
    bookmark: str | None = None


class CopyJob(SourceJob, frozen=True, kw_only=True):
    """The job of an attempt that loads rows.

    `task` is the UUIDv7 of the task, `task_id` the id that users see. (task, claim) increases with every attempt of a
    collection, so destinations use it for fencing. `bookmarks` has those of destinations that do not keep their own;
    `set_bookmarks` what those that were set by hand mean to each. `destinations_from_files` names those some of whose
    options were in files. `renewed_settings` has what the programs of destinations have renewed, as `renewed_config`.
    The worker wants to know which of the destinations `probes` are `Reached`.
    """

    task: str
    task_id: str
    attempt: int
    claim: int
    destinations: dict[str, dict[str, Any]]
    bookmarks: dict[str, SavedBookmark] = {}
    set_bookmarks: dict[str, SetBookmark] = {}
    destinations_from_files: frozenset[str] = frozenset()
    renewed_settings: dict[str, str] = {}
    probes: frozenset[str] = frozenset()


class Sync(CopyJob, frozen=True, tag="sync", tag_field="mode"):
    """Load what is new since the bookmark."""


class Backfill(CopyJob, frozen=True, kw_only=True, tag="backfill", tag_field="mode"):
    """Load only this interval; the bookmark does not move."""

    interval: Interval


class _Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A job that loads nothing, but asks the source about each of `collections`."""

    source: str
    source_type: str
    source_config: dict[str, Any]
    collections: list[CollectionJob]
    data_dir: str
    renewed_config: str | None = None

    def each(self) -> Iterator[SourceJob]:
        """Yield a job for each of the collections."""
        for collection in self.collections:
            yield SourceJob(
                source=self.source,
                source_type=self.source_type,
                source_config=self.source_config,
                collection=collection,
                data_dir=self.data_dir,
                renewed_config=self.renewed_config,
            )


class Check(_Question, frozen=True, tag="check", tag_field="mode"):
    """Check whether each of the collections can be read."""


class Discover(_Question, frozen=True, tag="discover", tag_field="mode"):
    """List what the source offers."""


class Specify(_Question, frozen=True, tag="specify", tag_field="mode"):
    """Say which configuration the connector of the only collection asks for."""


class ShowCatalog(_Question, frozen=True, tag="show_catalog", tag_field="mode"):
    """Show the catalog of the connector of the only collection."""


class Preview(_Question, frozen=True, kw_only=True, tag="preview", tag_field="mode"):
    """Read the first `rows` of the only collection, and say what its columns would become in each of `destinations`."""

    rows: int
    destinations: dict[str, dict[str, Any]]


class DropTables(SourceJob, frozen=True, kw_only=True, tag="drop_tables", tag_field="mode"):
    """List the collection's tables in each of `destinations`, or drop the `confirmed` ones, by destination."""

    destinations: dict[str, dict[str, Any]]
    confirmed: dict[str, list[str]] = {}


class TryDestination(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="try", tag_field="mode"):
    """Write to a destination, and leave nothing there."""

    name: str
    description: dict[str, Any]
    data_dir: str


class CountRows(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="count_rows", tag_field="mode"):
    """Count the rows of these tables of a destination."""

    name: str
    description: dict[str, Any]
    tables: list[str]
    data_dir: str


class DescribeTypes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="types", tag_field="mode"):
    """Say which types columns of these `types` get in a new table of each of `destinations`."""

    destinations: dict[str, dict[str, Any]]
    types: list[str]
    data_dir: str


Question = Check | Discover | Specify | ShowCatalog | Preview | TryDestination | DropTables | CountRows | DescribeTypes
"""A job that loads nothing."""

AttemptJob = Sync | Backfill | Question
"""Everything that an attempt needs; the child has no other input."""


class Hidden(msgspec.Struct, frozen=True, tag="hidden"):
    """The process waits for its job, which has passwords: others of its user cannot look into it any more."""


class LogLine(msgspec.Struct, frozen=True, tag="log", omit_defaults=True):
    """A line for the task's log; `system` is the program that has written it, None for Syncline itself."""

    level: Level
    message: str
    system: str | None = None


class SecretLearned(msgspec.Struct, frozen=True, tag="secret_learned"):
    """The process has a secret that the catalogue does not have; it is masked in all that follows."""

    secret: str


class Reached(msgspec.Struct, frozen=True, tag="reached"):
    """A destination that could not be reached by earlier attempts has been opened."""

    destination: str


class Installing(msgspec.Struct, frozen=True, tag="installing"):
    """The connector's `packages` are being installed, which may take minutes; no other message comes until `done`."""

    packages: str = ""
    done: bool = False


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """How much was read from the source so far; sent at most once a second.

    `bytes_read` is the approximate size of the records, `share` the fraction of all records (0 to 1, None if unknown).
    """

    records_read: int
    bytes_read: int = 0
    share: float | None = None


class AtWork(msgspec.Struct, frozen=True, tag="at_work"):
    """A destination is still at work, or something was read that is not counted yet: it is not silence."""


class Committed(msgspec.Struct, frozen=True, tag="committed"):
    """Rows and their bookmark are durable and visible in `destination`.

    `rows` is the number of rows that this commit has inserted or changed; rows that existed already do not count.
    `standing` is what the bookmark stands for, as text.
    """

    destination: str
    rows: int
    bookmark: Any = None
    standing: str | None = None


class ConfigRenewed(msgspec.Struct, frozen=True, tag="config_renewed"):
    """A program has renewed its own configuration, such as a refresh token that is valid once: `config` is its JSON.

    The program is that of `destination`, or of the source if that is None.
    """

    config: str
    destination: str | None = None


class TableDescribed(msgspec.Struct, frozen=True, tag="table_described"):
    """The columns of a table whose rows were committed.

    `whole`: all rows of the source were read, and there were some.
    """

    destination: str
    table: str
    columns: list[TableColumn]
    whole: bool = False


class Checked(msgspec.Struct, frozen=True, tag="checked"):
    """A collection of the source, a `part` of it, or a destination was tried; `found` says what happened.

    `error` says why it failed; if it is not `retryable`, another try cannot help.
    """

    name: str
    part: str = ""
    found: str = ""
    error: str | None = None
    retryable: bool = True


class Offered(msgspec.Struct, frozen=True, tag="offered"):
    """Something that a source offers: a table, a stream, a function.

    `name` is the `type` of a collection that loads it. `columns` maps each name to a type as in `contract.schema.Kind`,
    or to `unknown` if only the values show it. `cursor_fields` are columns that may tell what is new, likeliest first.
    """

    name: str
    columns: dict[str, str]
    key: list[str] = []
    cursor_fields: list[str] = []
    sync_modes: list[SyncMode] = msgspec.field(default_factory=lambda: list[SyncMode](["full_refresh"]))


class Specified(msgspec.Struct, frozen=True, tag="specified"):
    """The JSON Schema with which a connector describes its configuration."""

    specification: dict[str, Any]


class CatalogShown(msgspec.Struct, frozen=True, tag="catalog_shown"):
    """The JSON text of a connector's own catalog, in the form of its protocol."""

    catalog: str


class PreviewedColumn(msgspec.Struct, frozen=True):
    """A field of the source, with its type there and, by destination, the name and type of its column.

    `inferred`: the source does not say which type it has, and the first values have shown it.
    """

    field: str
    type: str
    inferred: bool
    columns: dict[str, tuple[str, str]]


class Previewed(msgspec.Struct, frozen=True, tag="previewed"):
    """The first rows of a table: their values by field, as JSON. `refused` says which destinations would not take it.

    A value that is not JSON, or longer than a screen shows, is text.
    """

    table: str
    columns: list[PreviewedColumn]
    rows: list[dict[str, Any]]
    refused: dict[str, str]


class OwnTable(msgspec.Struct, frozen=True, tag="own_table"):
    """A table that the collection has loaded into; other collections may have as well (`shared`).

    `error` says why one that was confirmed could not be dropped.
    """

    destination: str
    table: str
    shared: bool = False
    dropped: bool = False
    error: str = ""


class Counted(msgspec.Struct, frozen=True, tag="counted"):
    """The rows of a table; None if it is not there, if its destination cannot count, or because of an `error`."""

    table: str
    rows: int | None = None
    error: str = ""


class ColumnTypes(msgspec.Struct, frozen=True, tag="column_types"):
    """The types of a destination, by those of a source; none if it has no columns, or because of an `error`."""

    destination: str
    types: dict[str, str] = {}
    error: str = ""


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The attempt has copied everything."""

    records_read: int
    rows_written: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The attempt has failed. `retryable` is False if another attempt cannot help.

    `login_refused`: a server has refused a password that may have changed meanwhile. `retry_after`: nothing is wrong,
    but the source cannot be read for so many seconds. `unreachable`: these destinations cannot be reached, and nothing
    else is wrong.
    """

    error: str
    retryable: bool = True
    login_refused: bool = False
    retry_after: float | None = None
    unreachable: tuple[str, ...] = ()


AttemptMessage = (
    Hidden
    | LogLine
    | SecretLearned
    | Reached
    | Installing
    | Progress
    | AtWork
    | Committed
    | ConfigRenewed
    | TableDescribed
    | Checked
    | Offered
    | Specified
    | CatalogShown
    | Previewed
    | OwnTable
    | Counted
    | ColumnTypes
    | Finished
    | Failed
)
