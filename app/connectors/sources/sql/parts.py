"""A table in parts that several connections read, and how far a first load of it has come.

    {"first_load": {"key": "id", "type": "bigint", "from": "1000001"}}

This bookmark covers all rows with a lower key. The value is PostgreSQL's own text.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from app.connectors.values import jsontext


@dataclass(frozen=True, slots=True)
class Part:
    """A statement for some of the rows; `bookmark` covers them and those of all earlier parts, if that is possible."""

    statement: str
    bookmark: str | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """`goes_on`: the rows before an earlier bookmark are left out. `unique_key`: no two rows have the same key."""

    parts: list[Part]
    goes_on: bool = False
    unique_key: bool = False

    @property
    def resumable(self) -> bool:
        return any(part.bookmark for part in self.parts)


class ReadError(Exception):
    """A connection that reads parts has failed. `sqlstate` is PostgreSQL's, and may be empty."""

    def __init__(self, message: str, sqlstate: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


def encode(key: str, type_: str, begin: str) -> str:
    return jsontext.encode({"first_load": {"key": key, "type": type_, "from": begin}})


def is_first_load(bookmark: str | None) -> bool:
    return _fields(bookmark) is not None


def begin_of(bookmark: str | None) -> str:
    """Where it goes on, for people."""
    fields = _fields(bookmark) or {}
    return f"{fields.get('key')} = {fields.get('from')}"


def decode(bookmark: str | None, *, key: str, type_: str) -> str | None:
    """The first key that is left to be read; None if the bookmark does not say that of this key."""
    fields = _fields(bookmark) or {}
    begin = fields.get("from")
    return begin if (fields.get("key"), fields.get("type")) == (key, type_) and isinstance(begin, str) else None


def _fields(bookmark: str | None) -> dict[str, object] | None:
    try:
        found = jsontext.decode(bookmark or "{}")["first_load"]
    except (msgspec.MsgspecError, LookupError, TypeError):
        return None
    return found if isinstance(found, dict) else None
