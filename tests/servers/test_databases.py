"""What every test may rely on: a database of its own on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.servers.postgres import create_database, database_name, drop_database

if TYPE_CHECKING:
    from tests.servers.postgres import TcpServer


@pytest.mark.parametrize("_visit", range(2))
async def test_each_test_finds_its_database_as_new(database_url: str, _visit: int) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("SELECT to_regclass('public.trace')") is None
        await connection.execute("CREATE TABLE public.trace ()")
    finally:
        await connection.close()


def test_an_empty_database_has_no_tables(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_stat_user_tables").fetchone()
    assert tables == (0,)


def test_a_test_may_have_several_databases(postgres_server_url: str) -> None:
    urls = [create_database(postgres_server_url) for _ in range(2)]
    for url in urls:
        with psycopg.connect(url) as connection:
            assert connection.info.dbname == database_name(url)
        drop_database(url, server_url=postgres_server_url)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(urls[0])


def test_connections_left_open_do_not_keep_a_database(postgres_server_url: str) -> None:
    url = create_database(postgres_server_url)
    with psycopg.connect(url, autocommit=True) as connection:
        drop_database(url, server_url=postgres_server_url)
        with pytest.raises(psycopg.OperationalError, match="terminat"):
            connection.execute("SELECT 1")


def test_a_database_is_reachable_over_tcp_with_the_password(tcp_postgres: TcpServer, empty_database_url: str) -> None:
    with psycopg.connect(**tcp_postgres, dbname=database_name(empty_database_url)) as connection:
        assert connection.info.dbname == database_name(empty_database_url)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_sqlalchemy_takes_the_same_url(empty_database_url: str, driver: str) -> None:
    engine = create_async_engine(make_url(empty_database_url).set(drivername=f"postgresql+{driver}"))
    try:
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT current_database()")) == database_name(empty_database_url)
    finally:
        await engine.dispose()
