"""Databases that are known through SQLAlchemy alone, which asks their catalogues."""

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
        except (SQLAlchemyError, NotImplementedError):  # not all that can be read is in the catalogue, as a synonym
            return {}
        kinds = {each["name"]: each["type"] for each in found if isinstance(each["type"], Numeric)}
        told = {
            name: Digits.of(kind.precision, kind.scale) for name, kind in kinds.items() if not isinstance(kind, Float)
        }
        return {name: digits for name, digits in told.items() if digits}
