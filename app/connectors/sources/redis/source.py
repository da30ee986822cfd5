"""Keys of a Redis server as rows, with the columns that Jitsu Classic's own driver gave them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.connectors.contract.batches import is_full
from app.connectors.contract.blame import prefix_errors, subject_of
from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Kind, Table
from app.connectors.sources.redis.client import Client
from app.connectors.sources.redis.keys import Keys
from app.connectors.values.inference import infer_kinds
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.connectors.contract.passes import Log
    from app.connectors.sources.redis.options import RedisOptions, RedisParameters
    from app.domain.attempt_protocol import SourceJob


class RedisSource:
    """All keys that match a pattern, every time: Redis does not know what has changed."""

    def __init__(
        self,
        options: RedisOptions,
        parameters: RedisParameters,
        job: SourceJob,
        *,
        work_dir: Path,  # noqa: ARG002 -- it keeps no files
        log: Log,
    ) -> None:
        self._pattern = parameters.redis_key
        self._collection = job.collection
        self._subject = subject_of(job)
        self._log = log
        with prefix_errors(self._subject):
            if job.collection.sync_mode == "incremental":
                raise ConfigurationError("sync_mode: Redis cannot tell what is new; use full_refresh")
            self._client = Client(options, log=log)

    def check(self) -> None:
        with prefix_errors(self._subject), self._client.connected("cannot reach the server"):
            self._client.commands.ping()

    def read(self, bookmark: str | None) -> Iterator[Table | Rows | Checkpoint]:  # noqa: ARG002 -- always everything
        doing = f"cannot read keys that match {self._pattern!r}"
        with prefix_errors(self._subject), self._client.connected(doing):
            keys = Keys(self._client.commands, self._pattern)
            yield from self._tables_and_rows(keys.records())
            self._log("info", f"read {keys.count} keys that match {self._pattern!r}")
            yield Checkpoint(None)

    def close(self) -> None:
        self._client.commands.close()

    def _tables_and_rows(self, records: Iterator[tuple[dict[str, Any], int]]) -> Iterator[Table | Rows]:
        name = self._collection.table_name
        table = Table(name, {}, key=tuple(self._collection.primary_key or ()), full_refresh=True)
        for waiting, size in _batches(records):
            if more := infer_kinds(waiting, known=table.columns, json=True):
                columns = table.columns | more
                table = replace(table, columns=columns, inferred=frozenset(columns))
                yield table
            yield Rows(name, waiting, size)
        if not table.columns:
            # Without rows, earlier ones must still be removed.
            columns = {"redis_key": Kind.TEXT} if set(table.key) <= {"redis_key"} else {}
            inferred = frozenset(columns)
            yield replace(table, columns=columns, key=table.key if columns else (), inferred=inferred)


def _batches(records: Iterator[tuple[dict[str, Any], int]]) -> Iterator[tuple[list[dict[str, Any]], int]]:
    piece: list[dict[str, Any]] = []
    size = 0
    for record, record_size in records:
        piece.append(record)
        size += record_size
        if is_full(len(piece), size):
            yield piece, size
            piece, size = [], 0
    if piece:
        yield piece, size
