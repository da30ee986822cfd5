"""Singer taps as sources: https://github.com/singer-io/getting-started/blob/master/docs/SPEC.md."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from app.connectors import jsontext
from app.connectors.passes import Checkpoint, Rows
from app.connectors.schema import Table, columns_of
from app.connectors.sources.singer.catalog import ALL, Choice, choose, unannounced
from app.connectors.sources.singer.environment import installed_command
from app.connectors.sources.singer.messages import Message, parsed
from app.connectors.sources.singer.tap import Tap
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.secret_values import secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.options import SingerOptions
    from app.connectors.passes import Log
    from app.domain.attempt_protocol import AttemptJob

_RECORDS_AT_ONCE = 1000
_BYTES_AT_ONCE = 1 << 20


class SingerSource:
    def __init__(self, options: SingerOptions, job: AttemptJob, *, work_dir: Path, log: Log) -> None:
        self._options = options
        self._collection = job.collection
        self._source = job.source
        self._data_dir = Path(job.data_dir).absolute()
        self._work_dir = work_dir
        self._log = log
        self._tap: Tap | None = None

    def check(self) -> None:
        tap = self._prepared()
        choose(self._catalog(tap), self._collection)

    def read(self, bookmark: str | None) -> Iterator[Table | Rows | Checkpoint]:
        tap = self._prepared()
        catalog, choices = choose(self._catalog(tap), self._collection)
        forgetful = all(choice.full_refresh for choice in choices.values())
        arguments = self._arguments(catalog, None if forgetful else bookmark or self._initial_bookmark())
        reading = _Reading(self, choices, tap)
        for item in reading.items(tap.lines(*arguments)):
            if not (forgetful and isinstance(item, Checkpoint)):
                yield item
        if forgetful:
            yield Checkpoint(None)

    def close(self) -> None:
        if self._tap is not None:
            self._tap.stop()

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

    def choice(self, stream: str, choices: dict[str, Choice]) -> Choice | None:
        """None for a stream that nobody asked for; parents of wanted streams are sometimes sent along."""
        if found := choices.get(stream):
            return found
        if self._collection.type == ALL:
            return unannounced(stream, self._collection)
        self._log("info", f"stream {stream!r} is not part of the collection {self._collection.name!r} and left out")
        return None

    def log_line(self, text: str) -> None:
        self._log("info", text)

    @property
    def primary_key(self) -> list[str] | None:
        return self._collection.primary_key

    def _prepared(self) -> Tap:
        if self._tap is None:
            config = _document(self._options.config, "config")
            self._write("config", jsontext.encode(config))
            home = self._data_dir / "home"
            home.mkdir(parents=True, exist_ok=True)
            self._tap = Tap(self._command(), home=home, secrets=secrets_in(config))
        return self._tap

    def _command(self) -> list[str]:
        options = self._options
        if isinstance(options.command, str):
            return shlex.split(options.command)
        if options.command:
            return list(options.command)
        requirements = options.package or (options.tap or "",)
        executable, data_dir = options.executable, self._data_dir
        return [str(installed_command(requirements, executable=executable, data_dir=data_dir, log=self._log))]

    def _catalog(self, tap: Tap) -> dict[str, Any]:
        for key in ("catalog", "properties"):
            if (given := getattr(self._options, key)) is not None:
                return _document(given, key)
        text = b"".join(tap.lines("--config", str(self._work_dir / "config.json"), "--discover"))
        begin = text.find(b"{")
        try:
            return _object(jsontext.decode(text[begin:] if begin > 0 else text))
        except (msgspec.MsgspecError, UnicodeDecodeError, TypeError):
            raise ConfigurationError("the tap's --discover wrote no catalog: give one with 'catalog'") from None

    def _arguments(self, catalog: dict[str, Any], bookmark: str | None) -> list[str]:
        option = "--catalog" if self._options.properties is None else "--properties"
        chosen = self._write("catalog", jsontext.encode(catalog))
        arguments = ["--config", str(self._work_dir / "config.json"), option, chosen]
        if bookmark is not None:
            arguments += ["--state", self._write("state", bookmark)]
        return arguments

    def _initial_bookmark(self) -> str | None:
        for key in ("state", "initial_state"):
            if (given := getattr(self._options, key)) is not None:
                return jsontext.encode(_document(given, key))
        return None

    def _write(self, name: str, text: str) -> str:
        path = self._work_dir / f"{name}.json"
        path.touch(mode=0o600)
        path.write_text(text)
        return str(path)


class _Reading:
    """Turns a tap's lines into tables, rows and checkpoints."""

    def __init__(self, source: SingerSource, choices: dict[str, Choice], tap: Tap) -> None:
        self._source = source
        self._choices = choices
        self._tap = tap
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
            elif (text := line.decode(errors="replace").strip()) and not text.startswith("{"):
                self._source.log_line(self._tap.masked(text))
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
        choice = None if known is None else self._source.choice(message.stream, self._choices)
        if choice is None:
            return None
        name = self._source.table_name(message.stream)
        if any(table and table.name == name for stream, table in self._tables.items() if stream != message.stream):
            raise ConfigurationError(f"several streams would be the table {name!r}: set 'stream_table_names'")
        key = self._source.primary_key or message.key_properties or choice.key or ()
        bookmarks = message.bookmark_properties or []
        replication_key = bookmarks if isinstance(bookmarks, str) else next(iter(bookmarks), None)
        return Table(
            name=name,
            columns=columns_of(message.schema or {}),
            key=tuple(key),
            cursor_field=choice.cursor_field or replication_key,
            full_refresh=choice.full_refresh,
        )


def _document(given: dict[str, Any] | str, key: str) -> dict[str, Any]:
    """An object that is written out, in JSON text, or in the file of that path."""
    if isinstance(given, dict):
        return given
    text = given
    if not given.lstrip().startswith("{"):
        try:
            text = Path(given).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"'{key}' is neither a JSON object nor a readable file: {error}") from None
    try:
        return _object(jsontext.decode(text))
    except (msgspec.MsgspecError, TypeError) as error:
        raise ConfigurationError(f"'{key}' is not a JSON object: {error}") from None


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"it is of type {type(value).__name__}")
    return value
