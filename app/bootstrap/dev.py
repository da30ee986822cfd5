"""`syncline dev`: a database, its schema, the API and a worker, in the foreground of one terminal."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click
import httpx
from sqlalchemy import URL

from app.bootstrap.api import DEFAULT_HOST, bind
from app.bootstrap.children import Children
from app.bootstrap.data_dir import prepare_data_dir
from app.bootstrap.dev_api import token_for_commands
from app.bootstrap.embedded_postgres import EmbeddedPostgres, home_below
from app.bootstrap.environment import database_address, password_program, url_parts
from app.bootstrap.migrations import migrate
from app.bootstrap.signals import StopSignals
from app.client.address import ApiAddress, publish, set_aside
from app.client.dev_lock import already_running, holding, is_held
from app.config.reader import load_catalogue
from app.domain.errors import DatabaseUnreachableError
from app.loops import first_of

if TYPE_CHECKING:
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.config.settings import Settings

_READY_SECONDS = 60
_LOOK_SECONDS = 0.1


def run_dev(
    settings: Settings, config: Path, *, host: str | None, port: int | None, data: Path, with_fail_points: bool = False
) -> None:
    """Run everything until Ctrl-C. Not in an event loop: the embedded server must be started by the main thread.

    Raises:
        ConfigurationError: something that the user has configured cannot work.
        DatabaseUnreachableError: the database cannot be reached, or the embedded server has ended.
    """
    with ExitStack() as stack:
        environment = os.environ | {"SYNCLINE_DATA_DIR": str(data)}
        external = _external_database(settings)
        # Mistakes are reported before a database is started, which takes a while.
        catalogue = load_catalogue(config, environment | (external or _name_database("postgresql://app@127.0.0.1/app")))
        if is_held(data):
            raise already_running(data)
        host = host or DEFAULT_HOST
        port = _free_port(host, catalogue.server.port if port is None else port)
        prepare_data_dir(data)
        stack.enter_context(holding(data))
        set_aside(data)
        server = None
        if external:
            environment |= external
        else:
            server = _start_server(data, stack)
            environment |= _name_server(server)
        # Loaded again, because it may refer to the parts of the database's address.
        catalogue = load_catalogue(config, environment)
        password = password_program(environment.get("DATABASE_PASSWORD_COMMAND"))
        migrate(environment["DATABASE_DIRECT_URL"], password=password, patience_seconds=30)
        with asyncio.Runner() as runner:
            shared = ["--config", str(config), *(["--with-fail-points"] if with_fail_points else [])]
            runner.run(_run(shared, environment, host, port, catalogue, data=data, server=server))


def _free_port(host: str, port: int) -> int:
    """The port, which can be used; for 0, one that the system chooses.

    Raises:
        ConfigurationError: it is taken.
    """
    with bind(host, port) as listener:
        chosen: int = listener.getsockname()[1]
    return chosen


def _external_database(settings: Settings) -> dict[str, str] | None:
    """The environment variables of the user's own database; None if there is none."""
    if not settings.database_url:
        return None
    address = database_address(settings)
    return _name_database(address.url) | {"DATABASE_DIRECT_URL": address.direct}


def _name_database(url: str) -> dict[str, str]:
    return url_parts(url) | {"DATABASE_URL": url, "DATABASE_DIRECT_URL": url}


def _start_server(data: Path, stack: ExitStack) -> EmbeddedPostgres:
    """Start the embedded server, which ends with `stack`."""
    server = stack.enter_context(EmbeddedPostgres(home_below(data)))
    if not server.is_owned:
        raise already_running(data)
    return server


def _name_server(server: EmbeddedPostgres) -> dict[str, str]:
    """The environment variables of the embedded server's database."""
    tcp = URL.create("postgresql", server.tcp.user, server.tcp.password, server.tcp.host, server.tcp.port, "app")
    parts = url_parts(tcp.render_as_string(hide_password=False))
    return parts | {"DATABASE_URL": server.url, "DATABASE_DIRECT_URL": server.url, "DATABASE_PASSWORD_COMMAND": ""}


