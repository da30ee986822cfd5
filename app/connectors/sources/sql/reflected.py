"""Databases that are known through SQLAlchemy alone, which asks their catalogues, and MySQL among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Float, Numeric, inspect
from sqlalchemy.exc import SQLAlchemyError

from app.connectors.schema import Digits
from app.connectors.sources.sql.dialect import Dialect

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Reflected(Dialect):
    """Any that SQLAlchemy knows."""

    def digits(self, connection: Connection, table: str, schema: str | None) -> dict[str, Digits]:
        try:
            found = inspect(connection).get_columns(table, schema)
        except SQLAlchemyError:  # not all that can be read is in the catalogue, as a synonym
            return {}
        kinds = {each["name"]: each["type"] for each in found if isinstance(each["type"], Numeric)}
        told = {
            name: Digits.of(kind.precision, kind.scale) for name, kind in kinds.items() if not isinstance(kind, Float)
        }
        return {name: digits for name, digits in told.items() if digits}


class Mysql(Reflected):
    """MySQL and MariaDB, which give points in time as the session's zone has them."""

    def begin(self, connection: Connection) -> None:
        # In another zone an hour comes twice in autumn. It goes after what the address says of `init_command`.
        connection.exec_driver_sql("SET time_zone = '+00:00'")
