"""Sources and destinations in PostgreSQL whose URL names several servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import make_url

from app.connectors.destinations.postgres.connection import connect
from app.connectors.destinations.postgres.options import PostgresDestinationOptions
from app.connectors.kinds import SOURCES
from app.connectors.options.validation import validated
from app.connectors.sources.sql.database import Database
from app.connectors.sources.sql.options import SqlOptions, driver_url
from app.domain.errors import ConfigurationError, DatabaseUnreachableError
from tests.connectors.attempts import unheard
from tests.servers.postgres import database_name
from tests.servers.several_hosts import FORMS, first_one_away

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.postgres import TcpServer


@pytest.mark.parametrize("form", FORMS)
def test_a_destination_and_a_source_find_the_server_that_is_there(
    form: str, tcp_postgres: TcpServer, empty_database_url: str, tmp_path: Path
) -> None:
    name = database_name(empty_database_url)
    with first_one_away(form, tcp_postgres, name) as url:
        with connect(_destination(url=url), application_name="test", log=unheard) as connection:
            assert connection.info.dbname == name
        source = validated(SqlOptions, {"url": url}, key_path="here")
        with Database(source, work_dir=tmp_path, log=unheard).snapshot() as reading:
            assert reading.exec_driver_sql("SELECT current_database()").scalar() == name


def test_a_destination_takes_the_server_that_accepts_writes(tcp_postgres: TcpServer, empty_database_url: str) -> None:
    name = database_name(empty_database_url)
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    servers = {**tcp_postgres, "host": f"{tcp_postgres['host']},{tcp_postgres['host']}", "database": name}
    with pytest.raises(DatabaseUnreachableError, match="session is read-only"):
        connect(_destination(**servers), application_name="test", log=unheard)
    for form in FORMS[:-1]:
        with first_one_away(form, tcp_postgres, name) as url:
            with pytest.raises(DatabaseUnreachableError, match="session is read-only"):
                connect(_destination(url=url), application_name="test", log=unheard)
            connect(
                _destination(url=f"{url}{'&' if '?' in url else '?'}target_session_attrs=any"),
                application_name="test",
                log=unheard,
            ).close()


def _destination(**options: Any) -> PostgresDestinationOptions:
    return validated(PostgresDestinationOptions, options, key_path="here")


@pytest.mark.parametrize(
    "url",
    ["postgresql://u@a:1,b/d", "postgresql://u@/d?host=a:1&host=b", "postgresql://u@/d?port=1,5432&host=a,b"],
)
def test_tables_are_the_same_however_the_servers_are_written(url: str) -> None:
    assert _destination(url=url).home() == ("postgres", "a,b", "1,5432", "d", "public")


def test_several_addresses_of_ipv6_stay_whole() -> None:
    url = make_url(driver_url("postgresql://u@[::1]:1,[fe80::2]/d?options=-c%20a%3Db+c"))
    assert (url.query["host"], url.query["port"]) == ("::1,fe80::2", "1,5432")
    assert _destination(url="postgresql://u@[::1]:1,[fe80::2]/d").home() == (
        "postgres", "::1,fe80::2", "1,5432", "d", "public",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("postgresql://u:hunter2@a:1,b:x/d", "the port must be a number from 1 to 65535"),
        ("postgresql://u:hunter2@a,b,c/d?port=1,2", "2 ports for 3 hosts; give one port for each host"),
        ("postgresql://u:hunter2@a,/d", "with several hosts, each must be a name or an address"),
    ],
)
def test_wrong_lists_of_servers_are_refused_without_the_password(url: str, complaint: str) -> None:
    for given in (PostgresDestinationOptions, SqlOptions):
        with pytest.raises(ConfigurationError) as refused:
            validated(given, {"url": url}, key_path="here")
        assert str(refused.value) == f"here.url: {complaint}"


@pytest.mark.parametrize(
    "url",
    [
        "mysql+pymysql://u:hunter2@a,b/d",
        "mysql://u:hunter2@a:1,b:2/d",
        "mariadb://u:hunter2@a:1,b:2/d",
        "postgresql+pg8000://u:hunter2@/d?host=a:1&host=b:2",
        "oracle://u:hunter2@a:1,b:2/d",
    ],
)
def test_other_drivers_are_refused_several_servers(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        validated(SOURCES["sql"].options, {"url": url}, key_path="here")
    assert "only PostgreSQL with psycopg takes several hosts; name one host" in str(refused.value)
    assert "hunter2" not in str(refused.value)
