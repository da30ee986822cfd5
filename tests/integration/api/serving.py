"""The API over a database and a catalogue made for tests: in this process, or as a server process of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
import uvicorn

from app.api.application import create_app
from app.api.http.database_state import look_at_database
from app.api.http.known_tokens import KnownTokens
from app.api.http.live_feed import LiveFeed
from app.api.http.live_logs import LiveLogs
from app.api.http.services import Services
from app.api.http.single_flight import SingleFlight
from app.api.operations.events import event_message
from app.bootstrap.api import ENDING_SECONDS, server_config
from app.bootstrap.schema_version import head, schema_problem
from app.bootstrap.unsaved import UnsavedConfigurations
from app.config.reader import load_catalogue
from app.domain.attempt_protocol import ColumnTypes
from app.store.address import DatabaseAddress
from app.store.bookmarks import Bookmarks
from app.store.database import Pool, open_pool
from app.store.feed import Feed
from app.store.notify import Notifier
from app.store.pauses import Pauses
from app.store.queue import TaskQueue
from app.store.reads import Reader
from app.store.resets import reset_collection
from app.store.stories import Stories
from app.store.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence

    import asyncpg
    from starlette.applications import Starlette

    from app.config.catalogue import Catalogue
    from app.domain.attempt_protocol import Offered

TOKEN = "a-token-for-tests"
CATALOGUE = f"""
server: {{admin_token: {TOKEN}}}
sources:
  load:
    type: synthetic
    destinations: [nowhere]
    schedule: "@daily"
    max_attempts: 5
    collections:
      - quick
      - {{name: slow, schedule: none, max_attempts: 1}}
  a: {{type: synthetic, destinations: [nowhere], collections: [b_c]}}
  a_b: {{type: synthetic, destinations: [nowhere], collections: [c]}}
  broken: {{type: synthetic, destinations: [missing], collections: [any]}}
destinations:
  nowhere: {{type: none}}
"""


@dataclass(kw_only=True)
class Surroundings:
    """What the API is told by others, to be changed by tests."""

    catalogue: Catalogue = field(default_factory=lambda: load_catalogue(CATALOGUE, {}))
    config_problem: str | None = None
    draining: bool = False
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    tried: list[tuple[str, str | None]] = field(default_factory=list)
    source_test: Callable[[str, str | None], Awaitable[None]] | None = None
    source_test_error: Exception | None = None
    offered: list[Offered] = field(default_factory=list)
    described: list[set[str]] = field(default_factory=list)
    column_types: dict[str, ColumnTypes] = field(default_factory=dict)
    describing_error: Exception | None = None

    async def test_source(self, source: str, collection: str | None) -> None:
        self.tried.append((source, collection))
        if self.source_test:
            await self.source_test(source, collection)
        if self.source_test_error:
            raise self.source_test_error

    async def test_destination(self, destination: str) -> None:
        await self.test_source(destination, None)

    async def drop_and_reset(
        self, source: str, collections: Sequence[str], reset: Callable[[str], Awaitable[object]]
    ) -> None:
        for collection in collections:
            await self.test_source(source, collection)
            await reset(collection)

    async def discover_source(self, source: str) -> list[Offered]:
        await self.test_source(source, None)
        return self.offered

    async def describe_types(self, destinations: Sequence[str], types: Iterable[str]) -> list[ColumnTypes]:
        self.described.append(set(types))
        if self.describing_error:
            raise self.describing_error
        return [self.column_types.get(name, ColumnTypes(name)) for name in destinations]


class CountingNotifier(Notifier):
    """Counts what it is told, and tells it on: all by itself, no statement carries it unseen."""

    told = 0

    @asynccontextmanager
    async def lend_channel(self) -> AsyncIterator[str | None]:
        yield None

    def notify(self) -> None:
        self.told += 1
        super().notify()


class CountingTokens(Tokens):
    """Counts how often the database is asked for tokens, and what it is told of their use."""

    read = 0
    noted = 0

    async def list_valid(self) -> dict[str, asyncpg.Record]:
        self.read += 1
        return await super().list_valid()

    async def note_use(self, id_: str) -> None:
        self.noted += 1
        await super().note_use(id_)


@dataclass(frozen=True, kw_only=True)
class OpenedApi:
    app: Starlette
    pool: Pool
    notifier: CountingNotifier
    tokens: CountingTokens
    surroundings: Surroundings


@asynccontextmanager
async def opened_api(database_url: str, catalogue: str = CATALOGUE) -> AsyncIterator[OpenedApi]:
    surroundings = Surroundings(catalogue=load_catalogue(catalogue, {}))
    async with open_pool(DatabaseAddress.of(database_url), name="api under test") as pool:
        notifier, tokens = CountingNotifier(pool), CountingTokens(pool)
        services = Services(
            queue=TaskQueue(pool, ending_seconds=ENDING_SECONDS, notifier=notifier),
            pauses=Pauses(pool),
            stories=Stories(pool),
            bookmarks=Bookmarks(pool),
            reader=Reader(pool),
            known_tokens=KnownTokens(tokens),
            database_state=SingleFlight(partial(look_at_database, Reader(pool))),
            catalogue=lambda: surroundings.catalogue,
            config_problem=lambda: surroundings.config_problem,
            feed=(feed := Feed(pool)),
            live_feed=LiveFeed(feed, to_message=event_message, stop=surroundings.stop),
            live_logs=LiveLogs(Reader(pool), stop=surroundings.stop),
            reset_collection=partial(reset_collection, pool),
            test_source=surroundings.test_source,
            test_destination=surroundings.test_destination,
            drop_and_reset=surroundings.drop_and_reset,
            discover_source=surroundings.discover_source,
            # Its catalogue does not allow them.
            unsaved=UnsavedConfigurations(Path("nowhere")),
            describe_types=surroundings.describe_types,
            schema_version=head(),
            schema_problem=schema_problem,
            pages=None,
            draining=lambda: surroundings.draining,
        )
        app = create_app(services)
        yield OpenedApi(app=app, pool=pool, notifier=notifier, tokens=tokens, surroundings=surroundings)
        await notifier.aclose()


@dataclass(frozen=True, kw_only=True)
class ServerProcess:
    url: str
    pid: int

    def peak_memory(self) -> int:
        """The largest resident size so far, in bytes."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:  # noqa: PTH123 - a kernel's text, no file
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


@contextmanager
def server_process(database_url: str, catalogue: str = CATALOGUE) -> Iterator[ServerProcess]:
    """The API in a process of its own, on a port of 127.0.0.1 that the system chose."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        descriptor, port = listening.fileno(), listening.getsockname()[1]
        command = [sys.executable, "-m", "tests.integration.api.serving", database_url, catalogue, str(descriptor)]
        process = subprocess.Popen(command, pass_fds=[descriptor], stdout=subprocess.PIPE)
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield ServerProcess(url=f"http://127.0.0.1:{port}", pid=process.pid)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


class _TellingServer(uvicorn.Server):
    """Says on standard output when it answers."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        os.write(1, b"ready\n")


async def _serve(database_url: str, catalogue: str, descriptor: int) -> None:
    async with opened_api(database_url, catalogue) as api:
        await _TellingServer(server_config(api.app)).serve(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with suppress(KeyboardInterrupt):  # uvicorn raises it again when everything is closed
        asyncio.run(_serve(sys.argv[1], sys.argv[2], int(sys.argv[3])))
