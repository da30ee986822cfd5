"""MySQL and MariaDB, through any driver: a TIMESTAMP comes in the session's time zone, so that is set to UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from app.connectors.contract.schema import Kind
from app.connectors.sources.sql.dialect import SourceColumn, describe_columns
from app.connectors.sources.sql.reflected import Reflected

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Select

# From the protocol, so every driver has it: https://mariadb.com/kb/en/result-set-packets/#field-types
_TIMESTAMP = 7


class Mysql(Reflected):
    def __init__(self) -> None:
        self._zone = "+00:00"

    def begin(self, connection: Connection) -> None:
        """UTC, whatever the server or an `init_command` sets: elsewhere an hour repeats in autumn."""
        self._zone = connection.exec_driver_sql("SELECT @@session.time_zone").scalar_one()
        connection.exec_driver_sql("SET time_zone = '+00:00'")

    def columns(self, connection: Connection, everything: Select[Any]) -> list[SourceColumn]:
        found = describe_columns(connection, everything)
        return [_column(name, is_moment=code == _TIMESTAMP) for name, code, *_ in found]

    def is_session_time(self, column: SourceColumn) -> bool:
        return column.type == "TIMESTAMP"

    def in_utc(self, connection: Connection, moment: datetime) -> datetime:
        converted = text("SELECT CONVERT_TZ(:moment, :zone, '+00:00')")
        found: datetime | None = connection.execute(converted, {"moment": moment, "zone": self._zone}).scalar()
        return found or moment


def _column(name: str, *, is_moment: bool) -> SourceColumn:
    """A DATETIME has no zone, and is found by its values."""
    return SourceColumn(name, Kind.TIMESTAMP, type="TIMESTAMP") if is_moment else SourceColumn(name)
