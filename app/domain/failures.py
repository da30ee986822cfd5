"""Failures with the same cause: errors that differ only in numbers, times and ids."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

_LONGEST: Final = 300
# In this order: an id has numbers, and so has a time.
_VARYING: Final = (
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "#"),
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?\b"), "#"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "#"),
    (re.compile(r"\b(?=[a-f]*\d)[0-9a-f]{8,}\b"), "#"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "#"),
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed."""

    task_id: str
    source: str
    collection: str
    error: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failures with the same cause, newest first; `key` is a short name of it that can stand in an address."""

    cause: str
    failures: Sequence[Failure]

    @property
    def key(self) -> str:
        return hashlib.blake2b(self.cause.encode(), digest_size=8).hexdigest()

    @property
    def collections(self) -> dict[tuple[str, str], Failure]:
        """The last failure of each collection, by source and name."""
        last: dict[tuple[str, str], Failure] = {}
        for failure in self.failures:
            last.setdefault((failure.source, failure.collection), failure)
        return last


@lru_cache(maxsize=4096)
def cause_of_error(error: str) -> str:
    """The first line of an error, with `#` for numbers, times and ids."""
    line = error.strip().partition("\n")[0][:_LONGEST]
    for varying, mark in _VARYING:
        line = varying.sub(mark, line)
    return line or "No error message"


def group_failures(failures: Iterable[Failure]) -> list[FailureGroup]:
    """Group failures, which come newest first; the group with the newest one comes first."""
    groups: dict[str, list[Failure]] = {}
    for failure in failures:
        groups.setdefault(cause_of_error(failure.error), []).append(failure)
    return [FailureGroup(cause, found) for cause, found in groups.items()]
