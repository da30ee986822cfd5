"""A source's tables, and the kinds of their columns.

A destination that has no type for a kind stores its values as text, unchanged. Whatever may hold several kinds of JSON
(unions, objects, arrays, no type at all) is `json`, so that 1 and "1" stay different.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from app.domain.numbers import signed_integers
from app.domain.writing import Deletes, Empty, SchemaPolicy, WriteMode


class Kind(enum.Enum):
    """What a column holds, before a destination chooses a type for it.

    There are three kinds of fractions. A `DECIMAL` is exact and has known or at least bounded `Digits`; a `FLOAT` is a
    binary double, which may be NaN or infinite; a `NUMBER`, as in JSON, may have been either, so that its digits are
    kept but its size is unknown. A `TIMESTAMP` is a point in time, a `LOCAL_TIMESTAMP` what a clock on the wall showed.
    """

    BOOLEAN = "boolean"
    INTEGER = "integer"
    BIG_INTEGER = "big integer"
    NUMBER = "number"
    DECIMAL = "decimal"
    FLOAT = "float"
    TEXT = "text"
    TIMESTAMP = "timestamp"
    LOCAL_TIMESTAMP = "local timestamp"
    DATE = "date"
    TIME = "time"
    INTERVAL = "interval"
    UUID = "uuid"
    JSON = "json"
    BYTES = "bytes"


_DELETED_AT: Final = "deleted_at"
MOST_DIGITS: Final = 38
"""Of a decimal in DuckDB, Parquet and most warehouses."""
_USUAL_SCALE: Final = 18
_DECIMAL = re.compile(r"decimal\((\d{1,4}), ?(\d{1,4})\)")


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

    @classmethod
    def of_fixed_scale(cls, known: Digits | None) -> Digits:
        """For destinations whose decimals have a fixed scale and at most 38 digits.

        Unknown digits become (38, 18), as in Spark's `DecimalType.SYSTEM_DEFAULT`: that has room for every integer of
        64 bits, and for the fractions of most currencies. What does not fit is refused.
        """
        if known is None:
            return cls(MOST_DIGITS, _USUAL_SCALE)
        return known if known.precision <= MOST_DIGITS else cls(MOST_DIGITS, min(known.scale, _USUAL_SCALE))

    def holds(self, other: Digits) -> bool:
        """Whether every number with the `other` digits has room, on both sides of the point."""
        return self.scale >= other.scale and self.precision - self.scale >= other.precision - other.scale

    def union(self, other: Digits) -> Digits:
        """The fewest digits that hold the numbers of both."""
        scale = max(self.scale, other.scale)
        return Digits(max(self.precision - self.scale, other.precision - other.scale) + scale, scale)


def type_name(kind: Kind, digits: Digits | None) -> str:
    """`decimal(18,2)` for a decimal with known digits, otherwise the kind's name."""
    return f"{kind.value}({digits.precision},{digits.scale})" if kind is Kind.DECIMAL and digits else kind.value


def parse_type(name: str) -> tuple[Kind, Digits | None]:
    """The inverse of `type_name`; raises `ValueError`."""
    if not (found := _DECIMAL.fullmatch(name)):
        return Kind(name), None
    digits = Digits(int(found[1]), int(found[2]))
    if not 0 <= digits.scale <= digits.precision or not digits.precision:
        raise ValueError(f"{name!r}: the digits after the point are among all digits, so there cannot be more of them")
    return Kind.DECIMAL, digits


