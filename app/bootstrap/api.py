"""`syncline api`: wires together the HTTP API of a process."""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
import os
import socket
import sys
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import structlog
import uvicorn

from app.api.application import create_app
from app.api.http.connection import IDLE_SECONDS, MOST_CONNECTIONS, BoundedConnection
from app.api.http.database_state import look_at_database
from app.api.http.known_tokens import KnownTokens
from app.api.http.live_feed import LiveFeed
from app.api.http.live_logs import LiveLogs
from app.api.http.services import Services
from app.api.http.single_flight import SingleFlight
from app.api.operations.events import event_message
from app.bootstrap.environment import database_address, substitution_environment
from app.bootstrap.garbage import tune_garbage_collector
from app.bootstrap.schema_version import head, require_schema, schema_problem
from app.bootstrap.signals import StopSignals
from app.bootstrap.unsaved import UnsavedConfigurations
from app.config.watch import CatalogueWatcher
from app.domain.choices import unknown_name
from app.domain.errors import ConfigurationError, SynclineError
from app.execution.column_types import describe_types
from app.execution.destination_check import check_destination
from app.execution.forking import FORK_SERVERS
from app.execution.orphans import ORPHANS
from app.execution.source_check import check_source, discover_source
from app.execution.table_dropping import drop_and_reset
from app.loops import repeat, running_alongside
from app.store.bookmarks import Bookmarks
from app.store.database import open_pool
from app.store.feed import Feed
from app.store.notify import Notifier
from app.store.pauses import Pauses
from app.store.positions import watch_positions
from app.store.queue import TaskQueue
from app.store.reads import Reader
from app.store.renewals import RenewedConfigs
from app.store.resets import reset_collection
from app.store.stories import Stories
from app.store.tokens import Tokens
from app.ui.routes import make_pages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from app.config.settings import Settings
    from app.domain.attempt_protocol import ColumnTypes, Offered

_PATIENCE_SECONDS = 30
_CONNECTIONS = 15
# Separate, so that /readyz is answered even if requests have taken all others.
_PROBE_CONNECTIONS = 1
# If the database is busy, a client gets its answer after about the sum of these.
_QUEUE_SECONDS = 3
_STATEMENT_SECONDS = 10
# A canceled task ends within this time, unless its worker is gone.
ENDING_SECONDS = 5
# File descriptors: the clients' connections, and what else a process needs.
_FILES = MOST_CONNECTIONS + 1000
_BACKLOG = 2048
_DRAIN_SECONDS = 10
DEFAULT_HOST = "127.0.0.1"

_logger = structlog.get_logger("syncline.api")


async def run_api(settings: Settings, config: Path, *, host: str | None, port: int | None) -> None:
    """Serve until SIGTERM or SIGINT, then finish the running requests."""
    signals = StopSignals.listen()
    ORPHANS.adopt()
    _allow_open_files(_FILES)
    address = database_address(settings)
    watcher = CatalogueWatcher(config, substitution_environment(settings))
    await watcher.refresh()
    tune_garbage_collector()
    listener = bind(host or DEFAULT_HOST, watcher.current.server.port if port is None else port)
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        await stack.enter_async_context(FORK_SERVERS.open())
        pool, probe_pool = [
            await stack.enter_async_context(
                open_pool(
                    address,
                    name="syncline api",
                    size=size,
                    patience_seconds=_PATIENCE_SECONDS,
                    statement_seconds=_STATEMENT_SECONDS,
                    queue_seconds=_QUEUE_SECONDS,
                    checks_positions=True,
                )
            )
            for size in (_CONNECTIONS, _PROBE_CONNECTIONS)
        ]
        reader = Reader(pool)
        await require_schema(reader)
        notifier = Notifier(pool)
        stack.push_async_callback(notifier.aclose)
        renewed = RenewedConfigs(pool)
        feed = Feed(pool)
        ui = watcher.current.server.ui
        services = Services(
            queue=TaskQueue(
                pool,
                answer_seconds=_QUEUE_SECONDS + _STATEMENT_SECONDS,
                ending_seconds=ENDING_SECONDS,
                notifier=notifier,
            ),
            reader=reader,
            stories=Stories(pool),
            pauses=Pauses(pool),
            bookmarks=Bookmarks(pool),
            known_tokens=KnownTokens(Tokens(pool)),
            database_state=SingleFlight(partial(look_at_database, Reader(probe_pool))),
            catalogue=lambda: watcher.current,
            config_problem=lambda: watcher.problem,
            feed=feed,
            live_feed=LiveFeed(feed, to_message=event_message, stop=signals.stop),
            live_logs=LiveLogs(reader, stop=signals.stop),
            reset_collection=partial(reset_collection, pool),
            test_source=partial(_check, watcher, renewed, settings.data_dir.absolute()),
            test_destination=partial(_check_destination, watcher, settings.data_dir.absolute()),
            drop_and_reset=partial(_drop_and_reset, watcher, reader, settings.data_dir.absolute()),
            discover_source=partial(_discover, watcher, renewed, settings.data_dir.absolute()),
            unsaved=UnsavedConfigurations(settings.data_dir.absolute()),
            describe_types=partial(_describe_types, watcher, settings.data_dir.absolute()),
            schema_version=head(),
            schema_problem=schema_problem,
            pages=f"{ui.prefix}/" if ui.enabled else None,
            draining=signals.stop.is_set,
        )
        _logger.info("api.started", address="{}:{}".format(*listener.getsockname()[:2]))
        watching = repeat("positions", partial(watch_positions, pool), stop=signals.stop)
        async with running_alongside(watching):
            pages = make_pages(services, ui.prefix) if ui.enabled else []
            await _serve(create_app(services, pages), listener, watcher, signals)
        await ORPHANS.end()


