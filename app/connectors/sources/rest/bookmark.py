"""The bookmark of a REST source: dlt's state of each resource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.connectors.contract.bookmarks import object_problem

if TYPE_CHECKING:
    from app.domain.attempt_protocol import SourceJob


def bookmark_problem(value: Any, job: SourceJob) -> str | None:
    """Why it cannot be used; None if it can."""
    if problem := object_problem(value):
        return problem
    name = job.collection.type
    if not any(isinstance(state, dict) and state.get("incremental") for state in value.values()):
        return f'it must have the state of a resource, such as {{"{name}": {{"incremental": {{…}}}}}}'
    return None
