"""Collections that a worker leaves to others, and since when nobody knows them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from app.domain.events import ATTEMPT_HANDED_BACK
from app.domain.task import Status
from tests.harness import a_task

if TYPE_CHECKING:
    from tests.harness import Store


async def test_any_other_way_back_into_the_queue_begins_the_two_minutes_anew(store: Store) -> None:
    worker = await store.worker()
    first = await store.claimed(worker)
    assert await store.queue.get_waiting_since(first, "unknown_since") == first.at
    again: dict[str, Any] = {"type_": ATTEMPT_HANDED_BACK, "status": Status.SCHEDULED}
    assert await store.end(worker, first, **again, details={"unknown_since": first.at})
    assert await store.queue.schedule(a_task(), again=True) == (first.task, False), "which is an event, and no way back"
    second = await store.claim(worker)
    assert await store.queue.get_waiting_since(second, "unknown_since") == first.at
    assert await store.end(worker, second, **again)
    third = await store.claim(worker)
    assert await store.queue.get_waiting_since(third, "unknown_since") == third.at


async def test_a_collection_is_left_to_others_until_its_moment(store: Store) -> None:
    worker, other = await store.worker(), await store.worker()
    for name in "abcd":
        await store.schedule(name)
    now = await store.pool.fetchval("SELECT syncline.clock()")
    left = {("s", "a"): now + timedelta(minutes=1), ("s", "b"): now, ("t", "c"): now + timedelta(minutes=1)}
    assert {claim.collection for claim in await store.queue.claim(worker, 10, left=left)} == {"b", "c", "d"}
    assert [claim.collection for claim in await store.queue.claim(other, 10)] == ["a"]
