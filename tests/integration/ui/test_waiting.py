"""A task between two attempts says on its page, in the list and in the API until when it waits, and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.events import ATTEMPT_FAILED, ATTEMPT_HANDED_BACK
from app.domain.task import Status, task_id
from tests.harness import ending
from tests.integration.api.serving import TOKEN

if TYPE_CHECKING:
    import httpx

    from tests.harness import Store


@pytest.mark.parametrize(
    ("type_", "because"),
    [(ATTEMPT_HANDED_BACK, ' because <bdi class="error">the quota is &lt;used&gt; up</bdi>'), (ATTEMPT_FAILED, "")],
)
async def test_a_task_that_waits_says_until_when_and_why(
    visitor: httpx.AsyncClient, store: Store, type_: str, because: str
) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker, "quick", source="load")
    said: dict[str, Any] = {"error": "the quota is <used> up"} if type_ == ATTEMPT_FAILED else {}
    details = {} if said else {"reason": "the quota is <used> up", "postponed_since": claim.at}
    back = ending(claim, type_, Status.SCHEDULED, delay=timedelta(hours=1), details=details, **said)
    assert await store.queue.end_attempts(worker, [back]) == []
    path = f"/tasks/{task_id('load', 'quick', claim.task)}"
    headers = {"X-Admin-Token": TOKEN}
    task = (await visitor.get(f"/api/v1{path}", headers=headers)).json()
    assert task["waiting"]["reason"] == "the quota is <used> up"
    until = f"{datetime.fromisoformat(task['waiting']['until']):%Y-%m-%d %H:%M:%SZ}"
    [listed] = (await visitor.get("/api/v1/tasks/recent", headers=headers)).json()["tasks"]
    assert listed["waiting"] == task["waiting"]
    page = (await visitor.get(path)).text
    assert f">{until}</time>{because}</div>" in page
    assert ("Attempt 1 was postponed to" in page) == (type_ == ATTEMPT_HANDED_BACK)
    collection = (await visitor.get("/collection?source=load&collection=quick")).text
    assert (f"waiting until {until} because the quota is &lt;used&gt; up" in collection) == bool(because)
