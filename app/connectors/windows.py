"""Sources that read an interval, made into sources that read window after window of time.

The bookmark has a signature of each window that is loaded: those that cannot change any more are one stretch of time,
the others have when they were loaded. A window that is in sync is not loaded again.

    {"interval": "day", "settled": ["2024-01-01T00:00:00Z/2024-05-01T00:00:00Z"],
     "loaded": {"2024-05-01T00:00:00Z": "2024-05-01T09:00:00Z"}}
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from app.connectors import jsontext
from app.connectors.intervals import IntervalSource, not_by_intervals
from app.connectors.passes import Checkpoint
from app.connectors.schema import Table
from app.domain.errors import ConfigurationError
from app.domain.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.passes import Log, Rows, Source
    from app.domain.attempt_protocol import AttemptJob
    from app.domain.windows import Windows


def windowed(source: Source, job: AttemptJob, *, log: Log) -> Source:
    """`source`, reading windows if its collection says so.

    Raises:
        ConfigurationError: it cannot be read over an interval.
    """
    if job.collection.windows is None:
        return source
    if not isinstance(source, IntervalSource):
        raise not_by_intervals(job.source_type)
    return WindowedSource(source, job.collection.windows, log=log)


class WindowedSource:
    """Reads the windows that are not in sync, the oldest first, with a checkpoint after each."""

    def __init__(self, source: IntervalSource, windows: Windows, *, log: Log) -> None:
        self._source = source
        self._windows = windows
        self._log = log
        self._tables: dict[str, Table] = {}

    def check(self) -> None:
        self._source.check()

    def read(self, bookmark: str | None) -> Iterator[Table | Rows | Checkpoint]:
        loaded = Loaded.parsed(bookmark, self._windows.length)
        every = list(self._windows.all())
        wanted = [window for window in every if self._windows.may_change(window) or not loaded.settles(window)]
        self._log("info", f"Total intervals: [{len(every)}]")
        self._log("info", f"Intervals to sync: [{len(wanted)}]")
        for window in wanted:
            self._log("info", f"interval [{window}]")
            yield from self._window(window)
            loaded.add(window, self._windows)
            yield Checkpoint(loaded.text())

    def read_interval(self, interval: Interval) -> Iterator[Table | Rows | Checkpoint]:
        yield from self._source.read_interval(interval)

    def close(self) -> None:
        self._source.close()

    def _window(self, window: Interval) -> Iterator[Table | Rows]:
        for item in self._source.read_interval(window):
            match item:
                case Checkpoint():
                    # Within a window nothing is complete.
                    continue
                case Table() if self._tables.get(item.name) == item:
                    continue
                case Table():
                    _check(item)
                    self._tables[item.name] = item
            yield item


def _check(table: Table) -> None:
    """A window that is loaded again replaces what it has brought before."""
    if table.full_refresh:
        raise ConfigurationError(
            f"table {table.name!r} is replaced by all rows each time: with 'interval' it needs sync_mode 'incremental'"
        )
    if not table.key:
        raise ConfigurationError(
            f"table {table.name!r} has no key by which the rows of an interval that is loaded again could be told: "
            "'interval' needs a 'primary_key'"
        )


@dataclass(slots=True)
class Loaded:
    """What of the windows of one length is loaded. `settled` are stretches of time, in order, that never touch."""

    length: str
    settled: list[Interval] = field(default_factory=list)
    changing: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parsed(cls, bookmark: str | None, length: str) -> Loaded:
        """Windows of another length say nothing: everything is loaded anew, as it is after a bookmark of others."""
        try:
            said: Any = {} if bookmark is None else jsontext.decode(bookmark)
            if not isinstance(said, dict) or said.get("interval") != length:
                return cls(length)
            return cls(length, [Interval.parsed(text) for text in said["settled"]], dict(said["loaded"]))
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError):
            return cls(length)

    def settles(self, window: Interval) -> bool:
        """Whether the window was loaded when it could not change any more."""
        return any(one.start <= window.start and window.end <= one.end for one in self.settled)

    def add(self, window: Interval, windows: Windows) -> None:
        """The window is loaded as it is now."""
        begin = str(window).partition("/")[0]
        self.changing.pop(begin, None)
        if windows.may_change(window):
            self.changing[begin] = str(Interval(windows.now, windows.now)).partition("/")[0]
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
