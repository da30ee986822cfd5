"""DBOS Transact as its users run it; see `command`."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvloop
from command import Start, main
from dbos import DBOS, DBOSClient
from sqlalchemy import create_engine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from dbos import DBOSConfig, EnqueueOptions

APPLICATION = "benchmark"
QUEUE = "noop"
WORKER_CONCURRENCY = 1000
THREADS = 20
POLLING_SECONDS = 0.01
_STOPPING_SECONDS = 10
# SQLAlchemy calls the driver by its name.
_DRIVER = "postgresql+psycopg://"


class DbosPeer:
    async def install(self, url: str) -> None:
        _launch(url)
        await DBOS.register_queue_async(
            QUEUE, worker_concurrency=WORKER_CONCURRENCY, polling_interval_sec=POLLING_SECONDS
        )
        DBOS.destroy()

    async def fill(self, url: str, numbers: list[list[int]]) -> None:
        engine = create_engine(_with_driver(url))
        with _client(url) as client:
            for batch in numbers:
                with engine.begin() as connection:
                    for number in batch:
                        client.enqueue_in_transaction(connection, _options(), number)

    async def work(self, url: str, started: Callable[[Start], None]) -> None:
        @DBOS.workflow(name=QUEUE)
        def noop(number: int) -> None:
            started((number, time.time()))

        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        _launch(url)
        print("ready", flush=True)
        await stop.wait()
        DBOS.destroy(workflow_completion_timeout_sec=_STOPPING_SECONDS)

    async def enqueue(self, url: str, sender: Callable[[Callable[[int], Awaitable[Any]]], Awaitable[None]]) -> None:
        with _client(url) as client:
            await sender(lambda number: client.enqueue_async(_options(), number))


def _launch(url: str) -> None:
    # With the name of another process it would recover that one's workflows when it starts.
    config: DBOSConfig = {
        "name": APPLICATION,
        "application_version": "1",
        "executor_id": str(os.getpid()),
        "system_database_url": url,
        "sys_db_pool_size": THREADS,
        "max_executor_threads": THREADS,
        "log_level": "WARNING",
    }
    DBOS(config=config)
    DBOS.launch()


@contextmanager
def _client(url: str) -> Iterator[DBOSClient]:
    client = DBOSClient(system_database_url=url, application_name=APPLICATION)
    try:
        yield client
    finally:
        client.destroy()


def _options() -> EnqueueOptions:
    return {"workflow_name": QUEUE, "queue_name": QUEUE, "app_version": "1"}


def _with_driver(url: str) -> str:
    return _DRIVER + url.partition("://")[2]


if __name__ == "__main__":
    main(DbosPeer(), uvloop.run)
