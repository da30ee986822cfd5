"""Collections that load several tables, which their attempt finds by itself, each into a table of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.domain.collection import ALL
from app.domain.patterns import is_pattern

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.domain.attempt_protocol import SourceJob


ONE_TABLE: Final = (
    "needs a collection of one table, but this one finds its tables by itself: give the table a collection of its own"
)
"""What an `interval` and a backfill need."""


def loads_several(job: SourceJob) -> bool:
    """Whether the collection loads all streams of its source, or tables that match patterns."""
    return is_several(job.source_type, job.collection.type, job.collection.parameters)


def is_several(source_type: str, type_: str, parameters: Mapping[str, Any]) -> bool:
    """The same for a collection of this type with these parameters."""
    if source_type != "sql":
        return type_ == ALL
    if parameters.get("include") or parameters.get("exclude"):
        return True
    if parameters.get("query"):
        return False
    table = parameters.get("table")
    return is_pattern(str(table)) if table else type_ == ALL or is_pattern(type_)
