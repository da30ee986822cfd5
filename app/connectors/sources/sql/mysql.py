"""MySQL and MariaDB, through any driver: what drivers change is selected in another form.

A TIMESTAMP comes in the session's time zone, so that is set to UTC. Zero dates such as 0000-00-00, which are no days,
come as NULL. A TIME is a length of time of up to 838 hours. A FLOAT is sent with six digits unless it is computed with.
Drivers do not parse MySQL's JSON; MariaDB's is text.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import String, cast, literal_column, or_, text

from app.connectors.contract.schema import Kind
from app.connectors.sources.sql.dialect import SourceColumn, describe_columns
from app.connectors.sources.sql.reflected import Reflected
from app.connectors.values import jsontext
from app.connectors.values.floats import shortest_single

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL, ColumnElement, Connection, Select

    from app.connectors.sources.sql.dialect import Declared

# From the protocol, so every driver has them: https://mariadb.com/kb/en/result-set-packets/#field-types
_FLOAT, _TIME = 4, 11
_TYPES: Final = {
    0: ("DECIMAL", Kind.DECIMAL),
    _FLOAT: ("FLOAT", Kind.FLOAT),
    5: ("DOUBLE", Kind.FLOAT),
    7: ("TIMESTAMP", Kind.TIMESTAMP),
    10: ("DATE", Kind.DATE),
    _TIME: ("TIME", Kind.INTERVAL),
    12: ("DATETIME", Kind.LOCAL_TIMESTAMP),
    245: ("JSON", Kind.JSON),
    246: ("DECIMAL", Kind.DECIMAL),
}
_DAYS: Final = ("TIMESTAMP", "DATE", "DATETIME")


class Mysql(Reflected):
    harm_of_old_snapshots = "the server keeps every version of each row that was changed or deleted since"

    def __init__(self) -> None:
        self._zone = "+00:00"

    def session_name(self, url: URL, name: str) -> dict[str, Any]:
        """In `performance_schema.session_connect_attrs`; not every driver can send it."""
        match url.get_driver_name():
            case "pymysql":
                return {} if "program_name" in url.query else {"program_name": name}
            case "mysqlconnector":
                return {"conn_attrs": {"program_name": name}}
            case _:
                return {}

    def begin(self, connection: Connection) -> None:
        """UTC, whatever the server or an `init_command` sets: elsewhere an hour repeats in autumn."""
        self._zone = connection.exec_driver_sql("SELECT @@session.time_zone").scalar_one()
        connection.exec_driver_sql("SET time_zone = '+00:00'")

    def columns(self, connection: Connection, everything: Select[Any]) -> list[SourceColumn]:
        return [_column(name, code) for name, code, *_ in describe_columns(connection, everything)]

    def declared(self, connection: Connection, table: str, schema: str | None) -> dict[str, Declared]:
        """Zero dates become NULL, even where NULL is not allowed."""
        found = super().declared(connection, table, schema)
        days = tuple(day.lower() for day in _DAYS)
        return {
            name: replace(each, required=False) if each.full_type.startswith(days) else each
            for name, each in found.items()
        }

    def exact(self, column: SourceColumn, expression: ColumnElement[Any]) -> ColumnElement[Any]:
        if column.type in (*_DAYS, "TIME"):
            return cast(expression, String)
        return expression + literal_column("0e0") if column.type == "FLOAT" else expression

    def missing_condition(self, column: SourceColumn, expression: ColumnElement[Any]) -> ColumnElement[bool]:
        missing = super().missing_condition(column, expression)
        return or_(missing, expression == literal_column("0")) if column.type in _DAYS else missing

    def may_be_single(self, column: SourceColumn) -> bool:
        return column.type == "FLOAT"

    def is_session_time(self, column: SourceColumn) -> bool:
        return column.type == "TIMESTAMP"

    def in_utc(self, connection: Connection, moment: datetime) -> datetime:
        converted = text("SELECT CONVERT_TZ(:moment, :zone, '+00:00')")
        found: datetime | None = connection.execute(converted, {"moment": moment, "zone": self._zone}).scalar()
        return found or moment


def _column(name: str, code: int) -> SourceColumn:
    type_, kind = _TYPES.get(code, ("", None))
    return SourceColumn(name, kind, convert=_CONVERT.get(type_), type=type_)


def _day(text_: str) -> date | None:
    return None if _is_zero(text_) else date.fromisoformat(text_)


def _moment(text_: str) -> datetime | None:
    return None if _is_zero(text_) else datetime.fromisoformat(text_)


def _is_zero(text_: str) -> bool:
    """Whether the year, the month or the day is zero, as MySQL allows it unless its mode forbids it."""
    return text_.startswith("0000") or "-00" in text_[:10]


_CONVERT: Final[dict[str, Callable[[Any], Any]]] = {
    "DATE": _day,
    "TIMESTAMP": _moment,
    "DATETIME": _moment,
    "FLOAT": shortest_single,
    "JSON": jsontext.decode,
}
