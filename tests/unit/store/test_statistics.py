"""Which hours and days are asked for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from app.store.statistics import Granularity, Period, Wanted, fetch_periods

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)


class Asked:
    """A pool that keeps what it is asked, and answers with these rows."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.values: tuple[object, ...] = ()
        self._rows = rows

    async def fetch(self, _statement: str, *values: object) -> Any:
        self.values = values
        return self._rows


@pytest.mark.parametrize(
    ("granularity", "start", "end", "expected"),
    [
        ("hour", NOON, NOON + timedelta(hours=2), (NOON, NOON + timedelta(hours=2))),
        ("hour", NOON + timedelta(minutes=59), NOON + timedelta(hours=1, seconds=1), (NOON, NOON + timedelta(hours=2))),
        ("hour", NOON, NOON, (NOON, NOON)),
        ("hour", NOON, LATEST, (NOON, LATEST)),
        ("day", NOON, NOON, (date(2026, 11, 28), date(2026, 11, 29))),
        ("day", NOON.replace(hour=0), NOON.replace(hour=0), (date(2026, 11, 28), date(2026, 11, 28))),
        ("day", NOON.astimezone(timezone(timedelta(hours=-13))), NOON, (date(2026, 11, 28), date(2026, 11, 29))),
        ("day", NOON, LATEST, (date(2026, 11, 28), date(9999, 12, 31))),
    ],
)
async def test_whole_periods_are_counted_from_the_one_with_the_start_to_those_that_begin_before_the_end(
    granularity: Granularity, start: datetime, end: datetime, expected: tuple[object, object]
) -> None:
    pool: Any = Asked()
    assert await fetch_periods(pool, Wanted(start=start, end=end, granularity=granularity)) == []
    assert pool.values == (*expected, None, "")


async def test_a_day_begins_at_midnight() -> None:
    pool: Any = Asked({"start": date(2026, 11, 28), "rows": 5, "failed": 1})
    wanted = Wanted(start=NOON, end=NOON, granularity="day", sources=["s"], prefix="p.")
    assert await fetch_periods(pool, wanted) == [Period(datetime(2026, 11, 28, tzinfo=UTC), 5, 1)]
    assert pool.values[2:] == (["s"], "p.")
