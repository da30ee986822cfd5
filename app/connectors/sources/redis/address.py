"""Where a Redis server is: itself, or sentinels that know it; in the forms of Jitsu Classic's `host`.

Classic v1.44.8, server/meta/redis_factory.go: a name, `redis://…`, `rediss://…` or
`sentinel://master:password@node1:port,node2:port`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from app.domain.ports import HIGHEST_PORT

PORT: Final = 6379
SENTINEL_PORT: Final = 26379
URLS: Final = ("redis://", "rediss://")
SENTINEL: Final = "sentinel://"

_DATABASE: Final = re.compile(r"(/[0-9]*)?")
_FORM: Final = "write sentinel://master:password@node1:26379,node2:26379"

Node = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Sentinels:
    """The `nodes` to ask for the server that is called `master`; `password` is that of a URL."""

    master: str
    nodes: tuple[Node, ...]
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Address:
    """One of a URL, a node and sentinels."""

    url: str | None = field(default=None, repr=False)
    node: Node | None = None
    sentinels: Sentinels | None = None


def parse_host(host: str, port: int | None, master: str | None) -> Address:
    """The address that `host` means, with the `port` that is given for it and the name of the sentinels' `master`.

    Raises:
        ValueError: it is in none of the forms; without its text, which may have a password.
    """
    host = host.strip("\"' ")
    if host.startswith(SENTINEL):
        return Address(sentinels=_parse_sentinels(host.removeprefix(SENTINEL)))
    if host.startswith(URLS):
        if master:
            raise ValueError("with 'sentinel_master_name', 'host' has the sentinels: write node1:26379,node2:26379")
        check_database(host)
        return Address(url=host)
    if "://" in host:
        raise ValueError(f"not a Redis address: write a host, redis://…, rediss://… or {SENTINEL}…")
    if master:
        nodes = tuple(_parse_node(each, port or SENTINEL_PORT) for each in host.split(","))
        return Address(sentinels=Sentinels(master, nodes))
    return Address(node=_parse_node(host, port or PORT))


def check_database(url: str) -> None:
    """Whether the path of a URL is the number of a database: redis-py takes any other path for the database 0.

    Raises:
        ValueError: it is not; without its text, which may have a password.
    """
    try:
        path = urlsplit(url).path
    except ValueError:
        return  # which is told when it is used
    if not _DATABASE.fullmatch(path):
        raise ValueError("the path of a Redis URL must be the number of a database: write redis://host:6379/0")


def _parse_sentinels(text: str) -> Sentinels:
    login, at, nodes = text.rpartition("@")
    master, _, password = login.partition(":")
    if not at or not master:
        raise ValueError(f"not the address of sentinels: {_FORM}")
    return Sentinels(master, tuple(_parse_node(each, SENTINEL_PORT) for each in nodes.split(",")), password or None)


def _parse_node(text: str, default_port: int) -> Node:
    """`host:port`, `host`, or an address of IPv6, which has several colons."""
    name, colon, port = text.strip().rpartition(":")
    if not colon or (":" in name and not name.startswith("[")):
        name, port = text.strip(), str(default_port)
    if not name or not port.isdecimal() or not 1 <= int(port[:6]) <= HIGHEST_PORT:
        raise ValueError("a host must be a name, or name:port with a port from 1 to 65535")
    return name.strip("[]"), int(port)
