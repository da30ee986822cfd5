"""How rows arrive at a destination: what becomes of the rows that are there, and of fields that are new."""

from __future__ import annotations

import enum


class WriteMode(enum.StrEnum):
    """What becomes of the rows that are there."""

    APPEND = "append"
    """They stay, whatever comes is added."""
    UPSERT = "upsert"
    """Those with the key of a row that comes are replaced by it."""
    REPLACE = "replace"
    """All of them go when the new ones are complete."""
    HISTORY = "history"
    """They stay as versions, each with the time from and to which it was the current one of its key."""


class SchemaPolicy(enum.StrEnum):
    """What becomes of fields that the table at the destination has no column for."""

    EVOLVE = "evolve"
    FREEZE = "freeze"
    DISCARD = "discard"
