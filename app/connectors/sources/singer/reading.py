"""From a tap's lines to tables, rows and checkpoints, of the streams that are wanted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from app.connectors.contract.batches import BATCH_BYTES, BATCH_RECORDS
from app.connectors.contract.json_schema import columns_of, digits_of, nested_of
from app.connectors.contract.passes import Rows
from app.connectors.contract.schema import Table
from app.connectors.programs.output_log import OutputLog
from app.connectors.programs.repeated_names import RepeatedNames
from app.connectors.programs.table_names import shared_table_error, table_name
from app.connectors.programs.unknown_streams import UnknownStreams
from app.connectors.sources.singer.batch_files import Batch
from app.connectors.sources.singer.catalog import Choice, choose_undiscovered
from app.connectors.sources.singer.messages import Message, parse_message
from app.connectors.sources.singer.unread import unread_rows
from app.domain.collection import ALL
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from app.connectors.contract.passes import Checkpoint, Log
    from app.connectors.programs.late_fields import LateFields
    from app.connectors.sources.singer.fields import Fields
    from app.connectors.sources.singer.options import SingerOptions
    from app.connectors.sources.singer.state import State
    from app.domain.collection import CollectionJob

DELETE_MARKER = "_sdc_deleted_at"
"""Log-based taps give it a value in the RECORD of a deleted row."""
_SHOWN_CHARACTERS = 80
# Control characters that text does not have, unlike those of colours, tabs and overwritten lines.
_NOT_TEXT = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f]")


class Wanted:
    """What the collection wants of each stream, and where its rows go.

    `known` are the names that the catalog has, `tables` those that it names for streams.
    """

    def __init__(
        self,
        options: SingerOptions,
        collection: CollectionJob,
        choices: dict[str, Choice],
        *,
        known: AbstractSet[str],
        fields: Fields,
        tables: Mapping[str, str],
        log: Log,
    ) -> None:
        self._options = options
        self._tables = tables
        self._collection = collection
        self._takes_all = collection.type == ALL and not options.chosen_streams
        self._choices = choices
        self._known = known
        self._fields = fields
        self._log = log
        self.strangers = UnknownStreams((choice.stream for choice in choices.values()), program="the tap")

    def table_name(self, stream: str) -> str:
        """A collection has its own table; streams of the collection `all` have one each."""
        if self._collection.type != ALL:
            return self._collection.table_name
        options = self._options
        configured = self._tables.get(stream) or options.stream_table_names.get(stream)
        return configured or table_name(stream, self._collection, prefix=options.stream_table_name_prefix)

    def choice(self, stream: str, *, key: tuple[str, ...], replication_key: str | None) -> Choice | None:
        """The choice for `stream`; None if it is not wanted: taps also send parents of wanted streams.

        `key` and `replication_key` are what its SCHEMA says.
        """
        if found := self._choices.get(stream):
            return found
        if self._takes_all and (
            found := choose_undiscovered(
                stream, self._collection, self._fields, key=key, replication_key=replication_key
            )
        ):
            return found
        if stream in self._known:
            self._log("info", f"skipping stream {stream!r}: it is not part of the collection {self._collection.name!r}")
        else:
            self._log("warn", f"skipping stream {stream!r}: it is not in the catalog")
        return None

    def __contains__(self, stream: str) -> bool:
        return stream in self._choices

    def without_schema(self) -> Iterator[Table]:
        """The table of a full refresh for which not even a SCHEMA came: earlier rows must still be removed."""
        if self._collection.type != ALL and all(choice.full_refresh for choice in self._choices.values()):
            wanting = all(choice.for_want_of_key for choice in self._choices.values())
            yield Table(self._collection.table_name, {}, full_refresh=True, for_want_of_key=wanting)

    def note_loaded(self, stream: str) -> None:
        """Records of `stream` came, and are loaded."""
        if found := self._choices.get(stream):
            self.strangers.note_wanted(found.stream)

    def note_schema(self, stream: str) -> None:
        """A SCHEMA of `stream` came."""
        if found := self._choices.get(stream):
            self.strangers.note_named(found.stream)

    def note_left_out(self, stream: str) -> None:
        """Records of `stream` came, and are not loaded; of the collection `all`, because 'select' leaves them out."""
        if stream not in self._known and (not self._takes_all or self.strangers.resembles(stream)):
            self.strangers.note_unknown(stream)

    @property
    def primary_key(self) -> list[str] | None:
        return self._collection.primary_key


class Reading:
    """Turns a tap's lines into tables, rows and checkpoints. Errors name the line.

    `at_message` is called for each line that is not a record. `system` is what the log calls the tap.
    """

    def __init__(
        self,
        wanted: Wanted,
        state: State,
        late: LateFields,
        *,
        at_message: Callable[[], None],
        log: Log,
        system: str,
        text: Callable[[bytes], str],
    ) -> None:
        self._wanted = wanted
        self._at_message = at_message
        self._state = state
        self._late = late
        self._log = log
        self._text = text
        self._tables: dict[str, Table] = {}
        self._skipped: set[str] = set()
        self._fields: dict[str, Fields] = {}
        self._reached = False
        self._output_log = OutputLog(log, system)
        self._names = RepeatedNames()

    def items(self, lines: Iterable[bytes]) -> Iterator[Table | Rows | Checkpoint]:
        stream: str | None = None
        records, size = list[dict[str, Any]](), 0
        checked = set[int]()
        number = messages = 0
        first_text = ""
        for number, line in enumerate(lines, 1):
            try:
                message = parse_message(line)
                # Most lines take this way, so each call here counts.
                if message is not None and (record := message.record) is not None and message.type == "RECORD":
                    fields = len(record)
                    is_full = len(records) >= BATCH_RECORDS or size >= BATCH_BYTES
                    if message.stream == stream and fields in checked and not is_full:
                        records.append(record)
                        size += len(line)
                        continue
                    self._check_has_schema(message.stream, "RECORD")
                    is_read = message.stream not in self._skipped
                    checked = self._names.check(line, message.stream, fields, is_read=is_read)
                    yield from self._rows(stream, records, size)
                    stream, records, size = message.stream, [record], len(line)
                elif message is not None:
                    yield from self._rows(stream, records, size)
                    # The schema of the next record may have changed.
                    stream, records, size = None, [], 0
                    yield from self._take(message)
                elif line.lstrip().startswith(b"{"):
                    messages += 1
                    self._check_unread(line)
                elif line.strip():
                    first_text = first_text or f"line {number} is {self._text(line).strip()[:_SHOWN_CHARACTERS]!r}"
                    self._log_text(line)
            except SynclineError as error:
                raise error.with_message(f"line {number} of the tap's output: {error}") from error
        yield from self._rows(stream, records, size)
        self._output_log.end()
        if first_text and not (messages or self._tables or self._skipped or self._reached):
            raise SynclineError(f"the tap wrote {number} lines, but none of them is a Singer message: {first_text}")
        self._wanted.strangers.refuse(may_be_outdated=self._late.may_be_outdated)
        if not self._tables:
            yield from self._wanted.without_schema()
        yield from self._state.finish()

    def _check_unread(self, line: bytes) -> None:
        """Raises `ConfigurationError` if a message that is not read holds rows of a wanted stream."""
        if (lost := unread_rows(line, is_wanted=self._wanted.__contains__)) is not None:
            stream, error = lost
            if stream not in self._skipped:
                raise error
            self._wanted.note_left_out(stream)

    def _log_text(self, line: bytes) -> None:
        """Logs free text, up to a limit."""
        if _NOT_TEXT.search(line):
            raise SynclineError("neither a Singer message nor text")
        self._at_message()
        self._output_log.write(self._text(line).strip())

    def _check_has_schema(self, stream: str, message: str) -> None:
        if stream not in self._tables and stream not in self._skipped:
            raise SynclineError(f"a {message} of stream {stream!r} comes before its SCHEMA")

    def _rows(self, stream: str | None, records: list[dict[str, Any]], size: int) -> Iterator[Table | Rows]:
        if stream is None:
            return
        if stream in self._skipped:
            self._wanted.note_left_out(stream)
            return
        table = self._tables[stream]
        if fields := self._fields.get(stream):
            _drop_unwanted(records, fields, table)
        if (wider := self._late.with_late_fields(stream, table, records)) is not None:
            table = self._tables[stream] = wider
            yield table
        self._state.note_rows(stream, table)
        self._wanted.note_loaded(stream)
        yield Rows(table.name, records, size)

    def _take(self, message: Message | Batch) -> Iterator[Table | Rows | Checkpoint]:
        self._at_message()
        if isinstance(message, Batch):
            yield from self._rows_in_files(message)
        elif message.type == "STATE":
            self._reached = True
            for checkpoint in self._state.reach(bytes(message.value).decode()):
                # A bookmark must not pass rows of a wanted stream that came under another name.
                if not self._wanted.strangers:
                    yield checkpoint
        elif message.type == "SCHEMA":
            yield from self._describe(message)
        else:
            raise SynclineError(f"a RECORD of stream {message.stream!r} has no 'record'")

    def _rows_in_files(self, batch: Batch) -> Iterator[Table | Rows]:
        self._check_has_schema(batch.stream, "BATCH")
        if batch.stream in self._skipped:
            self._wanted.note_left_out(batch.stream)
            return
        for records, size in batch.records():
            yield from self._rows(batch.stream, records, size)

    def _describe(self, message: Message) -> Iterator[Table]:
        """Its table if that is new or has changed; a stream that was skipped once is skipped for good."""
        stream = message.stream
        table = None if stream in self._skipped else self._table(message)
        if table is None:
            self._skipped.add(stream)
            return
        if table != self._tables.get(stream):
            yield table
        self._tables[stream] = table

    def _table(self, message: Message) -> Table | None:
        schema_key = tuple(message.key_properties or ())
        bookmarks = message.bookmark_properties or []
        replication_key = bookmarks if isinstance(bookmarks, str) else next(iter(bookmarks), None)
        choice = self._wanted.choice(message.stream, key=schema_key, replication_key=replication_key)
        if choice is None:
            return None
        name = self._wanted.table_name(message.stream)
        if any(table.name == name for stream, table in self._tables.items() if stream != message.stream):
            raise shared_table_error(name)
        self._state.add_name(message.stream, choice.stream)
        self._wanted.note_schema(message.stream)
        key = tuple(self._wanted.primary_key or schema_key or choice.key or ())
        cursor_field = choice.cursor_field or replication_key
        columns = columns_of(message.schema or {})
        if choice.fields:
            self._fields[message.stream] = choice.fields
            needed = {*key, cursor_field, DELETE_MARKER}
            columns = {field: kind for field, kind in columns.items() if field in needed or choice.fields.takes(field)}
        table = Table(
            name=name,
            columns=columns,
            key=key,
            cursor_field=cursor_field,
            full_refresh=choice.full_refresh,
            for_want_of_key=choice.for_want_of_key,
            digits=digits_of(message.schema or {}),
            nested=nested_of(message.schema or {}),
            partial=True,
            delete_marker=DELETE_MARKER,
        )
        return self._late.with_found_fields(message.stream, table)


def _drop_unwanted(records: list[dict[str, Any]], fields: Fields, table: Table) -> None:
    """Older taps send fields that were not selected."""
    for record in records:
        for field in record.keys() - table.columns.keys():
            if field != DELETE_MARKER and not fields.takes(field):
                del record[field]
