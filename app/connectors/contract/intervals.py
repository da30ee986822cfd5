"""Reading an interval of time, for a backfill: an optional part of a source."""

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
    """A source that can read an interval as well."""

    def read_interval(self, interval: Interval) -> Iterator[Item]:
        """Everything in `interval`, and perhaps a little around it; checkpoints are ignored.

        Raises:
            ConfigurationError: the collection cannot be read this way.
        """


def why_not_in_windows(mode: WriteMode | None) -> str | None:
    """Why this mode cannot be used where windows of time are read again; None if it can."""
    if mode not in (WriteMode.APPEND, WriteMode.REPLACE):
        return None
    return (
        f"'interval' cannot be combined with 'write_mode: {mode}': reading an interval again replaces only its own rows"
    )
