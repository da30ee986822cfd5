"""From a tap's lines to tables, rows and checkpoints, of the streams that are wanted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from app.connectors.passes import Checkpoint, Rows
from app.connectors.schema import Table, columns_of
from app.connectors.sources.singer.catalog import ALL, Choice, unannounced
from app.connectors.sources.singer.messages import Message, parsed
from app.domain.errors import ConfigurationError, SynclineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.connectors.options import SingerOptions
    from app.connectors.passes import Log
    from app.domain.attempt_protocol import CollectionJob

_RECORDS_AT_ONCE = 1000
_BYTES_AT_ONCE = 1 << 20


class Wanted:
    """What the collection wants of each stream, and where its rows go."""

    def __init__(
        self, options: SingerOptions, collection: CollectionJob, choices: dict[str, Choice], *, log: Log
    ) -> None:
        self._options = options
        self._collection = collection
        self._choices = choices
        self._log = log

    def table_name(self, stream: str) -> str:
        """A collection has its own table; streams of the collection `all` have one each."""
        if self._collection.type != ALL:
            return self._collection.table_name
        if given := self._options.stream_table_names.get(stream):
            return given
        prefix = self._options.stream_table_name_prefix
        if prefix is None:
            prefix = self._collection.table_name.removesuffix(f"_{ALL}") + "_"
        return prefix + re.sub(r"\W", "_", stream)

    def choice(self, stream: str) -> Choice | None:
        """None for a stream that nobody asked for; parents of wanted streams are sometimes sent along."""
        if found := self._choices.get(stream):
            return found
        if self._collection.type == ALL:
            return unannounced(stream, self._collection)
        self._log("info", f"stream {stream!r} is not part of the collection {self._collection.name!r} and left out")
        return None

    @property
    def primary_key(self) -> list[str] | None:
        return self._collection.primary_key


class Reading:
    """Turns a tap's lines into tables, rows and checkpoints."""

    def __init__(self, wanted: Wanted, *, log: Log, text: Callable[[bytes], str]) -> None:
        self._wanted = wanted
        self._log = log
        self._text = text
        self._tables: dict[str, Table | None] = {}

    def items(self, lines: Iterator[bytes]) -> Iterator[Table | Rows | Checkpoint]:
        stream, records, size = "", list[dict[str, Any]](), 0
        for line in lines:
            message = parsed(line)
            if message is not None and message.type == "RECORD" and message.record is not None:
                if message.stream == stream and len(records) < _RECORDS_AT_ONCE and size < _BYTES_AT_ONCE:
                    records.append(message.record)
                    size += len(line)
                    continue
                yield from self._rows(stream, records, size)
                stream, records, size = message.stream, [message.record], len(line)
            elif message is not None:
                yield from self._rows(stream, records, size)
                records, size = [], 0
                yield from self._announcement(message)
            elif (text := self._text(line).strip()) and not text.startswith("{"):
                self._log("info", text)
        yield from self._rows(stream, records, size)

    def _rows(self, stream: str, records: list[dict[str, Any]], size: int) -> Iterator[Rows]:
        if not records:
            return
        if stream not in self._tables:
            raise SynclineError(f"the tap sent a record of {stream!r} before its schema")
        table = self._tables[stream]
        if table is not None:
            yield Rows(table.name, records, size)

    def _announcement(self, message: Message) -> Iterator[Table | Checkpoint]:
        if message.type == "STATE":
            text = bytes(message.value).decode()
            yield Checkpoint(None if text == "null" else text)
        elif message.type == "SCHEMA":
            table = self._table(message)
            if table is not None and table != self._tables.get(message.stream):
                yield table
            self._tables[message.stream] = table
        else:
            raise SynclineError(f"the tap sent a RECORD of {message.stream!r} without a record")

    def _table(self, message: Message) -> Table | None:
        known = self._tables.get(message.stream, ...)
        choice = None if known is None else self._wanted.choice(message.stream)
        if choice is None:
            return None
        name = self._wanted.table_name(message.stream)
        if any(table and table.name == name for stream, table in self._tables.items() if stream != message.stream):
            raise ConfigurationError(f"several streams would be the table {name!r}: set 'stream_table_names'")
        key = self._wanted.primary_key or message.key_properties or choice.key or ()
        bookmarks = message.bookmark_properties or []
        replication_key = bookmarks if isinstance(bookmarks, str) else next(iter(bookmarks), None)
        return Table(
            name=name,
            columns=columns_of(message.schema or {}),
            key=tuple(key),
            cursor_field=choice.cursor_field or replication_key,
            full_refresh=choice.full_refresh,
        )
