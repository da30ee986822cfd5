"""In which forms a Redis server can be named, and that sentinels are asked where it is."""

from __future__ import annotations

import socket
import subprocess
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.options.validation import validated
from app.connectors.sources.redis.address import Address, Sentinels
from app.connectors.sources.redis.client import Client
from app.connectors.sources.redis.options import RedisOptions
from app.domain.errors import ConfigurationError
from tests.connectors.attempts import unheard
from tests.servers.redis import MISSING, PASSWORD, PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NODES = (("one", 26379), ("two", 5000))


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({"host": "h"}, Address(node=("h", 6379))),
        ({"host": "h", "port": 7000}, Address(node=("h", 7000))),
        ({"host": "h:7000"}, Address(node=("h", 7000))),
        ({"host": "'h'"}, Address(node=("h", 6379))),
        ({"host": "::1"}, Address(node=("::1", 6379))),
        ({"host": "[::1]:7000"}, Address(node=("::1", 7000))),
        ({"host": '"redis://:pw@h:6379"', "port": 1}, Address(url="redis://:pw@h:6379")),
        ({"host": "rediss://h"}, Address(url="rediss://h")),
        ({"url": "redis://h/1"}, Address(url="redis://h/1")),
        ({"host": "one,two:5000", "sentinel_master_name": "m"}, Address(sentinels=Sentinels("m", NODES))),
        ({"host": "one", "port": 5, "sentinel_master_name": "m"}, Address(sentinels=Sentinels("m", (("one", 5),)))),
        ({"host": "sentinel://m:p:w@one,two:5000"}, Address(sentinels=Sentinels("m", NODES, "p:w"))),
        ({"host": "sentinel://m@one:26379"}, Address(sentinels=Sentinels("m", NODES[:1]))),
    ],
)
def test_a_host_may_be_written_in_all_forms_of_jitsu_classic(given: dict[str, Any], address: Address) -> None:
    assert RedisOptions.model_validate(given).address == address


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"host": "sentinel://one:26379"},
            "not the address of sentinels: write sentinel://master:password@node1:26379",
        ),
        ({"host": "http://u:hunter22@h"}, "not a Redis address: write a host, redis://…, rediss://… or sentinel://…"),
        (
            {"host": "redis://:hunter22@h/one"},
            "the path of a Redis URL must be the number of a database: write redis://host:6379/0",
        ),
        ({"url": "rediss://:hunter22@h/1/2"}, "the path of a Redis URL must be the number of a database"),
        ({"host": "h:port"}, "a host must be a name, or name:port with a port from 1 to 65535"),
        ({"host": "redis://h", "sentinel_master_name": "m"}, "'host' has the sentinels: write node1:26379,node2:26379"),
        ({"url": "redis://h", "sentinel_master_name": "m"}, "'sentinel_master_name' needs 'host'"),
        ({"host": "h", "sentinel_password": "hunter22"}, "'sentinel_password' has no effect without"),
    ],
)
def test_other_forms_are_refused_without_their_text(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        validated(RedisOptions, given, key_path="here")
    assert message in str(caught.value)
    assert "hunter22" not in str(caught.value)


def test_sentinels_have_the_password_of_the_server_unless_they_have_their_own() -> None:
    def passwords(**given: Any) -> list[Any]:
        client = Client(RedisOptions.model_validate({"sentinel_master_name": "m", **given}), log=unheard)
        pool: Any = client.commands.connection_pool
        sentinel = pool.sentinel_manager.sentinels[0]
        return [each.connection_kwargs.get("password") for each in (pool, sentinel.connection_pool)]

    assert passwords(host="h", password="pw") == ["pw", "pw"]
    assert passwords(host="h", password="pw", sentinel_password="other") == ["pw", "other"]
    assert passwords(host="h", password="pw", sentinel_password="") == ["pw", None]
    assert passwords(host="sentinel://m:own@h", sentinel_master_name=None) == ["own", "own"]


def test_a_url_in_host_has_the_whole_login() -> None:
    given = {"host": "redis://:own@h:7000/3", "password": "ignored", "port": 1}
    settings = Client(RedisOptions.model_validate(given), log=unheard).commands.connection_pool.connection_kwargs
    assert (settings["password"], settings["port"], settings["db"]) == ("own", 7000, 3)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


@contextmanager
def running(directory: Path, name: str, *lines: str) -> Iterator[int]:
    """The port of a server with this configuration."""
    port = free_port()
    file = directory / f"{name}.conf"
    file.write_text("\n".join([f"port {port}", "bind 127.0.0.1", f"dir {directory}", *lines, ""]))
    arguments = [str(PROGRAM), str(file), *(["--sentinel"] if name == "sentinel" else [])]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        ready = "Sentinel ID is" if name == "sentinel" else "eady to accept connections"
        assert any(ready in line for line in server.stdout)
        yield port
        server.terminate()


@pytest.mark.skipif(PROGRAM is None, reason=MISSING)
def test_a_sentinel_tells_where_the_server_is(tmp_path: Path) -> None:
    with ExitStack() as stack:
        port = stack.enter_context(running(tmp_path, "server", 'save ""', f"requirepass {PASSWORD}"))
        monitor = (f"sentinel monitor shop 127.0.0.1 {port} 1", f"sentinel auth-pass shop {PASSWORD}")
        asked = stack.enter_context(running(tmp_path, "sentinel", *monitor, f"requirepass {PASSWORD}"))
        for given in (
            {"host": f"sentinel://shop:{PASSWORD}@127.0.0.1:{asked}"},
            {"host": "127.0.0.1", "port": asked, "sentinel_master_name": "shop", "password": PASSWORD},
            {"host": f"127.0.0.1:1,127.0.0.1:{asked}", "sentinel_master_name": "shop", "password": PASSWORD},
        ):
            client = Client(RedisOptions.model_validate(given), log=unheard)
            with client.connected("cannot ping"):
                assert client.commands.ping()
                assert client.commands.info("server")["tcp_port"] == port
            client.commands.close()
