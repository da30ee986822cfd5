"""What goes on beside a block ends with it, and no failure of it is lost; what callers share is done in rounds."""

from __future__ import annotations

import asyncio

import pytest

from app.loops import Rounds, running_alongside


class Beside:
    """Goes on until it is canceled, or fails once it has begun."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.began = asyncio.Event()
        self.ended = asyncio.Event()
        self._failure = failure

    async def run(self) -> None:
        self.began.set()
        if self._failure:
            raise self._failure
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # the end of the block waits for it
            self.ended.set()


async def block(*others: Beside, failure: Exception | None = None) -> None:
    async with running_alongside(*(other.run() for other in others)):
        for other in others:
            await other.began.wait()
            assert not other.ended.is_set()
        if failure:
            raise failure


async def test_what_goes_on_beside_a_block_ends_with_it() -> None:
    others = Beside(), Beside()
    await block(*others)
    assert all(other.ended.is_set() for other in others)


async def test_a_failure_beside_a_block_fails_the_end_of_the_block() -> None:
    failing, other = Beside(OSError("beside")), Beside()
    with pytest.raises(OSError, match="beside"):
        await block(failing, other)
    assert other.ended.is_set()


async def test_a_block_that_fails_itself_tells_its_own_failure() -> None:
    other = Beside()
    with pytest.raises(ValueError, match="within"):
        await block(Beside(OSError("beside")), other, failure=ValueError("within"))
    assert other.ended.is_set()


class Counted:
    """Work that takes until `go` is set, and counts its rounds."""

    def __init__(self) -> None:
        self.rounds = 0
        self.go = asyncio.Event()

    async def work(self) -> None:
        self.rounds += 1
        await self.go.wait()


async def test_calls_at_the_same_time_share_a_round_that_began_after_them() -> None:
    counted = Counted()
    share = Rounds(counted.work)
    first = asyncio.create_task(share())
    await asyncio.sleep(0)
    # The first round has begun and serves none of these.
    others = [asyncio.create_task(share()) for _ in range(10)]
    await asyncio.sleep(0)
    counted.go.set()
    await asyncio.gather(first, *others)
    assert counted.rounds == 2
    await share()
    assert counted.rounds == 3


async def test_a_round_that_is_canceled_helps_nobody() -> None:
    counted, lock = Counted(), asyncio.Lock()
    share = Rounds(counted.work, lock=lock)
    async with lock:
        first, second = [asyncio.create_task(share()) for _ in range(2)]
        await asyncio.sleep(0)  # both wait now, for the same round
    await asyncio.wait([first], timeout=0)
    assert counted.rounds == 1
    first.cancel()
    counted.go.set()
    await second
    assert (first.cancelled(), counted.rounds) == (True, 2)
