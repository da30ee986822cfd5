"""What pages share: one reading for all who may see the same, and never an older one than they know of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from app.domain.feed import Place
from app.ui.shared import Shared

if TYPE_CHECKING:
    from collections.abc import Callable


class Source:
    """Gives 1, 2 and so on, each when it is let go."""

    def __init__(self) -> None:
        self.reads = 0
        self.may_end = asyncio.Event()

    async def read(self) -> int:
        self.reads += 1
        number = self.reads
        await self.may_end.wait()
        return number


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the clock, which begins at 100 seconds."""
    now = 100.0
    monkeypatch.setattr("app.ui.shared.time.monotonic", lambda: now)

    def set_clock(seconds: float) -> None:
        nonlocal now
        now = seconds

    return set_clock


async def begun(awaitable: asyncio.Task[int]) -> asyncio.Task[int]:
    """The task, after it has come to its first wait."""
    for _ in range(3):
        await asyncio.sleep(0)
    return awaitable


async def test_all_who_come_within_a_second_get_one_reading(at: Callable[[float], None]) -> None:
    shared, source = Shared(), Source()
    first = await begun(asyncio.create_task(shared.get("key", source.read)))
    at(100.9)
    second = await begun(asyncio.create_task(shared.get("key", source.read)))
    source.may_end.set()
    assert [await first, await second, await shared.get("key", source.read)] == [1, 1, 1]
    at(101.1)
    assert await shared.get("key", source.read) == 2
    assert await shared.get("another", source.read) == 3


async def test_who_comes_late_into_a_long_reading_waits_for_the_next(at: Callable[[float], None]) -> None:
    shared, source = Shared(), Source()
    first = await begun(asyncio.create_task(shared.get("key", source.read)))
    at(103)
    late = [await begun(asyncio.create_task(shared.get("key", source.read))) for _ in range(3)]
    assert source.reads == 1
    source.may_end.set()
    assert await first == 1
    assert await asyncio.gather(*late) == [2, 2, 2]


async def test_what_began_before_something_was_told_is_not_given_to_those_who_know(at: Callable[[float], None]) -> None:
    at(100)
    shared, source = Shared(), Source()
    before = await begun(asyncio.create_task(shared.get("key", source.read)))
    shared.forget_before(Place.after_all_of(7))
    after = await begun(asyncio.create_task(shared.get("key", source.read)))
    source.may_end.set()
    assert [await before, await after] == [1, 2]
    shared.forget_before(Place.after_all_of(7))
    assert await shared.get("key", source.read) == 2
    shared.forget()
    assert await shared.get("key", source.read) == 3


async def test_what_many_say_of_one_moment_makes_readings_old_once(at: Callable[[float], None]) -> None:
    shared, source = Shared(), Source()
    source.may_end.set()
    assert await shared.get("key", source.read) == 1
    at(100.1)
    shared.forget_until(100.05)
    assert await shared.get("key", source.read) == 2
    shared.forget_until(100.05)
    assert await shared.get("key", source.read) == 2


async def test_an_error_is_for_those_who_wait_and_nobody_else() -> None:
    shared, source = Shared(), Source()

    async def fail() -> int:
        await source.may_end.wait()
        raise LookupError("gone")

    waiting = [await begun(asyncio.create_task(shared.get("key", fail))) for _ in range(2)]
    source.may_end.set()
    for task in waiting:
        with pytest.raises(LookupError):
            await task
    assert await shared.get("key", source.read) == 1


async def test_one_who_leaves_does_not_end_the_reading_of_others() -> None:
    shared, source = Shared(), Source()
    leaving = await begun(asyncio.create_task(shared.get("key", source.read)))
    staying = await begun(asyncio.create_task(shared.get("key", source.read)))
    leaving.cancel()
    await asyncio.wait([leaving])
    source.may_end.set()
    assert await staying == 1


async def test_old_results_do_not_stay_in_memory(at: Callable[[float], None]) -> None:
    shared, source = Shared(), Source()
    source.may_end.set()
    for second in range(1000):
        at(100.0 + 2 * second)
        await shared.get(second, source.read)
    assert len(shared._readings) <= 2
