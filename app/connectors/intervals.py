"""Reading what lies in an interval of time, for a backfill: an optional part of a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from app.connectors.passes import Source
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.passes import Item
    from app.domain.interval import Interval

READ_INTERVALS: Final = frozenset({"python", "sql", "synthetic"})
"""Kinds of which some collections can be read over an interval; each says itself which."""

_INSTEAD: Final = {
    "files": "files are read when they are new or have changed",
    "redis": "its keys are read anew each time",
    **dict.fromkeys(("airbyte", "singer"), "it reads from its bookmark or its start date on: set an earlier one"),
}


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
    why = f": {_INSTEAD[source_type]}" if source_type in _INSTEAD else ""
    return ConfigurationError(
        f"a source of type {source_type!r} cannot be read over an interval{why}; a reset loads everything anew"
    )
