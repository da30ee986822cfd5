"""A table in parts that several connections read, and how far a first load of it has come.

    {"first_load": {"key": "id", "type": "bigint", "from": "1000001"}}

This bookmark covers all rows with a lower key. The value is PostgreSQL's own text. If the table has a cursor, `then` is
the bookmark of the highest one that was there when the first load began: what has changed since is above it.
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
    """`goes_on`: the rows before an earlier bookmark are left out. `unique_key`: no two rows have the same key.

    `then` is the bookmark of all parts.
    """

    parts: list[Part]
    then: str | None = None
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


def encode(key: str, type_: str, begin: str, *, then: str | None = None) -> str:
    fields = {"key": key, "type": type_, "from": begin}
    return jsontext.encode({"first_load": fields if then is None else {**fields, "then": jsontext.decode(then)}})


def is_first_load(bookmark: str | None) -> bool:
    return _fields(bookmark) is not None


def begin_of(bookmark: str | None) -> str:
    """Where it goes on, for people."""
    fields = _fields(bookmark) or {}
    return f"{fields.get('key')} = {fields.get('from')}"


def decode(bookmark: str | None, *, key: str, type_: str, cursor_field: str | None) -> str | None:
    """The first key that is left to be read; None if the bookmark does not say that of this key and cursor."""
    fields = _fields(bookmark) or {}
    begin, then = fields.get("from"), fields.get("then")
    cursor = then.get("cursor_field") if isinstance(then, dict) else None
    is_of_these = (fields.get("key"), fields.get("type"), cursor) == (key, type_, cursor_field)
    return begin if is_of_these and isinstance(begin, str) else None


def then_of(bookmark: str | None) -> str | None:
    then = (_fields(bookmark) or {}).get("then")
    return None if then is None else jsontext.encode(then)


def _fields(bookmark: str | None) -> dict[str, object] | None:
    try:
        found = jsontext.decode(bookmark or "{}")["first_load"]
    except (msgspec.MsgspecError, LookupError, TypeError):
        return None
    return found if isinstance(found, dict) else None
