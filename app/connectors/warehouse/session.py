"""What the code that all warehouses share needs of a connection: statements with parameters (`$1`, `$2` and so on)."""

from __future__ import annotations

from typing import Any, Protocol


class Session(Protocol):
    def run(self, statement: str, *parameters: Any) -> int:
        """The number of rows inserted, changed or deleted; 0 if that has no meaning."""

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """All rows."""

    def row(self, statement: str, *parameters: Any) -> tuple[Any, ...] | None:
        """The first row, or None."""
