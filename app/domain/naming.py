"""How a destination names the tables and columns that it makes: as the source does, in snake_case, or as Classic does.

"Order ID" → order_id, "orderId" → order_id, "Amount (EUR)" → amount_eur, "Größe" → grosse, "2FA" → _2_fa
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final, Literal

from app.domain.classic_names import classic_name

if TYPE_CHECKING:
    from collections.abc import Callable

Naming = Literal["as_is", "snake_case", "classic"]
PlainNaming = Literal["as_is", "snake_case"]
"""That of destinations to which Jitsu Classic's tables mean nothing."""

RESERVED: Final = "_syncline"
"""The beginning of the names of tables and columns that Syncline makes for itself."""

AS_IS: Final[PlainNaming] = "as_is"
CLASSIC: Final[Naming] = "classic"

# Latin letters that Unicode does not take apart into one of ASCII and an accent.
_LATIN: Final = str.maketrans({
    "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L",
    "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "TH", "ħ": "h", "Ħ": "H", "\u0131": "i",
})  # fmt: skip
_ACCENTS: Final = re.compile(r"[\u0300-\u036f]")
_OTHERS: Final = re.compile(r"[^A-Za-z0-9]+")
# Between "order" and "Id", and between "HTTP" and "Server".
_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def namer(naming: Naming) -> Callable[[str], str]:
    """What turns a name of the source into one of the destination."""
    return {"snake_case": snake_case, "classic": classic_name}.get(naming, str)


def snake_case(name: str) -> str:
    """`name` in lower-case letters of ASCII, digits and single underscores, none at the end; "" if nothing is left.

    An underscore at the beginning stays, and there is one before a digit.
    """
    latin = _ACCENTS.sub("", unicodedata.normalize("NFKD", name).translate(_LATIN))
    words = _OTHERS.sub("_", _WORDS.sub("_", latin)).strip("_").lower()
    return f"_{words}" if words and (words[0].isdigit() or name.startswith("_")) else words


def is_reserved(name: str) -> bool:
    """Whether a table or column may only be Syncline's own; in any case, because DuckDB and file systems fold it."""
    return name.casefold().startswith(RESERVED)


def reserved_table_problem(name: str) -> str | None:
    """Why a collection must not load into the table `name`, if so: Syncline's own tables are beside the loaded ones."""
    if not is_reserved(name):
        return None
    return (
        f"table names that begin with '{RESERVED}' are reserved for Syncline's own tables: give {name!r} another "
        "'table_name'"
    )
