"""Every kind of source and destination by its name.

Each package below `sources` and `destinations` lists its kinds as `KINDS` in its `options` module. Options are checked
when a catalogue is loaded and again by an attempt. The `options` modules import little more than pydantic, so that
checking a catalogue loads no connector.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from app.connectors.contract.kind import DestinationKind, SourceKind
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

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
"""Kinds that can be discovered only for the collections that are named."""

READ_INTERVALS: Final = frozenset(name for name, kind in SOURCES.items() if kind.reads_intervals)
"""Kinds that can read an interval of some collections; each decides itself which."""

LOOK_BACK: Final = frozenset(name for name, kind in SOURCES.items() if kind.looks_back)
"""Kinds that can begin a `lookback` before their bookmark."""


def can_discover(source_type: str) -> bool:
    """Whether sources of this type can be discovered."""
    return SOURCES[source_type].offers is not None


def no_discovery_error(source_type: str) -> ConfigurationError:
    """For a source of a type that cannot be discovered."""
    return ConfigurationError(
        f"a source of type {source_type!r} cannot be discovered: list its collections in the catalogue"
    )


def no_intervals_error(source_type: str) -> ConfigurationError:
    """For a source of a type that cannot read an interval."""
    instead = SOURCES[source_type].instead_of_intervals
    why = f": {instead}" if instead else ""
    return ConfigurationError(
        f"a source of type {source_type!r} cannot read an interval{why}; a reset loads everything again"
    )


def modules_of(source_type: str | None, destination_types: Iterable[str]) -> tuple[str, ...]:
    """The modules that an attempt with these kinds imports, as far as that is known before it reads its job.

    All kinds that need nothing heavy are among them, so that most attempts need the same. Unknown types need nothing.
    """
    kinds: list[SourceKind | DestinationKind] = [
        *(SOURCES[name] for name in filter(None, [source_type]) if name in SOURCES),
        *(DESTINATIONS[name] for name in destination_types if name in DESTINATIONS),
    ]
    heavy = {module for kind in kinds if kind.heavy for module in (*kind.heavy, *_modules([kind]))}
    return (*LIGHT_MODULES, *sorted(heavy))


def complete_models() -> None:
    """Build the models of all options now, instead of when the first are checked."""
    for kind in _ALL:
        kind.options.model_rebuild()
        if isinstance(kind, SourceKind) and kind.parameters is not None:
            kind.parameters.model_rebuild()


def _modules(kinds: Iterable[SourceKind | DestinationKind]) -> set[str]:
    return {kind.where.partition(":")[0] for kind in kinds if kind.where}


_ALL: Final[list[SourceKind | DestinationKind]] = [*SOURCES.values(), *DESTINATIONS.values()]
LIGHT_MODULES: Final = tuple(sorted(_modules(kind for kind in _ALL if not kind.heavy)))
"""What attempts of all kinds import that need nothing heavy."""


def import_class(where: str) -> Any:
    """The class or function that `module:name` names. It may import heavy libraries: call this only when needed."""
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)
