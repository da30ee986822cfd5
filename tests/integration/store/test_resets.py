"""The numbers of generations: what makes a reset void what destinations have kept, whatever became of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.domain.attempt_protocol import SavedBookmark
from app.store.resets import reset_collection
from tests.harness import until

if TYPE_CHECKING:
    from tests.harness import Store

HIGHEST_COUNTED = 2**31 - 1
MILLISECOND = "SELECT floor(extract(epoch FROM syncline.clock()) * 1000)"
HIGHEST_EXACT_IN_A_DOUBLE = 2**53


async def reset(store: Store, collection: str = "c") -> int:
    return await reset_collection(store.pool, "s", collection)


async def test_a_reset_after_a_restore_has_a_number_that_no_destination_has_seen(store: Store) -> None:
    seen = {await reset(store) for _ in range(3)}
    # The store as it was before: to it the next reset is the first.
    await store.admin.execute("DELETE FROM syncline.resets")
    # Within one millisecond chance decides about the order; a restore takes longer.
    before = await store.admin.fetchval(MILLISECOND)

    async def is_over() -> bool:
        return bool(await store.admin.fetchval(MILLISECOND) > before)

    await until(is_over)
    after = await reset(store)
    assert after not in seen
    assert max(seen) < after < HIGHEST_EXACT_IN_A_DOUBLE


@pytest.mark.parametrize("before", [1, HIGHEST_COUNTED, 2**60])
async def test_the_numbers_of_a_collection_grow_whatever_the_clock_says(store: Store, before: int) -> None:
    await store.admin.execute("INSERT INTO syncline.resets VALUES ('s', 'c', $1, now())", before)
    numbers = [before, *[await reset(store) for _ in range(5)]]
    assert numbers == sorted(set(numbers))


async def test_a_wide_number_reaches_attempts_and_bookmarks_as_it_is(store: Store) -> None:
    worker, number = await store.worker(), await reset(store)
    claim = await store.claimed(worker)
    assert claim.generation == number
    [(held, *_)] = await store.queue.list_held_attempts(worker)
    assert held.generation == number
    await store.streams.save_bookmark(worker, claim, commit=1, destination="d", rows=1, bookmark={"at": 1})
    assert await store.streams.get_saved_bookmarks(claim) == {"d": SavedBookmark({"at": 1})}
    assert (await store.events(claim.task))[-1].data["generation"] == number
    await reset(store)
    assert await store.pool.fetchval("SELECT count(*) FROM syncline.bookmarks") == 0
