"""procrastinate as its users run it; see `command`."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import procrastinate
from command import Start, main

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CONCURRENCY = 10


class ProcrastinatePeer:
    async def install(self, url: str) -> None:
        async with _app(url).open_async() as app:
            await app.schema_manager.apply_schema_async()

    async def fill(self, url: str, numbers: list[list[int]]) -> None:
        async with _app(url).open_async() as app:
            for batch in numbers:
                await app.configure_task("noop").batch_defer_async(*({"number": number} for number in batch))

    async def work(self, url: str, started: Callable[[Start], None]) -> None:
        logging.disable()
        app = _app(url)

        @app.task(name="noop")
        async def noop(number: int) -> None:
            started((number, time.time()))

        async with app.open_async():
            print("ready", flush=True)
            await app.run_worker_async(concurrency=CONCURRENCY)

    async def enqueue(self, url: str, sender: Callable[[Callable[[int], Awaitable[Any]]], Awaitable[None]]) -> None:
        async with _app(url).open_async() as app:
            task = app.configure_task("noop")
            await sender(lambda number: task.defer_async(number=number))


def _app(url: str) -> procrastinate.App:
    return procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))


if __name__ == "__main__":
    main(ProcrastinatePeer())
