"""A connection that goes silent is noticed in about a minute, whatever opens it."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.contract.keepalive import keep_alive
from app.connectors.destinations.postgres.connection import connect
from app.connectors.destinations.postgres.options import PostgresDestinationOptions
from app.connectors.sources.sql.database import Database
from app.connectors.sources.sql.options import SqlOptions
from tests.connectors.attempts import unheard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.postgres import TcpServer

pytestmark = pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux's options are read back")


def waits(descriptor: int) -> tuple[int, int, int, int, int]:
    """Whether it is kept alive; seconds, seconds, a number of probes, and milliseconds."""
    names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
    shared = socket.socket(fileno=descriptor)
    try:
        alive = shared.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        rest = (shared.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names)
        return (alive, *rest)  # type: ignore[return-value]
    finally:
        shared.detach()


A_MINUTE = (1, 30, 10, 3, 60_000)


@pytest.fixture
def tcp() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        yield client


@pytest.mark.parametrize(
    "driver",
    [
        lambda tcp: tcp,
        lambda tcp: SimpleNamespace(_sock=tcp),
        lambda tcp: SimpleNamespace(_socket=SimpleNamespace(sock=tcp)),
    ],
)
def test_the_socket_of_a_driver_is_kept_alive(tcp: socket.socket, driver: Any) -> None:
    keep_alive(driver(tcp))
    assert waits(tcp.fileno()) == A_MINUTE


def test_what_a_driver_has_set_itself_stays(tcp: socket.socket) -> None:
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    before = waits(tcp.fileno())
    keep_alive(tcp)
    assert waits(tcp.fileno()) == before


def test_a_driver_that_shows_no_socket_is_left_alone() -> None:
    one, other = socket.socketpair()
    with one, other:
        for connection in (object(), SimpleNamespace(_sock=None), one):
            keep_alive(connection)
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


@pytest.mark.parametrize(("query", "expected"), [("", A_MINUTE), ("?tcp_user_timeout=5000", (1, 30, 10, 3, 5000))])
def test_connections_to_postgresql_are_kept_alive_unless_the_url_says_otherwise(
    tcp_postgres: TcpServer, tmp_path: Path, query: str, expected: tuple[int, ...]
) -> None:
    login = f"{tcp_postgres['user']}:{tcp_postgres['password']}"
    url = f"postgresql://{login}@{tcp_postgres['host']}:{tcp_postgres['port']}/postgres{query}"
    options = PostgresDestinationOptions.model_validate({"type": "postgres", "url": url, "schema": "loaded"})
    with connect(options, application_name="test", log=unheard) as destination:
        assert waits(destination.fileno()) == expected
    database = Database(SqlOptions.model_validate({"url": url}), work_dir=tmp_path, log=unheard)
    with database.snapshot() as connection:
        driver: Any = connection.connection.driver_connection
        assert waits(driver.fileno()) == expected
