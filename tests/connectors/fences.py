"""Who writes, for tests that make a destination by hand."""

from __future__ import annotations

from app.connectors.contract.passes import Fence
from app.connectors.contract.standing import Standing


def fence_of(task: str, *, claim: int = 1, attempt: int = 1) -> Fence:
    """That of a claim for the collection `c` of the source `s`, whose table is `made`."""
    return Fence(
        task=task,
        task_id="t",
        attempt=attempt,
        claim=claim,
        source="s",
        collection="c",
        generation=0,
        standing=Standing("made", "made"),
    )
