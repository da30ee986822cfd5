"""What is wrong with bookmarks that were set by hand, in words that kinds of sources share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from app.domain.attempt_protocol import SourceJob

READS_EVERYTHING: Final = "the collection reads everything each time, and has no bookmark"


def no_bookmark_problem(_value: Any, _job: SourceJob) -> str:
    """For kinds that have none."""
    return READS_EVERYTHING


def object_problem(value: Any) -> str | None:
    """For kinds whose bookmark is a JSON object of any form."""
    return None if isinstance(value, dict) else "it must be a JSON object"
