"""Databases that only SQLAlchemy knows, which asks their catalogues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Float, Numeric, inspect
from sqlalchemy.exc import SQLAlchemyError

from app.connectors.contract.schema import Digits
from app.connectors.sources.sql.dialect import Dialect

if TYPE_CHECKING:
    from sqlalchemy import Connection


# Their types for points in time come in the zone of the session, where an hour repeats in autumn.
_IN_UTC: Final = {
    **dict.fromkeys(("postgresql", "redshift", "cockroachdb"), "SET timezone = 'UTC'"),
    "oracle": "ALTER SESSION SET TIME_ZONE = '+00:00'",
    "snowflake": "ALTER SESSION SET TIMEZONE = 'UTC'",
}


class Reflected(Dialect):
    """Any that SQLAlchemy knows."""

    def begin(self, connection: Connection) -> None:
        if setting := _IN_UTC.get(connection.dialect.name):
            connection.exec_driver_sql(setting)

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
