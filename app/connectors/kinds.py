"""Every kind of source and destination by its name: what can be told of it without importing what reads or writes.

Each package below `sources` and `destinations` tells in its `options` module, under `KINDS`, what its kinds are.
Options are checked when a catalogue is loaded and again by an attempt. Only pydantic is imported at first, so that
checking a catalogue loads no connector.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from app.connectors.contract.kind import DestinationKind, SourceKind

_SOURCES: Final = (
    "singer",
    "airbyte",
    "python",
    "redis",
    "files",
    "sql",
    "rest",
    "synthetic",
    "classic",
)
_DESTINATIONS: Final = (
    "postgres",
    "duckdb",
    "parquet",
    "singer",
    "none",
    "dlt",
)


def _kinds(package: str) -> dict[str, Any]:
    kinds: dict[str, Any] = import_module(f"app.connectors.{package}.options").KINDS
    return kinds


SOURCES: Final[dict[str, SourceKind]] = {
    name: kind for package in _SOURCES for name, kind in _kinds(f"sources.{package}").items()
}
DESTINATIONS: Final[dict[str, DestinationKind]] = {
    name: kind for package in _DESTINATIONS for name, kind in _kinds(f"destinations.{package}").items()
}
SOURCE_TYPES: Final = tuple(SOURCES)
DESTINATION_TYPES: Final = tuple(DESTINATIONS)

BY_COLLECTION: Final = frozenset(name for name, kind in SOURCES.items() if kind.offers == "by collection")
"""Kinds that know nothing but what their collections name: each of these is looked at."""

READ_INTERVALS: Final = frozenset(name for name, kind in SOURCES.items() if kind.reads_intervals)
"""Kinds of which some collections can be read over an interval; each says itself which."""


def can_discover(source_type: str) -> bool:
    """Whether it makes sense to ask a source of this type."""
    return SOURCES[source_type].offers is not None


def not_discoverable(source_type: str) -> ConfigurationError:
    """To be raised where a source of this type is asked all the same."""
    return ConfigurationError(f"a source of type {source_type!r} cannot tell what it offers: name its collections")


def not_by_intervals(source_type: str) -> ConfigurationError:
    """To be raised where a source of this type cannot be read over an interval."""
    instead = SOURCES[source_type].instead_of_intervals
    why = f": {instead}" if instead else ""
    return ConfigurationError(
        f"a source of type {source_type!r} cannot be read over an interval{why}; a reset loads everything anew"
    )


def imported(where: str) -> Any:
    """The class that `module:Class` names. Heavy libraries come with it, so only what is needed is imported."""
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)
