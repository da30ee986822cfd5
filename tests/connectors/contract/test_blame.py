"""Whose name stands before an error."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from app.connectors.contract.blame import joined, prefix_errors
from app.domain.errors import ConfigurationError, RetryLaterError, SynclineError

if TYPE_CHECKING:
    from collections.abc import Generator


def read(error: SynclineError | None = None) -> Generator[int, None, None]:
    with prefix_errors("source 's'"):
        yield 1
        if error is not None:
            raise error
        yield 2


def test_what_goes_wrong_while_reading_is_the_sources() -> None:
    with pytest.raises(ConfigurationError, match=r"^source 's': no such table$"):
        list(read(ConfigurationError("no such table")))


def test_an_error_that_is_thrown_into_a_source_gets_its_name_once() -> None:
    reading = read()
    next(reading)
    with pytest.raises(ConfigurationError, match=r"^source 's': 'columns' leaves out all fields$"):
        reading.throw(ConfigurationError("source 's': 'columns' leaves out all fields"))


def test_errors_of_one_source_that_are_joined_have_its_name_once() -> None:
    errors = [SynclineError("source 's': one"), ConfigurationError("two")]
    error = joined(errors, subject="source 's'")
    assert (type(error), str(error)) == (SynclineError, "source 's': one; two")


def test_what_whoever_takes_the_rows_complains_about_is_not() -> None:
    def take() -> None:
        for _ in read():
            raise SynclineError("the disk is full")

    with pytest.raises(SynclineError, match=r"^the disk is full$"):
        take()


def test_a_reading_can_be_given_up() -> None:
    reading = read()
    assert next(reading) == 1
    reading.close()
    assert list(reading) == []


def test_what_can_be_read_later_is_read_when_all_of_it_can_unless_something_else_is_wrong() -> None:
    early, late = datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 12, 2, tzinfo=UTC)
    waits = [RetryLaterError("one", at=late), RetryLaterError("source 's': two", at=early)]
    error = joined(waits, subject="source 's'")
    assert isinstance(error, RetryLaterError)
    assert (error.at, str(error)) == (late, "source 's': one; two")
    assert type(joined([*waits, ConfigurationError("three")])) is SynclineError
