"""Cursors that are strings: rows that the database sorts before the bookmark although they may be later.

Databases compare strings by their characters or by a collation: 10 before 9, a space before a T. Strings of the
bookmark's own form sort by what they mean, so that only others are looked at: there may be millions of rows.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, not_, or_, true

from app.connectors.values import cursors
from app.connectors.values.forms import is_unordered, without_offset

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

_DATED: Final = re.compile(r"\d{4}-\d\d-\d\d")
_DATED_FORM: Final = "____-__-__%"
_FARTHEST_ZONES: Final = 2  # days; no two zones differ by more
# Versions 1 to 5; 6 and 7 begin with the time (RFC 9562).
_RANDOM: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def suspicious_texts(text: ColumnElement[Any], bookmark: str) -> ColumnElement[bool]:
    """The condition for strings before `bookmark` that `is_misplaced` has to look at."""
    if is_unordered(bookmark):
        return true()
    if _DATED.match(bookmark) and (day := _day_before(bookmark)):
        return and_(not_(_is_like(text, _form(bookmark))), or_(text >= day, not_(_is_like(text, _DATED_FORM))))
    if cursors.is_time_or_number(bookmark):
        return not_(_is_like(text, _form(bookmark)))
    dated, first_digit = _is_like(text, _DATED_FORM), re.search(r"\d", bookmark)
    if first_digit is None:
        return dated
    # Numbers in strings that are otherwise alike, such as INV-999 and INV-1000.
    begin, of_one_length = _escape(bookmark[: first_digit.start()]) + "%", "_" * len(bookmark)
    return or_(dated, and_(_is_like(text, begin), not_(_is_like(text, of_one_length))))


def is_misplaced(value: Any, bookmark: Any) -> bool:
    """Whether `value`, which the database sorts before `bookmark`, is not earlier, or of another kind.

    A row with the same moment in another form may have come after the bookmark, and would not be read.
    """
    if not isinstance(value, str) or not isinstance(bookmark, str):
        return True
    return cursors.is_misplaced(value.rstrip(), bookmark.rstrip())


def does_not_grow(bookmark: Any) -> bool:
    """Whether `bookmark` is a UUID of a version that does not begin with the time."""
    return _RANDOM.fullmatch(str(bookmark)) is not None


def _form(bookmark: str) -> str:
    """A pattern with `_` for each digit, except in an offset from UTC: of several offsets, characters do not tell."""
    moment, offset = without_offset(bookmark)
    return re.sub(r"\d", "_", _escape(moment)) + _escape(offset)


def _escape(text: str) -> str:
    return re.sub(r"[%_/]", r"/\g<0>", text)


def _is_like(text: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    return text.like(pattern, escape="/")


def _day_before(moment: str) -> str | None:
    """A day that ended before `moment` in every zone, so that any text before it is an earlier time."""
    try:
        return (date.fromisoformat(moment[:10]) - timedelta(days=_FARTHEST_ZONES)).isoformat()
    except (ValueError, OverflowError):
        return None
