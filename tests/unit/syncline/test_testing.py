"""The test kit sees what a function gets wrong, and what it gets right."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import RetryLaterError
from syncline import Bookmark, Context, PermanentError, Records, RetryLater, Schema
from syncline.testing import SourceError, check_resumes, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncline.schema import Function


def counting(schema: Schema, *, skips: int = 0, repeats: int = 0, every: int = 2) -> Callable[[Context], Records]:
    """Counts to ten with a bookmark after every second number; goes on too late or too early if told so."""

    @schema
    def numbers(context: Context) -> Records:
        begin = 0 if context.bookmark is None else max(0, context.bookmark + skips - repeats)
        for number in range(begin, 10):
            yield {"id": number}
            if (number + 1) % every == 0:
                yield Bookmark(number + 1)

    return numbers


KEYED = Schema(columns={"id": int}, key="id", mode="incremental")
KEYLESS = Schema(columns={"id": int}, mode="incremental")
NAIVE = dt.datetime(2030, 1, 1)  # noqa: DTZ001
CURSOR = Schema(columns={"id": int}, mode="incremental", cursor_field="id")


@pytest.mark.parametrize("schema", [KEYED, KEYLESS, CURSOR], ids=["keyed", "keyless", "cursor"])
def test_a_function_that_resumes_well_passes(schema: Schema) -> None:
    whole = check_resumes(counting(schema))
    assert [record["id"] for record in whole.records] == list(range(10))
    assert (whole.bookmarks, whole.covered) == ([2, 4, 6, 8, 10], [2, 4, 6, 8, 10])


@pytest.mark.parametrize("schema", [KEYED, KEYLESS, CURSOR], ids=["keyed", "keyless", "cursor"])
def test_a_function_that_loses_records_does_not(schema: Schema) -> None:
    said = re.escape('resuming from bookmark 0 (2) loses 1 records, such as {"id":2}')
    with pytest.raises(AssertionError, match=said):
        check_resumes(counting(schema, skips=1))


def test_records_that_come_again_are_only_harmless_with_a_key_or_a_cursor() -> None:
    check_resumes(counting(KEYED, repeats=1))
    check_resumes(counting(CURSOR, repeats=1))
    with pytest.raises(AssertionError, match="duplicates 1 records"):
        check_resumes(counting(KEYLESS, repeats=1))


@given(every=st.integers(1, 10), repeats=st.integers(0, 3))
def test_wherever_the_bookmarks_are_the_union_is_the_whole(every: int, repeats: int) -> None:
    check_resumes(counting(KEYED, every=every, repeats=repeats))


def test_a_function_without_bookmarks_has_nothing_to_resume_from() -> None:
    with pytest.raises(AssertionError, match="yields no Bookmark"):
        check_resumes(counting(KEYED, every=11))


def test_a_run_is_told_what_it_asks_for_and_tells_what_it_was() -> None:
    @Schema(columns={"a": "text"}, mode="incremental")
    def function(context: Context) -> Records:
        context.log.info("%s", context.start_date)
        yield {"a": context.config["a"] + context.parameters["b"], "more": [1]}

    reading = run(function, config={"a": "x"}, parameters={"b": "y"}, start_date=dt.date(2024, 1, 1))
    assert reading.records == [{"a": "xy", "more": [1]}]
    assert reading.columns == {"a": "text", "more": "json"}
    assert (reading.mode, reading.key, reading.log) == ("incremental", (), ["info: 2024-01-01"])
    assert run(function, config={"a": "x"}, parameters={"b": "y"}, sync_mode="full_refresh").mode == "full_refresh"


def test_a_function_gets_the_lookback_of_its_run() -> None:
    @Schema(key="a", mode="incremental")
    def function(context: Context) -> Records:
        yield {"a": context.bookmark - context.lookback.total_seconds()}

    assert run(function, bookmark=700, lookback=dt.timedelta(minutes=10)).records == [{"a": 100.0}]


def test_values_and_fields_are_held_against_the_schema() -> None:
    def check(**record: object) -> None:
        @Schema(columns={"id": int, "on": "date"}, key="id")
        def function(_: Context) -> Records:
            yield {"id": 1, "on": dt.date(2024, 1, 1)}
            yield record

        run(function).check_schema()

    check(id=2)
    with pytest.raises(
        AssertionError, match=r"record 1: column 'id' is bigint and cannot hold 1\.5: it has a fraction"
    ):
        check(id=1.5)
    with pytest.raises(AssertionError, match="record 1: column 'on' is date"):
        check(id=1, on="yesterday")
    with pytest.raises(AssertionError, match="the Schema does not declare these fields: 'other'"):
        check(id=1, other=1)


def test_errors_name_the_place_in_the_function() -> None:
    def function(_: Context) -> Records:
        raise PermanentError("no such shop")

    with pytest.raises(
        SourceError, match=r"collection 'function': test_testing.py, line \d+, in function: no such shop"
    ):
        run(function)


@pytest.mark.parametrize(
    ("at", "minutes"),
    [
        (dt.timedelta(minutes=5), 5),
        (dt.UTC, 10),
        (dt.timezone(dt.timedelta(hours=-9)), 20),
    ],
)
def test_a_function_says_when_to_read_on(at: dt.tzinfo | dt.timedelta, minutes: int) -> None:
    """After a time, or at a time of any zone."""

    def function(_: Context) -> Records:
        moment = at if isinstance(at, dt.timedelta) else dt.datetime.now(at) + dt.timedelta(minutes=minutes)
        raise RetryLater(moment, "the quota is used up")

    with pytest.raises(RetryLaterError, match=r"test_testing.py, line \d+, in function: the quota is used up") as later:
        run(function)
    assert abs(later.value.at - dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes)) < dt.timedelta(minutes=4)
    assert isinstance(later.value, SourceError)


@pytest.mark.parametrize(
    ("at", "complaint"),
    [
        (NAIVE, "RetryLater: 2030-01-01 00:00:00 has no time zone; give it one, or write a timedelta from now"),
        (dt.timedelta.max, "RetryLater: 999999999 days, 23:59:59.999999 from now is too far away"),
        (60, "RetryLater: `at` is a datetime or a timedelta, not of type int"),
        (dt.date(2030, 1, 1), "not of type date"),
    ],
)
def test_when_to_read_on_is_checked(at: Any, complaint: str) -> None:
    with pytest.raises((TypeError, ValueError), match=complaint):
        RetryLater(at)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Schema(columns={"a": "int"}), "column 'a' has the unknown type 'int'; choose one of bool"),
        (lambda: Schema(columns={"a": set}), "column 'a' has the unknown type set"),
        (lambda: Schema(mode="x"), "unknown mode 'x'; choose one of full_refresh, incremental"),  # type: ignore[arg-type]
        (lambda: Schema(columns={"a": int}, key="b"), "unknown column 'b'; choose from 'a'"),
        (lambda: Schema(columns={"a": int}, cursor_field="b"), "unknown column 'b'"),
        (lambda: Schema(key=[1]), "the name of a column must be a string, not 1"),  # type: ignore[list-item]
    ],
)
def test_a_schema_that_cannot_be_is_refused(make: Callable[[], Schema], complaint: str) -> None:
    with pytest.raises((TypeError, ValueError), match=complaint):
        make()


def test_a_decorated_function_stays_what_it_is() -> None:
    def function(number: int) -> int:
        return number + 1

    def typed(given: Function) -> Function:
        return Schema(key="id")(given)

    assert typed(function) is function
    assert typed(function)(1) == 2
