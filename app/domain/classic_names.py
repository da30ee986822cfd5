"""Names of Jitsu Classic (v1.44.8): what its Postgres destination makes of tables and fields, and its own columns.

"My-Stream.X" → my_stream_x, "Order Total" → order_total, "Größe" → gr__e
"""

from __future__ import annotations

import re
from typing import Final

EVENT_ID: Final = "eventn_ctx_event_id"
"""The column with which Classic recognises rows, unless its `unique_id_field` names another."""
TIMESTAMP: Final = "_timestamp"
SRC: Final = "src"
SOURCE_ID: Final = "_source_id"
COLLECTION_ID: Final = "_collection_id"
TIME_INTERVAL: Final = "_time_interval"
UNNAMED: Final = "_unnamed"

LONGEST_COLUMN: Final = 59
"""Characters that Classic leaves a column's name in Postgres."""

_OTHERS: Final = re.compile(r"[^a-z0-9]")
_KEPT: Final = 2


def classic_name(name: str) -> str:
    """In lower case; whatever is no letter or digit of ASCII becomes one underscore each."""
    # The only letter of which Python makes two in lower case, and Go one.
    return _OTHERS.sub("_", name.replace("\u0130", "i").lower())


def classic_column(path: tuple[str, ...]) -> str:
    """The column of the value at `path` in a record; the names of objects come first."""
    name = ""
    for part in path:
        name = classic_name(f"{name}_{part}" if name else part)
    return shortened(name or UNNAMED)


def shortened(name: str) -> str:
    """A name of at most `LONGEST_COLUMN` characters.

    Its parts are cut to two characters, from the first one on, until it is short enough. If all parts are short, or
    there is but one, its end is kept.
    """
    while len(name) > LONGEST_COLUMN:
        cut = _with_one_part_cut(name)
        if cut is None:
            return name[-LONGEST_COLUMN:]
        name = cut
    return name


def _with_one_part_cut(name: str) -> str | None:
    """`name` with its first long part cut; None if it has none, or only one part."""
    parts = name.split("_")
    if len(parts) == 1:
        return None
    before = ""
    for part in parts:
        if before:
            before += "_"
        if len(part) > _KEPT:
            # Everywhere in the name, as Classic does it.
            return name.replace(before + part, before + part[:_KEPT])
        before += part
    return None
