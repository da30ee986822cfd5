"""A source's tables: JSON Schema (draft 4 to 2020-12) turned into kinds of columns.

A kind exists only if every destination can store its values unchanged. Whatever may hold several kinds of JSON (unions,
objects, arrays, no type at all) is `json`, so that 1 and "1" stay different.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from app.domain.numbers import signed_integers
from app.domain.writing import SchemaPolicy, WriteMode


class Kind(enum.Enum):
    """What a column holds, before a destination chooses a type for it."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    BIG_INTEGER = "big integer"
    NUMBER = "number"
    TEXT = "text"
    TIMESTAMP = "timestamp"
    DATE = "date"
    TIME = "time"
    JSON = "json"
    BYTES = "bytes"


class Digits(NamedTuple):
    """Of a decimal number: `precision` in all, `scale` of them after the point."""

    precision: int
    scale: int

    @classmethod
    def of(cls, precision: Any, scale: Any) -> Digits | None:
        """As databases report them; None if they do not. PostgreSQL's scale may be negative, or above the precision."""
        if not isinstance(precision, int) or not isinstance(scale, int) or precision < 1:
            return None
        return cls(precision - scale, 0) if scale < 0 else cls(max(precision, scale), scale)


@dataclass(frozen=True)
class Table:
    """A table of the source and how it is written to the destination.

    `key` is empty if rows have no identity. With `full_refresh` this pass has all rows of the source, otherwise the new
    ones. The attempt sets `mode` and `schema_policy`, whatever the source says. `digits` are those of decimal columns,
    as far as they are known.

    Of rows with equal keys the last one wins. With `newest_by`, a field or a path into the object in it, the one with
    the highest value there wins; a row without a value is older than all others.
    """

    name: str
    columns: dict[str, Kind]
    key: tuple[str, ...] = ()
    cursor_field: str | None = None
    full_refresh: bool = False
    newest_by: tuple[str, ...] = ()
    mode: WriteMode = WriteMode.APPEND
    schema_policy: SchemaPolicy = SchemaPolicy.EVOLVE
    digits: dict[str, Digits] = field(default_factory=dict)

    @property
    def identity(self) -> tuple[str, ...]:
        """The key, if rows with equal keys are one row."""
        return () if self.mode is WriteMode.APPEND else self.key

    @property
    def comes_at_once(self) -> bool:
        """Whether rows may move only when all have arrived: they replace others, or the pass is one snapshot."""
        return self.mode is WriteMode.REPLACE or (self.full_refresh and self.mode is not WriteMode.UPSERT)


_SCALARS = {"boolean": Kind.BOOLEAN, "number": Kind.NUMBER}
_FORMATS = {"date-time": Kind.TIMESTAMP, "date": Kind.DATE, "time": Kind.TIME}
_LONG = signed_integers(64)
_INTEGERS = {Kind.INTEGER, Kind.BIG_INTEGER}


def columns_of(schema: Any) -> dict[str, Kind]:
    """The columns of the objects that `schema` describes, in its order; none if it is not a JSON Schema."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return {name: kind_of(described) for name, described in properties.items()} if isinstance(properties, dict) else {}


def kind_of(schema: Any) -> Kind:
    """The kind that can store every value `schema` allows."""
    return common_kind(_kinds(schema))


def integer_kind(value: int) -> Kind:
    """The kind of column that holds `value`: an integer of 64 bits, or a bigger one."""
    # Not `in`, which would try every integer of the range for a value of a subclass, such as an enumeration's.
    return Kind.INTEGER if _LONG.start <= value < _LONG.stop else Kind.BIG_INTEGER


def common_kind(kinds: set[Kind]) -> Kind:
    """The one kind that keeps every value of all `kinds`."""
    if len(kinds) == 1:
        return next(iter(kinds))
    if kinds and kinds <= _INTEGERS:
        return Kind.BIG_INTEGER
    if kinds and kinds <= {*_INTEGERS, Kind.NUMBER}:
        return Kind.NUMBER
    if kinds and kinds <= {Kind.TEXT, *_FORMATS.values()}:
        return Kind.TEXT
    return Kind.JSON


def _kinds(schema: Any) -> set[Kind]:
    if not isinstance(schema, dict):
        return {Kind.JSON}
    for union in ("anyOf", "oneOf"):
        if isinstance(schema.get(union), list):
            return set().union(*map(_kinds, schema[union]))
    types = schema.get("type")
    if not isinstance(types, str | list):
        return {Kind.JSON}
    return {_kind(name, schema) for name in ([types] if isinstance(types, str) else types) if name != "null"}


def _kind(name: Any, schema: dict[str, Any]) -> Kind:
    if name == "string":
        return _FORMATS.get(str(schema.get("format")), Kind.TEXT)
    if name == "integer":
        bounds = [schema[bound] for bound in ("minimum", "maximum") if isinstance(schema.get(bound), int)]
        return common_kind({Kind.INTEGER, *map(integer_kind, bounds)})
    return _SCALARS.get(name, Kind.JSON) if isinstance(name, str) else Kind.JSON
