"""Whose name stands before an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.connectors.contract.blame import prefix_errors
from app.domain.errors import ConfigurationError, SynclineError

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