@dataclass(frozen=True)
class Table:
    """A table of the source and how it is written to the destination.

    `key` is empty if rows have no identity; without `columns` there are no rows that could have one. With
    `full_refresh` this pass has all rows of the source, otherwise the new ones; it is `for_want_of_key` if the source
    can do nothing else only because rows that come again could not be recognised. The attempt sets `mode` and
    `schema_policy`, whatever the source says. `digits` are those of decimal columns, as far as they are known, and
    `source_types` what the source itself calls the types of columns. The source promises that `required` columns are
    never NULL. Columns are `inferred` if the source says nothing about them: values have shown them. The types of all
    others are `declared_by_user`, or by the source itself.

    `empty` and `max_shrink` (percent) say how far a reading of all rows may shrink the table; None: as far as it likes.
    The attempt sets them; a source with an option of its own may set `empty`.

    Of rows with equal keys the last one wins. With `newest_by`, a field or a path into the object in it, the one with
    the highest value there wins; a row without a value is older than all others.

    With `partial`, a record that lacks a field leaves that column of its row as it is; otherwise it makes it NULL. A
    record with a value for the field `delete_marker` says that its row was deleted; the attempt also sets `deletes`,
    which decides what happens then, and `gone`, which decides what an upsert does to rows that a full refresh did not
    bring. Of a deleted row, a record decides the fields that are named like the marker, and those `about_changes`.

    A table that is `aside` has what the source could not read as rows of the collection. How these are written says
    nothing about it, and it may be dropped: the bookmark does not stand for it.

    A source that sets `apart` goes on with its other tables if this one is refused: the error is thrown into it.

    Fields that the attempt has renamed have their names at the source in `source_names`. `nested` are the kinds that
    the source declares inside of objects, by path. Of rows that differ only in fields that are `stamps`, which say when
    a row was loaded, the one that is there stays.

    A source of a `resumable` table sends rows in parts, with a checkpoint after each, although it sends all rows; with
    `goes_on`, these are only the rows after its bookmark. The attempt makes such a table `gradual` where it has no rows
    to replace: then the parts need not wait for each other. A table `in_bulk` has many rows, and all of its columns are
    known. With `unique_key` the source promises that no two rows have the same key.
    """

    name: str
    columns: dict[str, Kind]
    key: tuple[str, ...] = ()
    cursor_field: str | None = None
    full_refresh: bool = False
    for_want_of_key: bool = False
    newest_by: tuple[str, ...] = ()
    mode: WriteMode = WriteMode.APPEND
    schema_policy: SchemaPolicy = SchemaPolicy.EVOLVE
    digits: dict[str, Digits] = field(default_factory=dict)
    source_types: dict[str, str] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    empty: Empty | None = None
    max_shrink: float | None = None
    inferred: frozenset[str] = frozenset()
    declared_by_user: bool = False
    partial: bool = False
    delete_marker: str | None = None
    deletes: Deletes = Deletes.MARK
    gone: Deletes = Deletes.IGNORE
    aside: bool = False
    apart: bool = False
    about_changes: frozenset[str] = frozenset()
    source_names: dict[str, str] = field(default_factory=dict)
    nested: dict[tuple[str, ...], Kind] = field(default_factory=dict)
    stamps: frozenset[str] = frozenset()
    resumable: bool = False
    goes_on: bool = False
    gradual: bool = False
    in_bulk: bool = False
    unique_key: bool = False

    @property
    def identity(self) -> tuple[str, ...]:
        """The key, if rows with equal keys are one row."""
        return () if self.mode is WriteMode.APPEND else self.key

    @property
    def change_prefix(self) -> str | None:
        """What the source's names of fields about a change begin with: the marker's without `deleted_at`."""
        marker = self.delete_marker
        return None if marker is None else self.source_names.get(marker, marker).removesuffix(_DELETED_AT)

    @property
    def comes_at_once(self) -> bool:
        """Whether rows may move only when all have arrived.

        They replace others, the pass is one snapshot, or only then it is known which rows are gone.
        """
        if self.gradual:
            return False
        if self.mode is WriteMode.UPSERT:
            return self.gone is not Deletes.IGNORE
        return self.mode is WriteMode.REPLACE or self.full_refresh


_LONG = signed_integers(64)
_INTEGERS = {Kind.INTEGER, Kind.BIG_INTEGER}
_MOMENTS = {Kind.TIMESTAMP, Kind.LOCAL_TIMESTAMP}
# The first group that has all kinds of a column's values decides. A time without a zone is one in UTC among others.
_COMMON: tuple[tuple[set[Kind], Kind], ...] = (
    (_INTEGERS, Kind.BIG_INTEGER),
    ({*_INTEGERS, Kind.NUMBER}, Kind.NUMBER),
    ({*_INTEGERS, Kind.DECIMAL, Kind.NUMBER}, Kind.DECIMAL),
    ({*_INTEGERS, Kind.DECIMAL, Kind.NUMBER, Kind.FLOAT}, Kind.NUMBER),
    (_MOMENTS, Kind.TIMESTAMP),
    ({Kind.TEXT, *_MOMENTS, Kind.DATE, Kind.TIME, Kind.INTERVAL, Kind.UUID}, Kind.TEXT),
)


def integer_kind(value: int) -> Kind:
    """The kind of column that holds `value`: an integer of 64 bits, or a bigger one."""
    # Not `in`, which would try every integer of the range for a value of a subclass, such as an enumeration's.
    return Kind.INTEGER if _LONG.start <= value < _LONG.stop else Kind.BIG_INTEGER


def common_kind(kinds: set[Kind]) -> Kind:
    """The one kind that keeps every value of all `kinds`."""
    if len(kinds) == 1:
        return next(iter(kinds))
    for group, kind in _COMMON:
        if kinds and kinds <= group:
            return kind
    return Kind.JSON
