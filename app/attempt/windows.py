"""Reads a source that can read intervals one window of time after another.

The bookmark records the loaded windows: those that cannot change any more as stretches of time, the others with the
time when they were loaded. A window that is in sync is not loaded again.

    {"interval": "day", "settled": ["2024-01-01T00:00:00Z/2024-05-01T00:00:00Z"],
     "loaded": {"2024-05-01T00:00:00Z": "2024-05-01T09:00:00Z"}}
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.connectors.contract.batches import mark
from app.connectors.contract.blame import subject_of
from app.connectors.contract.intervals import IntervalSource, why_not_in_windows
from app.connectors.contract.passes import Checkpoint, Emptied, Rows
from app.connectors.contract.schema import Kind, Table
from app.connectors.kinds import no_intervals_error
from app.connectors.values import jsontext
from app.domain.errors import ConfigurationError
from app.domain.interval import Interval, format_moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.contract.passes import Item, Log, Source
    from app.domain.attempt_protocol import SourceJob
    from app.domain.windows import Windows

INTERVAL_COLUMN: Final = "_syncline_interval"
"""The mark of the window that a row belongs to, in tables without a key."""


def read_by_windows(source: Source, job: SourceJob, *, log: Log) -> Source:
    """`source`, reading windows if its collection has an `interval`.

    Raises:
        ConfigurationError: the source cannot read intervals.
    """
    if job.collection.windows is None:
        return source
    if not isinstance(source, IntervalSource):
        raise no_intervals_error(job.source_type)
    if complaint := why_not_in_windows(job.collection.write_mode):
        raise ConfigurationError(f"{subject_of(job)}: {complaint}")
    return WindowedSource(source, job.collection.windows, log=log)


class WindowedSource:
    """Reads the windows that are not in sync, the oldest first, with a checkpoint after each."""

    def __init__(self, source: IntervalSource, windows: Windows, *, log: Log) -> None:
        self._source = source
        self._windows = windows
        self._log = log
        self._tables: dict[str, Table] = {}
        self._strange = False
        self._share: float | None = None

    def check(self) -> str | None:
        return self._source.check()

    def read(self, bookmark: str | None) -> Iterator[Item]:
        self._tables.clear()
        loaded = Loaded.parse(bookmark, self._windows.length)
        self._strange = bookmark is not None and not (loaded.settled or loaded.changing)
        every = list(self._windows.all())
        wanted = [window for window in every if self._windows.may_change(window) or not loaded.settles(window)]
        self._log("info", f"Total intervals: [{len(every)}]")
        self._log("info", f"Intervals to sync: [{len(wanted)}]")
        for number, window in enumerate(wanted):
            self._share = number / len(wanted)
            self._log("info", f"interval [{window}]")
            yield from self._window(window)
            loaded.add(window, self._windows)
            yield Checkpoint(loaded.text())

    def read_interval(self, interval: Interval) -> Iterator[Item]:
        """All windows that `interval` touches, as a whole: a partial window could not replace its old rows."""
        self._tables.clear()
        touched = [one for one in self._windows.all() if one.start < interval.end and interval.start < one.end]
        self._log("info", f"Intervals to sync: [{len(touched)}]")
        for number, window in enumerate(touched):
            self._share = number / len(touched)
            yield from self._window(window)
            yield Checkpoint(None)

    def progress(self) -> float | None:
        return self._share

    def close(self) -> None:
        self._source.close()

    def _window(self, window: Interval) -> Iterator[Table | Rows | Emptied]:
        begin = self._windows.mark(window)
        emptied: set[str] = set()
        for item in self._source.read_interval(window):
            match item:
                case Table():
                    table = _mark_rows(item)
                    if self._tables.get(item.name) != table:
                        self._tables[item.name] = table
                        yield table
                    if not table.key and self._strange:
                        raise ConfigurationError(
                            f"table {item.name!r} was loaded without 'interval' or with a different one, and "
                            "without a key its rows would be duplicated: reset the collection"
                        )
                    if not table.key and item.name not in emptied:
                        emptied.add(item.name)
                        yield Emptied(item.name, INTERVAL_COLUMN, begin)
                case Rows():
                    if not self._tables[item.table].key:
                        mark(item.batch, INTERVAL_COLUMN, begin)
                    yield item
                # Checkpoints within a window are ignored: only the whole window is complete.


def _mark_rows(table: Table) -> Table:
    """`table`; without a key, with a column for the window of each row, by which its old rows are found."""
    if table.full_refresh:
        raise ConfigurationError(
            f"table {table.name!r} is replaced as a whole each time: with 'interval' it needs 'sync_mode: incremental'"
        )
    if table.key:
        return table
    columns = table.columns | {INTERVAL_COLUMN: Kind.TIMESTAMP}
    # Rows that are sent again are recognised by their window, not by their cursor.
    return replace(table, columns=columns, cursor_field=None)


@dataclass(slots=True)
class Loaded:
    """Which windows of one length are loaded. `settled` are stretches of time in order, which do not touch."""

    length: str
    settled: list[Interval] = field(default_factory=list)
    changing: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, bookmark: str | None, length: str) -> Loaded:
        """From a bookmark; nothing is loaded if it has windows of another length, or is that of another source."""
        try:
            written: Any = {} if bookmark is None else jsontext.decode(bookmark)
            if not isinstance(written, dict) or written.get("interval") != length:
                return cls(length)
            return cls(length, [Interval.parse(text) for text in written["settled"]], dict(written["loaded"]))
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError):
            return cls(length)

    def settles(self, window: Interval) -> bool:
        """Whether the window was loaded after its last possible change."""
        return any(one.start <= window.start and window.end <= one.end for one in self.settled)

    def add(self, window: Interval, windows: Windows) -> None:
        """Records that the window is loaded as it is now."""
        begin = windows.mark(window)
        self.changing.pop(begin, None)
        if windows.may_change(window):
            self.changing[begin] = format_moment(windows.now)
            return
        stretches = sorted([*self.settled, window], key=lambda one: one.start)
        joined = stretches[:1]
        for one in stretches[1:]:
            if one.start <= joined[-1].end:
                joined[-1] = Interval(joined[-1].start, max(joined[-1].end, one.end))
            else:
                joined.append(one)
        self.settled = joined

    def text(self) -> str:
        return jsontext.encode(
            {"interval": self.length, "settled": list(map(str, self.settled)), "loaded": self.changing}
        )
