"""Any text as a schedule: it fires later and later, or is refused with one clear line."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.duration import parse_duration
from app.domain.errors import ConfigurationError
from app.domain.schedule import parse_schedule

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

FIELD = st.lists(
    st.sampled_from([*"0123456789*/,-?LW#", "MON", "jan", "Sun-", "*/", "59", "31", "٣"]), min_size=1, max_size=5
).map("".join)
LIKELY = st.lists(FIELD, min_size=4, max_size=6).map(" ".join)
PREFIXED = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "CRON_TZ=", "CRON_TZ=UTC ", "@", "@every ", "@daily"]),
    st.text(max_size=9),
    LIKELY | st.just(""),
)
TEXTS = st.text(max_size=60) | LIKELY | PREFIXED
ZONES = st.sampled_from(sorted(available_timezones())) | st.text(max_size=12)
INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001


def parsed(parse: Callable[..., Result], *texts: str) -> Result | None:
    """What `parse` makes of it; None if it refuses it, which must be in one line."""
    try:
        return parse(*texts)
    except ConfigurationError as refused:
        error = refused
    assert len(str(error).splitlines()) == 1
    return None


@given(TEXTS, ZONES, INSTANTS)
def test_any_text_fires_later_and_later_or_is_refused_in_one_line(text: str, zone: str, start: datetime) -> None:
    schedule = parsed(parse_schedule, text, zone)
    if schedule is None:
        return
    last = start
    for _ in range(3):
        fire_time = schedule.next_after(last, last)
        if fire_time is None:
            break
        assert fire_time > last
        assert fire_time.utcoffset() == timedelta(0)
        last = fire_time


@given(st.text(max_size=20) | st.text("0123456789.dhms ", max_size=20))
def test_any_text_is_a_duration_or_is_refused_in_one_line(text: str) -> None:
    assert (parsed(parse_duration, text) or timedelta(0)) >= timedelta(0)


@pytest.mark.parametrize(
    "text", ["1" * 10_000, "*/" * 5_000, "1," * 5_000 + "1 * * * *", "@every " + "9" * 10_000 + "s"]
)
def test_a_very_long_text_is_answered_at_once(text: str) -> None:
    began = time.process_time()
    parsed(parse_schedule, text)
    assert time.process_time() - began < 2
