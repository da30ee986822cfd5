"""Weeks of events as Parquet files, written before retention removes them.

`events-2026-11-30.parquet` has a row for each event. Its metadata has the seal of the week, and so has the small
`events-2026-11-30.json` beside it.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tempfile
import time
from contextlib import contextmanager
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from app.connectors.destinations.parquet.options import ParquetDestinationOptions
from app.connectors.destinations.parquet.storage import Storage, make_storage
from app.connectors.options.addresses import local_path
from app.domain.errors import SynclineError
from app.domain.events import EVENT_REDACTED
from app.domain.seal import Comparison, Difference, Seal, SealedEvent, names_in
from app.domain.seal_redactions import RedactedField, ToldRedaction, redacted_fields, told_redactions
from app.store.seals import open_week

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from app.store.database import Pool

_NAME: Final = re.compile(r"events-([0-9]{4}-[0-9]{2}-[0-9]{2})\.parquet")
_UNFINISHED: Final = ".archive-"
_SWEPT_AFTER_SECONDS: Final = 86_400
_SEAL: Final = b"syncline.seal"
_BATCH: Final = 10_000
# Whoever has changed a file may have written anything into it.
_UNREADABLE: Final = (pa.ArrowException, ValueError, TypeError, AttributeError, OSError)
_SCHEMA: Final = pa.schema(
    [
        pa.field("task", pa.string(), nullable=False),
        pa.field("version", pa.int32(), nullable=False),
        pa.field("type", pa.string(), nullable=False),
        pa.field("v", pa.int16(), nullable=False),
        pa.field("at", pa.timestamp("us", tz="UTC")),
        pa.field("status", pa.string()),
        pa.field("attempt", pa.int16(), nullable=False),
        pa.field("worker", pa.string()),
        pa.field("xid", pa.uint64(), nullable=False),
        pa.field("line", pa.int32()),
        pa.field("data", pa.string(), nullable=False),
        # The hashes of redacted fields, as a JSON object.
        pa.field("redacted", pa.string()),
        # With the first event of each stream: what names the stream in its seal, after the task.
        pa.field("stream", pa.binary()),
    ]
)
_IN_ORDER: Final = ("task", "version")
# Random or growing by one: a dictionary of their values is larger than they are.
_WITH_DICTIONARY: Final = ("type", "status", "worker")


class ArchiveError(SynclineError):
    """A week cannot be archived; the message says why."""


class ArchivedWeek(NamedTuple):
    """A file of the archive, and the seal that it has; None with the reason if it cannot be read."""

    name: str
    week: date
    seal: Seal | None
    problem: str = ""


class Examination(NamedTuple):
    """What is wrong with a file: streams, and sentences.

    `streams` are those that it has, named as in a seal; `redacted` are its redacted fields, and `told` what its events
    `EventRedacted` tell of.
    """

    differences: Sequence[Difference]
    problems: Sequence[str]
    streams: Sequence[bytes] = ()
    redacted: Sequence[RedactedField] = ()
    told: Sequence[ToldRedaction] = ()


class Archive:
    """The files of a directory, or of a prefix in an object store."""

    def __init__(self, address: str) -> None:
        self._directory = local_path(address)
        self.address = address

    @cached_property
    def _storage(self) -> Storage:
        """Makes the directory if it is missing. Raises ConfigurationError if the address cannot be used."""
        return make_storage(ParquetDestinationOptions(path=self.address))

    @property
    def exists(self) -> bool:
        """Whether there is such a directory; an address in an object store is one."""
        return self._directory is None or self._directory.is_dir()

    async def ensure(self, pool: Pool, seal: Seal) -> bool:
        """Write the week of `seal`, unless it is here as it has to be, and read it again.

        A file that is here is read completely: after this, the events may be removed from the database.

        Returns whether it was written; another worker may have archived and removed it meanwhile.

        Raises:
            ArchiveError: the events are not as they were sealed, or the file cannot be written, or is not as it was.
            SynclineError: the file system failed.
        """
        try:
            if not await asyncio.to_thread(self._has, seal, await _list_redacted(pool, seal)):
                await asyncio.to_thread(self._sweep)
                with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=self._directory) as directory:
                    path = Path(directory) / _name_of(seal.week)
                    if await _write(pool, seal, path):
                        await asyncio.to_thread(self._put, path, seal)
                        return True
        except (pa.ArrowException, OSError) as error:
            raise ArchiveError(f"week {seal.week} cannot be written to {self.address}: {error}") from error
        return False

    def list_weeks(self) -> list[ArchivedWeek]:
        """The files of weeks, in their order; other files are not looked at."""
        if not self.exists:
            return []
        weeks = {name: week for name in self._storage.names("") if (week := _week_of(name)) is not None}
        return [self._look_at(name, weeks[name]) for name in sorted(weeks)]

    def examine(self, archived: ArchivedWeek) -> Examination:
        """Compare the events of a file with the seal that it has."""
        if archived.seal is None:
            return Examination([], [archived.problem])
        try:
            with self._open(archived.name) as file:
                return _compare(file, archived.seal)
        except _UNREADABLE as error:
            return Examination([], [f"the file cannot be read: {error}"])

    def _sweep(self) -> None:
        """Remove what workers have left that were killed while they wrote."""
        long_ago = time.time() - _SWEPT_AFTER_SECONDS
        for path in self._directory.glob(f"{_UNFINISHED}*") if self._directory else ():
            if path.stat().st_mtime < long_ago:
                shutil.rmtree(path, ignore_errors=True)

    def _put(self, path: Path, seal: Seal) -> None:
        with path.open("rb") as opened:
            examination = _compare(pq.ParquetFile(opened), seal)
        if examination.differences or examination.problems:
            first = [str(each.task) for each in examination.differences[:1]] + [*examination.problems]
            raise ArchiveError(
                f"the events of week {seal.week} are not as they were sealed ({first[0]}); see 'syncline events verify'"
            )
        written = path.stat().st_size
        self._storage.put(path, path.name)
        text = json.dumps(_to_json(seal), indent=2) + "\n"
        self._storage.replace(path.with_suffix(".json").name, text.encode())
        archived = self._look_at(path.name, seal.week)
        if archived.seal != seal or self._size_of(path.name) != written:
            raise ArchiveError(f"{self.address}/{path.name} is not as it was written: look whether its disk is full")

    def _size_of(self, name: str) -> int:
        with self._storage.open(name) as file:
            return file.seek(0, 2)

    def _has(self, seal: Seal, redacted: AbstractSet[tuple[UUID, int, str]]) -> bool:
        name = _name_of(seal.week)
        if name not in self._storage.names(""):
            return False
        try:
            with self._open(name) as file:
                if _seal_of(file.schema_arrow.metadata or {}) != seal:
                    return False
                found = _compare(file, seal)
                return not (found.differences or found.problems) and {each[:3] for each in found.redacted} == redacted
        except _UNREADABLE:
            return False

    def _look_at(self, name: str, week: date) -> ArchivedWeek:
        try:
            with self._open(name) as file:
                seal = _seal_of(file.schema_arrow.metadata or {})
        except (pa.ArrowException, ValueError, OSError) as error:
            return ArchivedWeek(name, week, None, f"the file cannot be read: {error}")
        if seal.week != week:
            return ArchivedWeek(name, week, None, f"the file has the seal of the week {seal.week}")
        return ArchivedWeek(name, week, seal)

    @contextmanager
    def _open(self, name: str) -> Iterator[pq.ParquetFile]:
        with self._storage.open(name) as opened, pq.ParquetFile(opened) as file:
            yield file


async def _list_redacted(pool: Pool, seal: Seal) -> AbstractSet[tuple[UUID, int, str]]:
    async with open_week(pool, seal) as week:
        return await week.list_redacted()


async def _write(pool: Pool, seal: Seal, path: Path) -> bool:
    """Write the file; false if the week was removed meanwhile."""
    async with open_week(pool, seal) as week:
        if not await week.is_current():
            return False
        writer = await asyncio.to_thread(_Writer, path, seal, await week.list_named())
        try:
            async for events in week.page_events():
                await asyncio.to_thread(writer.write, events)
        finally:
            await asyncio.to_thread(writer.close)
    return True


class _Writer:
    def __init__(self, path: Path, seal: Seal, named: Sequence[bytes]) -> None:
        self._schema = _SCHEMA.with_metadata({_SEAL: json.dumps(_to_json(seal)).encode()})
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd", use_dictionary=list(_WITH_DICTIONARY))
        self._named = names_in(named)
        self._next = next(self._named, None)
        self._rows: list[dict[str, Any]] = []
        self._last: UUID | None = None

    def write(self, events: Sequence[SealedEvent]) -> None:
        for event in events:
            row = event._asdict()
            row["task"], row["worker"] = str(event.task), event.worker and str(event.worker)
            row["redacted"] = (
                json.dumps({key: value.hex() for key, value in event.redacted.items()}) if event.redacted else None
            )
            row["stream"] = self._name_of(event.task) if event.task != self._last else None
            self._last = event.task
            self._rows.append(row)
        if len(self._rows) >= _BATCH:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _name_of(self, task: UUID) -> bytes | None:
        while self._next and self._next[0] < task:
            self._next = next(self._named, None)
        return self._next[1] if self._next and self._next[0] == task else None

    def _flush(self) -> None:
        self._writer.write_batch(pa.RecordBatch.from_pylist(self._rows, schema=self._schema))
        self._rows = []


def _compare(file: pq.ParquetFile, seal: Seal) -> Examination:
    if not file.schema_arrow.equals(_SCHEMA):
        return Examination([], ["the file has other columns than Syncline writes"])
    named = [*_named_in(file)]
    comparison = Comparison(seal, named)
    redacted: list[RedactedField] = []
    told: list[ToldRedaction] = []
    for batch in file.iter_batches(_BATCH, columns=[name for name in _SCHEMA.names if name != "stream"]):
        at = batch.schema.get_field_index("at")
        numbers = batch.set_column(at, "at", batch.column(at).cast(pa.int64()))
        for row in numbers.to_pylist():
            event = _event_of(row)
            comparison.take(event)
            if event.redacted:
                redacted += redacted_fields(event)
            if event.type == EVENT_REDACTED:
                told += told_redactions(event.task, event.xid, event.data)
    return Examination(comparison.differences, comparison.finish(), named, redacted, told)


def _named_in(file: pq.ParquetFile) -> Iterator[bytes]:
    for batch in file.iter_batches(_BATCH, columns=["task", "stream"]):
        for row in batch.to_pylist():
            if row["stream"] is not None:
                yield UUID(row["task"]).bytes + row["stream"]


def _event_of(row: Mapping[str, Any]) -> SealedEvent:
    worker, redacted = row["worker"], row["redacted"]
    return SealedEvent(
        UUID(row["task"]),
        row["version"],
        row["type"],
        row["v"],
        row["at"],
        row["status"],
        row["attempt"],
        worker and UUID(worker),
        row["xid"],
        row["line"],
        row["data"],
        {key: bytes.fromhex(value) for key, value in json.loads(redacted).items()} if redacted else {},
    )


def _to_json(seal: Seal) -> dict[str, Any]:
    return {
        key: value.hex() if isinstance(value, bytes) else value.isoformat() if isinstance(value, date) else value
        for key, value in seal._asdict().items()
    }


def _seal_of(metadata: Mapping[bytes, bytes]) -> Seal:
    """Raises ValueError if there is none."""
    try:
        found = json.loads(metadata[_SEAL])
        return Seal(
            **found
            | {key: date.fromisoformat(found[key]) for key in ("week", "before")}
            | {key: bytes.fromhex(found[key]) for key in ("root", "previous", "seal")}
            | {"sealed_at": datetime.fromisoformat(found["sealed_at"])}
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("it has no seal that can be read") from error


def _name_of(week: date) -> str:
    return f"events-{week}.parquet"


def _week_of(name: str) -> date | None:
    """None if it is not the name of a week's file."""
    found = _NAME.fullmatch(name)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None
