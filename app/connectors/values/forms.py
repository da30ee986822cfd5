"""Which strings sort by what they mean: those of one form, which differ only in digits.

As strings, `10:00:00Z` sorts after `10:00:00.5Z`, `999` after `1000`, and of two times with different offsets from UTC
the earlier one may sort last. The form of a string is the string with 0 for each digit, and its offset. If its first
digits are not the most significant, it is a form of its own. The expressions mean the same in PostgreSQL, DuckDB and
Python.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

DIGIT: Final = "[0-9]"
OFFSET: Final = (
    "(?:[0-9][Tt ][0-9:.,]+|:[0-9.,]+) ?(?:UTC|GMT)?([+-][0-9]{1,2}(?::?[0-9]{2}){0,2})(?: ?[(\\[][^)\\]]*[)\\]])?$"
)
"""The offset from UTC after a time of day is its group; the name of the zone may follow in brackets (RFC 9557)."""

_MONTH: Final = (
    "(jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sept?(ember)?|oct(ober)?|nov(ember)?"
    "|dec(ember)?)"
)
_WEEKDAY: Final = "(mon|tues?|wed(nes)?|thu(rs)?|fri|sat(ur)?|sun)(day)?"
_PERIOD: Final = "([qhw]|[ck]w|week|quarter|half)"
_YEAR: Final = "(19|20)[0-9]{2}"
_BELOW_ZERO: Final = "numbers below zero do not sort by size"
_MONTH_FIRST: Final = "strings that begin with the day or the month do not sort by time"
_YEAR_LAST: Final = "strings with the year at the end do not sort by time"
# Regardless of case.
_UNORDERED_FORMS: Final = (
    ("^[^0-9a-z]*[-(][^0-9a-z]*[0-9]", _BELOW_ZERO),
    ("[0-9]-$", _BELOW_ZERO),
    ("^[+]?[0-9]+([.][0-9]+)?e[+-]?[0-9]+$", "numbers with an exponent do not sort by size"),
    (f"^[^0-9a-z]*{_WEEKDAY}([^a-z0-9]|$)", "strings that begin with the day of the week do not sort by time"),
    (
        # `Jan 2`, `01-Feb-24`, `2024/Mar`, `01FEB2024`, but no hexadecimal digits, such as `65dec0` or `-1dec-`.
        f"(^|[^a-z0-9]|(^|[ ,(])([0-9]{{1,2}}(st|nd|rd|th)?|[0-9]{{4}})){_MONTH}([0-9]{{2}}|[0-9]{{4}})?([^a-z0-9]|$)",
        "strings with the name of a month do not sort by time",
    ),
    ("^[^0-9a-z]*[0-9]{1,2}[./-][0-9]{1,2}[./-]([0-9]{2})?([0-9]{2})?([^0-9]|$)", _MONTH_FIRST),
    ("^[^0-9a-z]*[0-9]{1,2}/[0-9]{1,2}([^0-9]|$)", _MONTH_FIRST),
    (f"^[^0-9]*[0-9]{{1,2}}[^0-9].*{_YEAR}([^0-9]|$)", _YEAR_LAST),
    # `Q1/25`, `week 1-25`, `Q12025`, `1Q25`
    (f"^[^0-9a-z]*{_PERIOD} ?[0-9]{{1,2}}([^0-9a-z]+[0-9]{{2}}|{_YEAR})([^0-9]|$)", _YEAR_LAST),
    (f"^[^0-9a-z]*[0-9] ?[qh]([^0-9a-z]*[0-9]{{2}}|{_YEAR})([^0-9]|$)", _YEAR_LAST),
    ("[0-9] *[ap][.]?m([^a-z]|$)", "strings with AM or PM do not sort by time"),  # 12:30 is before 1:00
    ("[0-9] +[(]?bce?[)]?$", "years before Christ do not sort by time"),
    (
        # Without an offset, the hour that comes twice in autumn.
        "[0-9][t ][0-9]{2}:?[0-9]{2}[0-9:.,]* *[(\\[]?[a-z_]+/[a-z]",
        "times with the name of a region do not sort by time",
    ),
)
UNORDERED: Final = "(?i)" + "|".join(form for form, _ in _UNORDERED_FORMS)

_unordered = re.compile(UNORDERED).search
_year = re.compile(f"{_YEAR}([^0-9]|$)").search
_ZEROS: Final = str.maketrans("123456789", "000000000")
_clock = re.compile("[Tt :][0-9:.,]").search
_offset = re.compile(OFFSET).search
_zone = re.compile(r"\d[Tt ]\d\d:?\d\d[\d:.,]* ?[(\[]?([A-Za-z]{1,5})[)\]]?$").search
_UTC: Final = frozenset({"Z", "UTC", "GMT"})


def is_unordered(text: str) -> bool:
    """Whether texts of this form do not sort by what they mean."""
    # Only in years does it matter which digits they are, so that one look is enough for all texts of a column.
    return _is_unordered(text if _year(text) else text.translate(_ZEROS))


@lru_cache(maxsize=1024)
def _is_unordered(text: str) -> bool:
    return _unordered(text) is not None


def why_unordered(text: str) -> str | None:
    return next((why for form, why in _UNORDERED_FORMS if re.search(form, text, re.IGNORECASE)), None)


def form_of(text: str) -> str:
    """Texts of one form sort by what they mean."""
    if is_unordered(text):
        return text
    found = _offset(text)
    return re.sub(DIGIT, "0", text) + (found[1] if found else "")


def without_offset(text: str) -> tuple[str, str]:
    """The part of a time before its offset from UTC, and the rest; all of any other text, and an empty string."""
    at = found.start(1) if (found := _offset(text)) else len(text)
    return text[:at], text[at:]


def zone_of(text: str) -> str | None:
    """What stands for the zone at the end of a time: an offset, or an abbreviation such as CEST; UTC for its names."""
    if not _clock(text):
        return None
    if found := _offset(text):
        return found[1]
    name = found[1].upper() if (found := _zone(text)) else None
    return "UTC" if name in _UTC else name
