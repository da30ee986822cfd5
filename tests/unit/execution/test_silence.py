"""What counts as the silence of an attempt."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from app.config.sections import Stalled
from app.domain.attempt_protocol import Installing
from app.domain.collection import Collection
from app.execution.limits import LimitExceededError, limited_by
from app.execution.silence import Silence, longest_silence


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_whatever_comes_ends_the_silence() -> None:
    clock = Clock()
    silence = Silence(timedelta(seconds=60), clock=clock)
    clock.now += 59
    assert silence.seconds_left == 1
    with silence.hearing():
        clock.now += 10_000
        assert silence.seconds_left == 60, "while this process handles something, the attempt is not silent"
    assert silence.seconds_left == 60
    clock.now += 61
    assert silence.seconds_left == -1


def test_an_installation_is_no_silence() -> None:
    clock = Clock()
    silence = Silence(timedelta(seconds=60), clock=clock)
    silence.note(Installing("tap"))
    with silence.hearing():
        pass
    clock.now += 10_000
    assert silence.seconds_left == 60
    silence.note(Installing("tap", done=True))
    clock.now += 60
    assert silence.seconds_left == 0


async def test_a_silence_that_is_too_long_ends_what_is_limited() -> None:
    silence = Silence(timedelta(seconds=0.001))
    with pytest.raises(LimitExceededError) as exceeded:
        async with limited_by(silence.watch()):
            await asyncio.Event().wait()
    assert str(exceeded.value) == (
        "max_silence: nothing was read, written or logged for 0.001s; if the source needs that long, raise its "
        "'max_silence', or 'server.sync_tasks.stalled.last_activity_threshold_minutes' for all sources"
    )


async def test_without_a_limit_and_with_one_that_is_kept_the_block_ends_as_it_does() -> None:
    async with limited_by(Silence(None).watch(), Silence(timedelta(days=1)).watch()):
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError, match=r"^of the block$"):
        async with limited_by(Silence(timedelta(days=1)).watch()):
            raise TimeoutError("of the block")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0), limited_by(Silence(timedelta(days=1)).watch()):
            await asyncio.Event().wait()


async def test_a_limit_that_was_exceeded_counts_even_if_the_block_has_ended_of_itself() -> None:
    async def exceed() -> None:
        raise LimitExceededError("max_memory", "too much", "use less")

    async def end_as_a_killed_process_does() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    with pytest.raises(LimitExceededError, match=r"^max_memory: too much; use less$"):
        async with limited_by(exceed()):
            await end_as_a_killed_process_does()


@pytest.mark.parametrize(
    ("written", "longest"),
    [
        ({}, timedelta(minutes=10)),
        ({"max_silence": "15m"}, timedelta(minutes=15)),
        ({"max_silence": "none"}, None),
        ({"max_silence": "0s"}, None),
    ],
)
def test_a_source_says_how_long_or_the_server_does(written: dict[str, str], longest: timedelta | None) -> None:
    assert longest_silence(Stalled(), Collection.model_validate({"name": "c"} | written)) == longest
    stalled = Stalled(last_activity_threshold_minutes=1.5)
    assert longest_silence(stalled, Collection(name="c")) == timedelta(seconds=90)


def test_a_word_that_may_mean_anything_is_refused() -> None:
    with pytest.raises(ValueError, match="'off' is not a duration; for no limit write 'none'"):
        Collection.model_validate({"name": "c", "max_silence": "off"})
