"""Databases that only SQLAlchemy knows, which asks their catalogues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Float, Numeric, inspect
from sqlalchemy.exc import SQLAlchemyError

from app.connectors.contract.schema import Digits
from app.connectors.sources.sql.dialect import Dialect

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Reflected(Dialect):
    """Any that SQLAlchemy knows."""

    def digits(self, connection: Connection, table: str, schema: str | None) -> dict[str, Digits]:
        try:
            found = inspect(connection).get_columns(table, schema)
        except (
            SQLAlchemyError,
            NotImplementedError,
        ):  # a synonym, for instance, can be read but is not in the catalogue
            return {}
        kinds = {each["name"]: each["type"] for each in found if isinstance(each["type"], Numeric)}
        digits = {
            name: Digits.of(kind.precision, kind.scale) for name, kind in kinds.items() if not isinstance(kind, Float)
        }
        return {name: each for name, each in digits.items() if each}
