"""What a source offers, told before anything is copied: an optional part of a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from app.connectors.contract.schema import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from app.domain.attempt_protocol import Offered

UNKNOWN: Final = "unknown"
"""The type of a column of which only values will tell."""

# Of what only grows, a time tells most of what is new; numbers are often given before their rows are visible.
_ORDER: Final = (Kind.TIMESTAMP, Kind.DATE, Kind.INTEGER, Kind.BIG_INTEGER)
_CHANGES: Final = ("updat", "modif", "chang", "edit")


@runtime_checkable
class Discovering(Protocol):
    """A source that can tell what it offers."""

    def discover(self) -> Iterator[Offered]:
        """Everything that there is to choose from; raises `SynclineError` when the source cannot be asked."""


def cursor_candidates(columns: Mapping[str, Kind | None], *, among: Iterable[str]) -> list[str]:
    """Those of the columns `among` that may tell what is new; what sounds like a time of change comes first."""
    names = [name for name in among if columns.get(name) in _ORDER]

    def place(name: str) -> tuple[int, bool]:
        kind = columns[name]
        changes = any(word in name.lower() for word in _CHANGES)
        return (_ORDER.index(kind) if kind in _ORDER else len(_ORDER)), not changes

    return sorted(names, key=place)


def never_null(schema: dict[str, Any]) -> list[str]:
    """The columns of a JSON schema whose type has no null."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return []
    typed = {name: each["type"] for name, each in properties.items() if isinstance(each, dict) and "type" in each}
    return [name for name, types in typed.items() if "null" not in ([types] if isinstance(types, str) else types)]


def shown_columns(columns: Mapping[str, Kind | None]) -> dict[str, str]:
    """Names and types as `Offered` has them."""
    return {name: kind.value if kind else UNKNOWN for name, kind in columns.items()}