async def _run(
    shared: list[str],
    environment: dict[str, str],
    host: str,
    port: int,
    catalogue: Catalogue,
    *,
    data: Path,
    server: EmbeddedPostgres | None,
) -> None:
    signals = StopSignals.listen()
    children = Children(environment, signals.stop)
    direct_url, password = environment["DATABASE_DIRECT_URL"], environment.get("DATABASE_PASSWORD_COMMAND")
    async with token_for_commands(data, direct_url, password_program(password)) as token, asyncio.TaskGroup() as group:
        address = ApiAddress(f"http://{_reachable(host)}:{port}", token)
        group.create_task(children.keep("API", ["api", *shared, "--host", host, "--port", str(port)]))
        # Every pool, also those that the catalogue gets later: nothing may wait for a worker that nobody starts.
        group.create_task(children.keep("worker", ["worker", *shared, "--every-pool"]))
        group.create_task(_welcome(address, catalogue, environment, data, signals.stop))
        if server is not None:
            await _watch(server, signals.stop)
        await signals.stop.wait()
        click.echo("Stopping once running attempts have ended; press Ctrl-C again to hand them back now.", err=True)
        children.terminate()
        hurry = asyncio.create_task(_hurry(children, signals))
    hurry.cancel()


async def _watch(server: EmbeddedPostgres, stop: asyncio.Event) -> None:
    """Until `stop`. Without a database, children could not even hand their attempts back: they are killed with `dev`.

    Raises:
        DatabaseUnreachableError: the server has ended.
    """
    while not stop.is_set():
        if server.has_ended():
            raise DatabaseUnreachableError(
                f"the embedded PostgreSQL has ended, see {server.log}: start 'syncline dev' again"
            )
        await first_of(stop, timeout=_LOOK_SECONDS)


async def _hurry(children: Children, signals: StopSignals) -> None:
    await signals.hurry.wait()
    children.terminate()


async def _welcome(
    address: ApiAddress, catalogue: Catalogue, environment: dict[str, str], data: Path, stop: asyncio.Event
) -> None:
    """Print what is running and what to try, once the API answers; commands find it from then on."""
    if not await _is_ready(address.url, stop):
        return
    publish(data, address)
    ui = catalogue.server.ui
    if ui.enabled:
        click.echo(f"\nOpen {address.url}{ui.prefix}/ to see what happens.")
    click.echo(f"\nSyncline is running: API at {address.url}, one worker, {_database_text(environment)}.")
    click.echo(_what_to_try(address.url, catalogue, on_terminal=sys.stdout.isatty()))


def _what_to_try(address: str, catalogue: Catalogue, *, on_terminal: bool) -> str:
    """The admin token is only for the eyes of who has started it: a file or a journal is read by others, and kept."""
    token = catalogue.server.admin_token
    if not token:
        return "server.admin_token is not set: only tokens made with 'syncline token create' are accepted.\n"
    shown = token if on_terminal else "not shown, because this is not a terminal; set TOKEN to server.admin_token"
    # Within the single quotes of a line to try, the shell replaces no variable.
    used = token if on_terminal else "'\"$TOKEN\"'"
    source, collection = _example(catalogue)
    task = f"{address}/api/v1/tasks"
    return (
        f"Admin token: {shown}\n\n"
        f"  curl -X POST '{task}?source={source}&collection={collection}&token={used}'\n"
        f"  curl '{task}?source={source}&start=2020-01-01T00:00:00Z&end=2100-01-01T00:00:00Z&token={used}'\n"
        f"  curl '{task}/TASK_ID/logs?token={used}'\n\n"
        "Press Ctrl-C to stop everything; the data is kept for the next start.\n"
    )


async def _is_ready(address: str, stop: asyncio.Event) -> bool:
    deadline = asyncio.get_running_loop().time() + _READY_SECONDS
    async with httpx.AsyncClient(trust_env=False) as client:
        while not stop.is_set() and asyncio.get_running_loop().time() < deadline:
            try:
                if (await client.get(f"{address}/readyz")).is_success:
                    return True
            except httpx.TransportError:
                pass
            await first_of(stop, timeout=_LOOK_SECONDS)
    return False


def _example(catalogue: Catalogue) -> tuple[str, str]:
    """The first collection without a schedule, so that the first request creates a task; or the first of all."""
    every = [
        (source.id, collection) for source in catalogue.sources.values() for collection in source.collections.values()
    ]
    manual = [(source, collection.name) for source, collection in every if not collection.schedule]
    return (manual or [(source, collection.name) for source, collection in every] or [("SOURCE", "COLLECTION")])[0]


def _database_text(environment: dict[str, str]) -> str:
    parts = (environment.get(f"SYNCLINE_PG_{name}", "") for name in ("HOST", "PORT", "DATABASE"))
    return "PostgreSQL at {}:{}/{}".format(*parts)


def _reachable(host: str) -> str:
    """The host as a client writes it, for a host to listen on."""
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host and socket.has_ipv6 else host
