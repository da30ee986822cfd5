"""Which windows of time are read, and what the bookmark remembers of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.attempt.windows import INTERVAL_COLUMN, Loaded, WindowedSource
from app.connectors.contract.passes import Checkpoint, Emptied, Rows
from app.connectors.contract.schema import Kind, Table
from app.domain.errors import ConfigurationError
from app.domain.interval import Interval
from app.domain.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.windows import Length

START = date(2024, 1, 1)
TABLE = Table("made", {"id": Kind.INTEGER}, key=("id",))


@dataclass
class Recorded:
    """A source that remembers what it was asked for."""

    table: Table = TABLE
    asked: list[str] = field(default_factory=list)

    def check(self) -> None: ...

    def close(self) -> None: ...

    def read(self, bookmark: str | None) -> Iterator[Table | Rows | Checkpoint]:
        raise NotImplementedError

    def read_interval(self, interval: Interval) -> Iterator[Table | Rows | Checkpoint]:
        self.asked.append(f"{interval.start:%m-%dT%H}")
        yield self.table
        yield Rows("made", [{"id": len(self.asked)}], size=1)
        yield Checkpoint("its own")


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2024, 1, day, hour, tzinfo=UTC)


def read(
    bookmark: str | None,
    now: datetime,
    *,
    length: Length = "day",
    start: date = START,
    refresh: timedelta = timedelta(),
) -> tuple[list[str], list[Any], str | None]:
    """The windows asked for, everything that came, and the last bookmark."""
    source = Recorded()
    windows = Windows(length, start, now, refresh.total_seconds())
    items = list(WindowedSource(source, windows, log=lambda *_: None).read(bookmark))
    bookmarks = [item.bookmark for item in items if isinstance(item, Checkpoint)]
    return source.asked, items, bookmarks[-1] if bookmarks else bookmark


def test_a_window_in_sync_is_not_loaded_again() -> None:
    asked, items, bookmark = read(None, at(3, 12))
    assert asked == ["01-01T00", "01-02T00", "01-03T00"]
    assert [type(item) for item in items] == [Table, *([Rows, Checkpoint] * 3)]
    assert json.loads(bookmark or "") == {
        "interval": "day",
        "settled": ["2024-01-01T00:00:00Z/2024-01-03T00:00:00Z"],
        "loaded": {"2024-01-03T00:00:00Z": "2024-01-03T12:00:00Z"},
    }
    asked, _, bookmark = read(bookmark, at(3, 13))
    assert asked == ["01-03T00"], "it was not over when it was loaded"
    asked, _, bookmark = read(bookmark, at(4, 1))
    assert asked == ["01-03T00", "01-04T00"], "the first of them is loaded once more after its end"
    assert read(bookmark, at(4, 2))[0] == ["01-04T00"]


def test_windows_within_the_refresh_window_are_loaded_again() -> None:
    _, _, bookmark = read(None, at(10), refresh=timedelta(days=3))
    assert read(bookmark, at(10, 1), refresh=timedelta(days=3))[0] == ["01-08T00", "01-09T00", "01-10T00"]
    assert read(bookmark, at(10, 1))[0] == ["01-08T00", "01-09T00", "01-10T00"], "they had not settled"


def test_a_run_that_is_broken_off_goes_on_after_its_last_checkpoint() -> None:
    _, items, _ = read(None, at(5))
    first = next(item for item in items if isinstance(item, Checkpoint))
    assert read(first.bookmark, at(5))[0] == ["01-02T00", "01-03T00", "01-04T00", "01-05T00"]


def test_an_earlier_start_loads_what_is_missing_and_another_length_everything() -> None:
    _, _, bookmark = read(None, at(5), start=date(2024, 1, 3))
    asked, _, bookmark = read(bookmark, at(5))
    assert asked == ["01-01T00", "01-02T00", "01-05T00"]
    assert json.loads(bookmark or "")["settled"] == ["2024-01-01T00:00:00Z/2024-01-05T00:00:00Z"]
    assert read(bookmark, at(5), length="week")[0] == ["01-01T00"]
    for wrong in ("[]", '"text"', '{"interval": "day"}', '{"interval": "day", "settled": ["x"], "loaded": {}}', "{"):
        assert read(wrong, at(2))[0] == ["01-01T00", "01-02T00"]


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        (Table("made", {"id": Kind.INTEGER}, key=("id",), full_refresh=True), "it needs 'sync_mode: incremental'"),
        (Table("made", {"id": Kind.INTEGER}, full_refresh=True), "it needs 'sync_mode: incremental'"),
    ],
)
def test_a_table_that_is_replaced_as_a_whole_is_refused(table: Table, complaint: str) -> None:
    windows = Windows("day", START, at(1))
    with pytest.raises(ConfigurationError, match=complaint):
        list(WindowedSource(Recorded(table), windows, log=lambda *_: None).read(None))


def test_rows_without_a_key_belong_to_their_window_which_is_emptied_before() -> None:
    source = Recorded(Table("made", {"id": Kind.INTEGER}, cursor_field="id"))
    windows = Windows("day", START, at(2))
    items = list(WindowedSource(source, windows, log=lambda *_: None).read(None))
    first, second = "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"
    assert [item for item in items if not isinstance(item, Checkpoint)] == [
        Table("made", {"id": Kind.INTEGER, INTERVAL_COLUMN: Kind.TIMESTAMP}),
        Emptied("made", INTERVAL_COLUMN, first),
        Rows("made", [{"id": 1, INTERVAL_COLUMN: first}], size=1),
        Emptied("made", INTERVAL_COLUMN, second),
        Rows("made", [{"id": 2, INTERVAL_COLUMN: second}], size=1),
    ]


def test_the_one_window_of_all_is_the_same_wherever_it_begins() -> None:
    marks = set()
    for start in (START, START + timedelta(days=1)):
        source = Recorded(Table("made", {"id": Kind.INTEGER}))
        items = list(WindowedSource(source, Windows("all", start, at(5)), log=lambda *_: None).read(None))
        marks |= {item.value for item in items if isinstance(item, Emptied)}
        marks |= {item.records[0][INTERVAL_COLUMN] for item in items if isinstance(item, Rows)}
        marks |= {
            mark for item in items if isinstance(item, Checkpoint) for mark in json.loads(item.bookmark or "")["loaded"]
        }
    assert len(marks) == 1


@pytest.mark.parametrize("bookmark", ['{"interval": "week", "settled": [], "loaded": {"x": "y"}}', '"a cursor"'])
def test_rows_without_a_key_that_were_loaded_in_another_way_are_not_doubled(bookmark: str) -> None:
    reading = WindowedSource(Recorded(Table("made", {})), Windows("day", START, at(2)), log=lambda *_: None)
    with pytest.raises(ConfigurationError, match="its rows would be duplicated: reset the collection"):
        list(reading.read(bookmark))


def test_each_reading_announces_its_tables() -> None:
    reading = WindowedSource(Recorded(), Windows("day", START, at(2)), log=lambda *_: None)
    assert [sum(isinstance(item, Table) for item in reading.read(None)) for _ in range(2)] == [1, 1]


def test_a_backfill_reads_whole_windows() -> None:
    source = Recorded()
    reading = WindowedSource(source, Windows("day", START, at(5)), log=lambda *_: None)
    list(reading.read_interval(Interval(at(2, 12), at(3, 1))))
    assert source.asked == ["01-02T00", "01-03T00"]


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(0, 40))
def test_the_bookmark_knows_exactly_the_windows_that_have_settled(days: list[int], refresh: int) -> None:
    windows = Windows("day", START, at(1) + timedelta(days=40), refresh * 86_400)
    every = list(windows.all())
    loaded: Loaded = Loaded("day")
    for day in days:
        loaded.add(every[day], windows)
        loaded = Loaded.parse(loaded.text(), "day")
    settled = {day for day in days if not windows.may_change(every[day])}
    assert {day for day, window in enumerate(every) if loaded.settles(window)} == settled
    assert len(loaded.settled) == sum(day - 1 not in settled for day in settled)
    assert len(loaded.changing) == len(set(days) - settled)
