"""How a function describes the table of its records."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias, TypeVar, get_args

ColumnType: TypeAlias = Literal[
    "boolean",
    "integer",
    "big integer",
    "number",
    "decimal",
    "float",
    "text",
    "timestamp",
    "local timestamp",
    "date",
    "time",
    "interval",
    "uuid",
    "json",
    "bytes",
]
"""`integer` has 64 bits, `big integer` any size. `decimal` is exact, also as `decimal(18,2)`: 18 digits, 2 of them
after the point; `float` is a double; `number` keeps the digits of either. A `timestamp` is a point in time, a
`local timestamp` has no zone. `json` holds whatever JSON can."""

Mode: TypeAlias = Literal["full_refresh", "incremental"]
"""All records each time, which replace the previous ones; or only those that are new since the bookmark."""

Function = TypeVar("Function", bound=Callable[..., Any])

PYTHON_TYPES: Final[Mapping[type, ColumnType]] = {
    bool: "boolean",
    int: "integer",
    float: "float",
    Decimal: "decimal",
    str: "text",
    dt.datetime: "timestamp",
    dt.date: "date",
    dt.time: "time",
    bytes: "bytes",
    dt.timedelta: "interval",
    uuid.UUID: "uuid",
    dict: "json",
    list: "json",
    object: "json",
}
_DECIMAL: Final = re.compile(r"decimal\((\d{1,4}), ?(\d{1,4})\)")
DECLARED: Final = "__syncline_schema__"


class Schema:
    """Columns, key and mode of a collection: the decorator of its function, or the first thing that it yields.

    Args:
        columns: each column's type, as a `ColumnType` or as the Python type that stands for it (`bool`, `int`, `float`,
            `Decimal`, `str`, `bytes`, `datetime`, `date`, `time`, `timedelta`, `UUID`; `dict`, `list` and `object` are
            `json`). Fields that are not named here get the type of their first values.
        key: the column or columns that identify a record: a record replaces the one with the same key.
        mode: `full_refresh` (the default) or `incremental`.
        cursor_field: a column that only grows. Without a key, records at or below its highest value that are sent again
            are recognised by it.
        intervals: the function supports backfills: it yields what lies in `Context.interval`.

    The catalogue's keys of the collection (`primary_key`, `sync_mode`, `cursor_field`) override these.

    Raises:
        TypeError, ValueError: a type, a mode or a column of the key does not exist.
    """

    __slots__ = ("columns", "cursor_field", "intervals", "key", "mode")

    def __init__(
        self,
        *,
        columns: Mapping[str, ColumnType | str | type] | None = None,
        key: str | Iterable[str] = (),
        mode: Mode | None = None,
        cursor_field: str | None = None,
        intervals: bool = False,
    ) -> None:
        self.columns: dict[str, str] = {
            _name(name): _column_type(name, given) for name, given in (columns or {}).items()
        }
        self.key: tuple[str, ...] = (key,) if isinstance(key, str) else tuple(map(_name, key))
        self.mode: Mode | None = mode
        self.cursor_field = cursor_field
        self.intervals = intervals
        if mode is not None and mode not in get_args(Mode):
            raise ValueError(f"unknown mode {mode!r}; choose one of {', '.join(get_args(Mode))}")
        named = [*self.key, *([cursor_field] if cursor_field else [])]
        if self.columns and (missing := [name for name in named if name not in self.columns]):
            unknown, known = (", ".join(map(repr, names)) for names in (missing, self.columns))
            raise ValueError(f"unknown column {unknown}; choose from {known}")

    def __call__(self, function: Function) -> Function:
        """Declares this schema for `function`, which is returned unchanged."""
        setattr(function, DECLARED, self)
        return function

    def __repr__(self) -> str:
        values = ((name, getattr(self, name)) for name in ("columns", "key", "mode", "cursor_field", "intervals"))
        return f"Schema({', '.join(f'{name}={value!r}' for name, value in values if value)})"


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"the name of a column must be a string, not {name!r}")
    return name


def _column_type(name: str, given: Any) -> str:
    if isinstance(given, type) and given in PYTHON_TYPES:
        return PYTHON_TYPES[given]
    if isinstance(given, str) and (digits := _DECIMAL.fullmatch(given)) and 0 < int(digits[1]) >= int(digits[2]):
        return given
    found: str | None = next((known for known in get_args(ColumnType) if known == given), None)
    if found is None:
        shown = given.__name__ if isinstance(given, type) else repr(given)
        valid = ", ".join([*get_args(ColumnType), "decimal(18,2)"])
        raise ValueError(f"column {name!r} has the unknown type {shown}; choose one of {valid}")
    return found
