"""What a function gets, and what it yields besides records."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 -- users' tools read the annotations
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
    """What a function may know.

    `config` is the source's, `parameters` the collection's; placeholders are replaced, both are yours alone.
    `bookmark` is the value of the last `Bookmark` that was committed: None the first time, after a reset, and whenever
    everything is read anew. `start_date` is the collection's, by default a year before today. What `log` is told goes
    to the task's log, and so does what is printed.

    `interval` is there when only what lies in it is wanted: in a backfill, which only a function is asked for whose
    `Schema` says `intervals=True`. There is no bookmark then.
    """

    source: str
    collection: str
    config: dict[str, Any] = field(repr=False)
    parameters: dict[str, Any] = field(repr=False)
    bookmark: Any
    start_date: dt.date
    log: logging.Logger = field(repr=False)
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class Bookmark:
    """All records before this one are complete; the next run may go on from `value`.

    `value` is JSON: text, a whole number, a finite float, True, False, None, and lists and dicts of these. It commits
    together with the records before it.
    """

    value: Any


class PermanentError(Exception):
    """To be raised by a function where trying again cannot help; its message is shown to the user as it is."""


Item: TypeAlias = Mapping[str, Any] | Bookmark | Schema
Records: TypeAlias = Iterator[Item]
"""What a function returns, as its annotation."""
