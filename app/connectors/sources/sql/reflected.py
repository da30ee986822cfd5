"""Databases that only SQLAlchemy knows, which asks their catalogues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Float, Numeric, inspect
from sqlalchemy.exc import SQLAlchemyError

from app.connectors.contract.schema import Digits
from app.connectors.sources.sql.dialect import Declared, Dialect

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection
    from sqlalchemy.types import TypeEngine


# Their types for points in time come in the zone of the session, where an hour repeats in autumn.
_IN_UTC: Final = {
    **dict.fromkeys(("postgresql", "redshift", "cockroachdb"), "SET timezone = 'UTC'"),
    "oracle": "ALTER SESSION SET TIME_ZONE = '+00:00'",
    "snowflake": "ALTER SESSION SET TIMEZONE = 'UTC'",
}

# Other drivers of PostgreSQL.
_NAMED_BY_APPLICATION: Final = frozenset({"postgresql+psycopg2", "postgresql+psycopg2cffi", "postgresql+pg8000"})


class Reflected(Dialect):
    """Any that SQLAlchemy knows."""

    def session_name(self, url: URL, name: str) -> dict[str, Any]:
        is_known = url.drivername in _NAMED_BY_APPLICATION and "application_name" not in url.query
        return {"application_name": name} if is_known else {}

    def begin(self, connection: Connection) -> None:
        if setting := _IN_UTC.get(connection.dialect.name):
            connection.exec_driver_sql(setting)

    def declared(self, connection: Connection, table: str, schema: str | None) -> dict[str, Declared]:
        try:
            found = inspect(connection).get_columns(table, schema)
        except (
            SQLAlchemyError,
            NotImplementedError,
        ):  # a synonym, for instance, can be read but is not in the catalogue
            return {}
        return {
            each["name"]: Declared(
                full_type=_type_name(each["type"], connection),
                digits=_digits(each["type"]),
                required=not each["nullable"],
            )
            for each in found
        }


def _type_name(type_: TypeEngine[Any], connection: Connection) -> str:
    try:
        return str(type_.compile(connection.dialect)).lower()
    except (SQLAlchemyError, NotImplementedError):  # a type that SQLAlchemy does not know
        return ""


def _digits(type_: TypeEngine[Any]) -> Digits | None:
    if not isinstance(type_, Numeric) or isinstance(type_, Float):
        return None
    return Digits.of(type_.precision, type_.scale)
