"""How a destination writes rows: what happens to existing rows, and to new fields."""

from __future__ import annotations

import enum
from typing import Final, Literal


class WriteMode(enum.StrEnum):
    """What happens to existing rows."""

    APPEND = "append"
    """They stay; all new rows are added."""
    UPSERT = "upsert"
    """Those with the same key as a new row are replaced by it."""
    REPLACE = "replace"
    """All of them are removed when the new ones are complete."""
    HISTORY = "history"
    """They stay as versions, with the time from and until which each was the current version of its key."""


class SchemaPolicy(enum.StrEnum):
    """What happens to fields without a column in the destination's table, and to values that a column cannot hold."""

    EVOLVE = "evolve"
    """They get a column; values are refused."""
    WIDEN = "widen"
    """They get a column; the type of the column changes to one that holds all of its values."""
    FREEZE = "freeze"
    """They are refused; values too."""
    DISCARD = "discard"
    """They are left out; values are refused."""

    @property
    def adds_columns(self) -> bool:
        return self in (SchemaPolicy.EVOLVE, SchemaPolicy.WIDEN)


BAD_ROWS: Final = "_bad_rows"
"""Ends the name of the table of rows that a source could not read."""

Empty = Literal["refuse", "allow"]
"""Whether a reading of all rows may find none, although the table has some."""

MAX_SHRINK: Final = 50.0
"""The usual share of a table's rows, in percent, that a reading of all rows may lack."""


class Deletes(enum.StrEnum):
    """What happens to rows that the source has deleted."""

    IGNORE = "ignore"
    """Nothing: records that say so are left out."""
    MARK = "mark"
    """They stay, with a mark."""
    REMOVE = "remove"
    """They are removed; in a history they end."""
