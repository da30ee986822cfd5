"""Why a task waits for its next attempt, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.timestamp import utc_in_words

if TYPE_CHECKING:
    from datetime import datetime


def waiting_in_words(until: datetime, reason: str) -> str:
    """A clause such as `waiting until 2026-12-01 15:00:00Z because the quota is used up`."""
    return f"waiting until {utc_in_words(until)} because {reason}"
