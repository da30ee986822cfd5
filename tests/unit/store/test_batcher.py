"""What is gathered: how much of it is under way at once, in which order, and who learns of which failure."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from app.store.batcher import Batcher

if TYPE_CHECKING:
    from collections.abc import Sequence


class Receiver:
    """Takes what is sent and answers when told to, each item with its double."""

    def __init__(self) -> None:
        self.sent: list[list[int]] = []
        self._answers: list[asyncio.Future[None]] = []
        self._more = asyncio.Event()

    async def send(self, items: Sequence[int]) -> list[int | Exception]:
        self.sent.append(list(items))
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        self._more.set()
        await answer
        return [item * 2 for item in items]

    async def has(self, sends: int) -> None:
        """Wait until so many were sent."""
        while len(self.sent) < sends:
            self._more.clear()
            await self._more.wait()

    def answer(self, send: int, error: Exception | None = None) -> None:
        if error is None:
            self._answers[send].set_result(None)
        else:
            self._answers[send].set_exception(error)


async def test_what_comes_while_one_is_under_way_shares_the_next() -> None:
    receiver = Receiver()
    batcher: Batcher[int, int] = Batcher(receiver.send)
    answers = [batcher.put(1), batcher.put(2)]
    await receiver.has(1)
    answers += [batcher.put(3), batcher.put(4)]
    receiver.answer(0)
    await receiver.has(2)
    assert receiver.sent == [[1, 2], [3, 4]]
    receiver.answer(1)
    assert await asyncio.gather(*answers) == [2, 4, 6, 8]


async def test_a_second_one_is_sent_before_the_first_is_answered_and_a_third_waits() -> None:
    receiver = Receiver()
    batcher: Batcher[int, int] = Batcher(receiver.send, at_once=2)
    answers = [batcher.put(1)]
    await receiver.has(1)
    answers += [batcher.put(2), batcher.put(3)]
    await receiver.has(2)
    answers += [batcher.put(4), batcher.put(5)]
    receiver.answer(1)
    assert [await answers[1], await answers[2]] == [4, 6]
    await receiver.has(3)
    assert receiver.sent == [[1], [2, 3], [4, 5]]
    assert not answers[0].done()
    receiver.answer(0)
    receiver.answer(2)
    assert await asyncio.gather(*answers) == [2, 4, 6, 8, 10]


async def test_what_fails_beside_another_fails_alone() -> None:
    receiver = Receiver()
    batcher: Batcher[int, int] = Batcher(receiver.send, at_once=2)
    lost = batcher.put(1)
    await receiver.has(1)
    kept = batcher.put(2)
    await receiver.has(2)
    receiver.answer(0, OSError("the connection is lost"))
    receiver.answer(1)
    assert await kept == 4
    with pytest.raises(OSError, match="the connection is lost"):
        await lost
    again = batcher.put(1)
    await receiver.has(3)
    receiver.answer(2)
    assert await again == 2


@pytest.mark.parametrize("at_once", [1, 2])
async def test_what_is_put_in_the_moment_of_the_answer_is_sent(at_once: int) -> None:
    receiver = Receiver()
    batcher: Batcher[int, int] = Batcher(receiver.send, at_once=at_once)
    async with asyncio.timeout(60):
        for number in range(5):
            answer = batcher.put(number)
            await receiver.has(number + 1)
            receiver.answer(number)
            assert await answer == number * 2
