"""Places in the feed, as clients keep them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.domain.feed import BEGINNING, NOW, Place, read_place

TASK = UUID("01930a6e-7c00-7000-8000-2b7d1c0f2e11")
AT = datetime(2026, 11, 30, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    "place", [Place.of(4711, TASK, 3, AT), Place(4711, TASK, 3), Place.after_all_of(4711), BEGINNING]
)
def test_a_place_is_read_as_it_was_written(place: Place) -> None:
    read = read_place(str(place))
    assert (read, read.check) == (place, place.check)


def test_events_of_different_times_have_different_ids_at_the_same_place() -> None:
    lost, again = Place.of(4711, TASK, 3, AT), Place.of(4711, TASK, 3, AT + timedelta(microseconds=1))
    assert lost == again
    assert str(lost) != str(again)
    assert str(lost).startswith(f"4711.{TASK}.3.")


def test_places_are_in_the_order_of_position_task_and_version() -> None:
    places = [Place(1, TASK, 2), Place.of(1, TASK, 3, AT), Place.after_all_of(1), Place(2, UUID(int=0), 1)]
    assert sorted([places[2], places[0], places[3], places[1]]) == places
    assert read_place("now") == NOW


@pytest.mark.parametrize("text", ["", "yesterday", "1.2", f"1.{TASK}", f"1.{TASK}.3.xyz", f"1.{TASK}.3.0123abcde"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a place"):
        read_place(text)