async def _check(
    watcher: CatalogueWatcher, renewed: RenewedConfigs, data_dir: Path, source: str, collection: str | None
) -> None:
    await watcher.refresh_files()
    now = dt.datetime.now(dt.UTC)
    await check_source(watcher.current, source, collection, data_dir=data_dir, now=now, renewed=renewed)


async def _check_destination(watcher: CatalogueWatcher, data_dir: Path, name: str) -> None:
    await watcher.refresh_files()
    destinations = watcher.current.destinations
    if name not in destinations:
        raise SynclineError(unknown_name("destination", name, destinations))
    answer = await check_destination(watcher.current, destinations[name], data_dir=data_dir)
    if answer.error is not None:
        raise SynclineError(answer.error)


async def _drop_and_reset(  # noqa: PLR0917 -- what is wired, then what is asked for
    watcher: CatalogueWatcher,
    reader: Reader,
    data_dir: Path,
    source: str,
    collections: Sequence[str],
    reset: Callable[[str], Awaitable[object]],
) -> None:
    await watcher.refresh_files()
    now, catalogue = dt.datetime.now(dt.UTC), watcher.current
    await drop_and_reset(catalogue, source, collections, reset=reset, reader=reader, data_dir=data_dir, now=now)


async def _discover(watcher: CatalogueWatcher, renewed: RenewedConfigs, data_dir: Path, source: str) -> list[Offered]:
    await watcher.refresh_files()
    now = dt.datetime.now(dt.UTC)
    return await discover_source(watcher.current, source, data_dir=data_dir, now=now, renewed=renewed)


async def _describe_types(
    watcher: CatalogueWatcher, data_dir: Path, destinations: Sequence[str], types: Iterable[str]
) -> list[ColumnTypes]:
    await watcher.refresh_files()
    return await describe_types(watcher.current, destinations, types, data_dir=data_dir)


async def _serve(app: object, listener: socket.socket, watcher: CatalogueWatcher, signals: StopSignals) -> None:
    server = _Server(server_config(app))
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watcher.run())
        serving = group.create_task(server.serve(sockets=[listener]))
        stopping = group.create_task(_stop_after(signals, server))
        await serving
        watching.cancel()
        stopping.cancel()


def server_config(app: object) -> uvicorn.Config:
    """How uvicorn serves `app`. It takes the client's address from the connection, and from no header."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=BoundedConnection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )


class _Server(uvicorn.Server):
    """Leaves the signals to `StopSignals`, so that `/readyz` reports the drain."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _stop_after(signals: StopSignals, server: uvicorn.Server) -> None:
    await signals.stop.wait()
    server.should_exit = True
    await signals.hurry.wait()
    server.force_exit = True


def _allow_open_files(wanted: int) -> None:
    """Raise the soft limit, which is 1,024 on many systems, as far as the hard limit allows."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not there on Windows

        now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        if now != resource.RLIM_INFINITY and now < wanted:
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most)
            )


def bind(host: str, port: int) -> socket.socket:
    """Open a listening socket.

    Raises:
        ConfigurationError: the address is taken, or does not belong to this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None)
        reason = os.strerror(number) if number and number > 0 else error
        # A negative number, or EADDRNOTAVAIL, is about the host: it is unknown, or not this machine's.
        is_host = number is not None and (number < 0 or number == errno.EADDRNOTAVAIL)
        remedy = "choose another host with --host" if is_host else "choose another port with --port or server.port"
        raise ConfigurationError(f"cannot listen on {host}:{port}: {reason}; {remedy}") from None
