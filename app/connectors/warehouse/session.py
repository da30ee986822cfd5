"""What the rules that all warehouses share ask of a connection: statements with `$1`, `$2`, … for parameters."""

from __future__ import annotations

from typing import Any, Protocol


class Session(Protocol):
    def run(self, statement: str, *parameters: Any) -> int:
        """The number of rows inserted, changed or deleted; 0 where that has no meaning."""

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """All rows."""

    def row(self, statement: str, *parameters: Any) -> tuple[Any, ...] | None:
        """The first row, None if there is none."""
