"""Reading what lies in an interval of time, for a backfill: an optional part of a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from app.connectors.options import SOURCES
from app.connectors.passes import Source
from app.domain.errors import ConfigurationError
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.passes import Item
    from app.domain.interval import Interval

READ_INTERVALS: Final = frozenset(name for name, kind in SOURCES.items() if kind.reads_intervals)
"""Kinds of which some collections can be read over an interval; each says itself which."""


@runtime_checkable
class IntervalSource(Source, Protocol):
    """A source that can be read over an interval as well."""

    def read_interval(self, interval: Interval) -> Iterator[Item]:
        """All that lies in `interval`, and perhaps some of what is beside it; what checkpoints say does not count.

        Raises:
            ConfigurationError: the collection cannot be read in this way.
        """


def not_by_intervals(source_type: str) -> ConfigurationError:
    """To be raised where a source of this type cannot be read over an interval."""
    instead = SOURCES[source_type].instead_of_intervals
    why = f": {instead}" if instead else ""
    return ConfigurationError(
        f"a source of type {source_type!r} cannot be read over an interval{why}; a reset loads everything anew"
    )


def refused_in_windows(mode: WriteMode | None) -> str | None:
    """Why rows cannot arrive in this mode where windows of time are read again; None if they can."""
    if mode not in (WriteMode.APPEND, WriteMode.REPLACE):
        return None
    return f"'interval' excludes 'write_mode: {mode}': an interval that is read again replaces its old rows only"
