from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from app.domain.priority import PriorityClass, task_priority

TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is added


def test_the_priority_is_the_one_that_clients_know() -> None:
    created_at = datetime(2021, 3, 10, 22, 45, 1, 512528, tzinfo=UTC)
    assert task_priority(PriorityClass.API, created_at) == 299_998_384_583_699


def test_the_zone_of_the_creation_time_does_not_matter() -> None:
    created_at = datetime(2021, 3, 10, 22, 45, 1, tzinfo=UTC)
    elsewhere = created_at.astimezone(timezone(timedelta(hours=5, minutes=45)))
    assert task_priority(PriorityClass.LOW, created_at) == task_priority(PriorityClass.LOW, elsewhere)


@given(TIMES, TIMES)
def test_the_higher_class_goes_first_whatever_the_age(one: datetime, other: datetime) -> None:
    assert task_priority(PriorityClass.API, one) > task_priority(PriorityClass.SCHEDULE, other)
    assert task_priority(PriorityClass.SCHEDULE, one) > task_priority(PriorityClass.LOW, other)


@given(TIMES, st.timedeltas(timedelta(seconds=1), timedelta(days=3650)))
def test_the_older_goes_first_within_a_class(created_at: datetime, age: timedelta) -> None:
    assert task_priority(PriorityClass.API, created_at - age) > task_priority(PriorityClass.API, created_at)
