"""Discovery: what a source offers, before anything is copied. An optional part of a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from app.connectors.contract.schema import Kind, type_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from app.connectors.contract.schema import Digits
    from app.domain.attempt_protocol import Offered

UNKNOWN: Final = "unknown"
"""The type of a column that only its values will reveal."""

# Times make better cursors than numbers: numbers are often assigned before their rows become visible.
_ORDER: Final = (Kind.TIMESTAMP, Kind.LOCAL_TIMESTAMP, Kind.DATE, Kind.INTEGER, Kind.BIG_INTEGER)
_CHANGES: Final = ("updat", "modif", "chang", "edit")


@runtime_checkable
class Discovering(Protocol):
    """A source that can be discovered."""

    def discover(self) -> Iterator[Offered]:
        """Everything that there is to choose from; raises `SynclineError` if the source cannot be reached."""


@runtime_checkable
class Specifying(Protocol):
    """A source whose connector can say which configuration it asks for."""

    def specification(self) -> dict[str, Any]:
        """A JSON Schema of the configuration, which need not be there yet.

        Raises:
            SynclineError: the connector cannot be installed or started, or does not describe itself.
        """


@runtime_checkable
class Cataloguing(Protocol):
    """A source whose connector has a catalog of its own."""

    def catalog(self) -> dict[str, Any]:
        """What the connector has discovered, as it says so.

        Raises:
            SynclineError: the connector cannot be installed or started, or has no catalog.
        """


def cursor_candidates(columns: Mapping[str, Kind | None], *, among: Iterable[str]) -> list[str]:
    """Those of the columns `among` that may show which rows are new; names like a time of change come first."""
    names = [name for name in among if columns.get(name) in _ORDER]

    def rank(name: str) -> tuple[int, bool]:
        kind = columns[name]
        changes = any(word in name.lower() for word in _CHANGES)
        return (_ORDER.index(kind) if kind in _ORDER else len(_ORDER)), not changes

    return sorted(names, key=rank)


def column_types(columns: Mapping[str, Kind | None], digits: Mapping[str, Digits] | None = None) -> dict[str, str]:
    """Names and types in the form of `Offered`."""
    known = digits or {}
    return {name: type_name(kind, known.get(name)) if kind else UNKNOWN for name, kind in columns.items()}
