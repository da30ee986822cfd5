"""What the worker programs of the Python peers share: their command line and their records of what happened when.

    install URL                     make the peer's schema
    fill URL TASKS                  queue tasks 0, 1, 2, … in batches
    work URL RECORD                 say `ready`, work until SIGTERM, then record each handler's start: number, time
    enqueue URL TASKS PAUSE RECORD  queue one task after the other: number, time before the call, time of its return

Runs in the peers' own environment and so imports nothing of Syncline.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

FILLED_AT_ONCE = 1000
Start = tuple[int, float]


class Peer(Protocol):
    """One peer on the database at `url`."""

    async def install(self, url: str) -> None: ...

    async def fill(self, url: str, numbers: list[list[int]]) -> None: ...

    async def work(self, url: str, started: Callable[[Start], None]) -> None: ...

    async def enqueue(self, url: str, sender: Callable[[Callable[[int], Awaitable[Any]]], Awaitable[None]]) -> None: ...


def main(peer: Peer, run: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run) -> None:
    match sys.argv[1:]:
        case ["install", url]:
            run(peer.install(url))
        case ["fill", url, tasks]:
            numbers = range(int(tasks))
            run(peer.fill(url, [list(numbers[i : i + FILLED_AT_ONCE]) for i in numbers[::FILLED_AT_ONCE]]))
        case ["work", url, record]:
            starts: list[Start] = []
            run(peer.work(url, starts.append))
            _write(record, starts)
        case ["enqueue", url, tasks, pause, record]:
            calls: list[tuple[int, float, float]] = []

            async def send(one: Callable[[int], Awaitable[Any]]) -> None:
                for number in range(int(tasks)):
                    called = time.time()
                    await one(number)
                    calls.append((number, called, time.time()))
                    await asyncio.sleep(float(pause))

            run(peer.enqueue(url, send))
            _write(record, calls)
        case _:
            sys.exit(__doc__)


def _write(record: str, rows: list[Any]) -> None:
    Path(record).write_text("".join(" ".join(map(repr, row)) + "\n" for row in rows))
