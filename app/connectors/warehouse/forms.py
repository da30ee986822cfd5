"""Which strings sort by what they mean: those of one form, which differ only in digits.

As strings, `10:00:00Z` sorts after `10:00:00.5Z`, `999` after `1000`, and of two times with different offsets from UTC
the earlier one may sort last. The form of a string is the string with 0 for each digit, and its offset. If its first
digits are not the most significant, it is a form of its own. The expressions mean the same in PostgreSQL, DuckDB and
Python.
"""

from __future__ import annotations

import re
from typing import Final

DIGIT: Final = "[0-9]"
OFFSETS: Final = ("([+-][0-9]{2}:?[0-9]{2})$", ":[0-9.,]+ ?([+-][0-9]{2})$")
_UNORDERED: Final = (
    "^[ $]*[-(]|[0-9]-$",  # below zero
    "[0-9][eE][+-]?[0-9]",  # an exponent
    "^ *[0-9]{1,2}[./-][0-9]{1,2}[./-]",  # the day or the month first
    "^ *[0-9]{1,2}[ ./-]*[A-Za-z]{3}",  # the day before the name of the month
    "^ *[A-Za-z]{3,9}[.]?,? ",  # the name of a weekday or a month
    "^[^0-9]*[0-9]{1,2}[^0-9].*(19|20)[0-9]{2}([^0-9]|$)",  # anything before the year
    "[0-9] *[AaPp][.]?[Mm]([^A-Za-z]|$)",  # 12:30 is before 1:00
    "[0-9] *BC$",
)
UNORDERED: Final = "|".join(_UNORDERED)

_unordered = re.compile(UNORDERED).search
_offsets = [re.compile(offset).search for offset in OFFSETS]


def form_of(text: str) -> str:
    if _unordered(text):
        return text
    return re.sub(DIGIT, "0", text) + "".join(found[1] for offset in _offsets if (found := offset(text)))
