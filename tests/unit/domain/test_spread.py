"""How long after its fire times a collection starts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.spread import spread_delay

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
SPREADS = st.timedeltas(timedelta(), timedelta(days=36500))


@given(source=NAMES, collection=NAMES, spread=SPREADS)
def test_a_delay_is_in_whole_seconds_within_the_spread_and_always_the_same(
    source: str, collection: str, spread: timedelta
) -> None:
    delay = spread_delay(source, collection, spread)
    assert timedelta() <= delay < max(spread, timedelta(seconds=1))
    assert delay % timedelta(seconds=1) == timedelta()
    assert delay == spread_delay(source, collection, spread)


@given(one=NAMES, other=NAMES, spreads=st.tuples(SPREADS, SPREADS))
def test_a_longer_spread_brings_nobody_forward_and_keeps_their_order(
    one: str, other: str, spreads: tuple[timedelta, timedelta]
) -> None:
    short, long = sorted(spreads)
    before = [spread_delay("s", name, short) for name in (one, other)]
    after = [spread_delay("s", name, long) for name in (one, other)]
    assert all(map(timedelta.__le__, before, after))
    assert before[0] == before[1] or (before[0] < before[1]) == (after[0] < after[1])


def test_delays_fill_the_spread_evenly() -> None:
    delays = [spread_delay("shop", f"c{number}", timedelta(minutes=10)) for number in range(6000)]
    by_minute = [sum(delay // timedelta(minutes=1) == minute for delay in delays) for minute in range(10)]
    assert all(500 < count < 700 for count in by_minute), by_minute


@pytest.mark.parametrize(("collection", "seconds"), [("orders", 272), ("users", 91), ("lines", 299)])
def test_no_release_moves_a_collection(collection: str, seconds: int) -> None:
    assert spread_delay("shop", collection, timedelta(minutes=10)) == timedelta(seconds=seconds)
