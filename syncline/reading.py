"""What a function gets, and what it yields besides records."""

from __future__ import annotations

import datetime as dt
import logging  # noqa: TC003 -- likewise
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from syncline.schema import Schema


class Interval(NamedTuple):
    """From `start` to just before `end`; both are aware and in UTC."""

    start: dt.datetime
    end: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a function gets.

    `config` is the source's, `parameters` the collection's, with placeholders replaced; the function may change both.
    `bookmark` is the value of the last committed `Bookmark`: None the first time, after a reset, and whenever
    everything is read again. `start_date` is the collection's, by default a year before today. Whatever is logged to
    `log` or printed goes to the task's log. With a `lookback`, the function begins that much before the bookmark:
    records that it yields again are recognised.

    In a backfill, `interval` is what to read, and there is no bookmark. Only functions whose `Schema` has
    `intervals=True` get backfills.
    """

    source: str
    collection: str
    config: dict[str, Any] = field(repr=False)
    parameters: dict[str, Any] = field(repr=False)
    bookmark: Any
    start_date: dt.date
    log: logging.Logger = field(repr=False)
    interval: Interval | None = None
    lookback: dt.timedelta = dt.timedelta()


@dataclass(frozen=True, slots=True)
class Bookmark:
    """All records before this one are complete; the next run may continue from `value`.

    `value` is JSON: a string, an integer, a finite float, True, False, None, and lists and dicts of these. It is
    committed together with the records before it.
    """

    value: Any


class PermanentError(Exception):
    """Raise this from a function if a retry cannot help; its message is shown to the user unchanged."""


class RetryLater(Exception):  # noqa: N818 -- it is no error: the source is as it should be
    """Raise this from a function if the source cannot be read before `at`, for example because a quota is used up.

    `at` is a datetime with a time zone, or a timedelta from now. The attempt ends without a failure, and the next one
    begins then, at the last committed `Bookmark`. `reason` is shown to the user.

    Raises:
        TypeError: `at` is something else.
        ValueError: it has no time zone, or is too far away for a datetime.
    """

    def __init__(self, at: dt.datetime | dt.timedelta, reason: str = "") -> None:
        super().__init__(reason)
        if isinstance(at, dt.timedelta):
            try:
                at = dt.datetime.now(dt.UTC) + at
            except OverflowError:
                raise ValueError(f"RetryLater: {at} from now is too far away") from None
        elif not isinstance(at, dt.datetime):
            raise TypeError(f"RetryLater: `at` is a datetime or a timedelta, not of type {type(at).__name__}")
        elif at.utcoffset() is None:
            raise ValueError(f"RetryLater: {at} has no time zone; give it one, or write a timedelta from now")
        self.at = at


Item: TypeAlias = Mapping[str, Any] | Bookmark | Schema
Records: TypeAlias = Iterator[Item]
"""The annotation for what a function returns."""
