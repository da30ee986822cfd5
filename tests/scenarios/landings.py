"""Destinations of every kind, and what a reader finds in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import duckdb
import psycopg

if TYPE_CHECKING:
    from tests.integration.connectors.attempts import Warehouse


class Landing(Protocol):
    """`kind` is its name in the table of what works."""

    @property
    def kind(self) -> str: ...

    def options(self) -> dict[str, Any]:
        """As the catalogue has them."""

    def rows(self) -> list[tuple[int, str]]:
        """Id and text of everything that a reader sees, in order; none where there is no table yet."""


@dataclass(frozen=True)
class WarehouseLanding:
    """The table `made` of a warehouse."""

    kind: str
    warehouse: Warehouse

    def options(self) -> dict[str, Any]:
        return self.warehouse.options()

    def rows(self) -> list[tuple[int, str]]:
        try:
            found = self.warehouse.execute("SELECT id, text FROM loaded.made ORDER BY id, text")
        except (psycopg.errors.UndefinedTable, duckdb.CatalogException):
            return []
        return [(int(id_), str(text)) for id_, text in found]
