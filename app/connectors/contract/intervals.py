"""Reading what lies in an interval of time, for a backfill: an optional part of a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from app.connectors.contract.passes import Source
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.contract.passes import Item
    from app.domain.interval import Interval


@runtime_checkable
class IntervalSource(Source, Protocol):
    """A source that can be read over an interval as well."""

    def read_interval(self, interval: Interval) -> Iterator[Item]:
        """All that lies in `interval`, and perhaps some of what is beside it; what checkpoints say does not count.

        Raises:
            ConfigurationError: the collection cannot be read in this way.
        """


def refused_in_windows(mode: WriteMode | None) -> str | None:
    """Why rows cannot arrive in this mode where windows of time are read again; None if they can."""
    if mode not in (WriteMode.APPEND, WriteMode.REPLACE):
        return None
    return f"'interval' excludes 'write_mode: {mode}': an interval that is read again replaces its old rows only"
