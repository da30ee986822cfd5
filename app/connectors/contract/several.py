"""Collections that load several tables, which their attempt finds by itself, each into a table of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.collection import ALL

if TYPE_CHECKING:
    from app.domain.attempt_protocol import SourceJob


def has_wildcards(name: str) -> bool:
    return "*" in name or "?" in name


def loads_several(job: SourceJob) -> bool:
    """Whether the collection loads all streams of its source, or tables that match patterns."""
    type_, parameters = job.collection.type, job.collection.parameters
    if job.source_type != "sql":
        return type_ == ALL
    if parameters.get("include") or parameters.get("exclude"):
        return True
    if parameters.get("query"):
        return False
    table = parameters.get("table")
    return has_wildcards(str(table)) if table else type_ == ALL or has_wildcards(type_)
