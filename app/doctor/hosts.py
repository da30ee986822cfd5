"""Finds the hosts in the configuration of a source or a destination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from app.domain.ports import HIGHEST_PORT

if TYPE_CHECKING:
    from collections.abc import Iterator

# The port that is meant if there is none. Addresses of other schemes, such as s3://, name no host.
_PORTS: Final = {
    "clickhouse": 9000,
    "http": 80,
    "https": 443,
    "mariadb": 3306,
    "mongodb": 27017,
    "mssql": 1433,
    "mysql": 3306,
    "oracle": 1521,
    "postgres": 5432,
    "postgresql": 5432,
    "redis": 6379,
    "rediss": 6379,
    "redshift": 5439,
}
HTTP: Final = ("http", "https")
_NAMES: Final = ("host", "hostname")


@dataclass(frozen=True, slots=True, order=True)
class Host:
    """Where a server should listen; `scheme` is `http`, `https` or empty."""

    name: str
    port: int
    scheme: str = ""

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


def hosts_in(value: Any, *, type_: str = "") -> Iterator[Host]:
    """The hosts anywhere in `value`: of URLs, and of `host` with `port`; `type_` tells the port that is usual."""
    if isinstance(value, dict):
        yield from _of_parts(value, type_)
        for inner in value.values():
            yield from hosts_in(inner, type_=type_)
    elif isinstance(value, list):
        for inner in value:
            yield from hosts_in(inner, type_=type_)
    elif isinstance(value, str) and "://" in value and not value.strip().count(" "):
        yield from _of_url(value.strip())


def _of_parts(value: dict[str, Any], type_: str) -> Iterator[Host]:
    name = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), "")
    if "://" not in name and (port := _port(value.get("port") or _PORTS.get(type_))):
        yield from (Host(each, port) for each in _names(name))


def _of_url(url: str) -> Iterator[Host]:
    try:
        parts = urlsplit(url)
    except ValueError:  # not a URL
        return
    scheme = parts.scheme.partition("+")[0]
    if usual := _PORTS.get(scheme):
        kept = scheme if scheme in HTTP else ""
        yield from (Host(name, port, kept) for name, port in _servers(parts, usual))


def _servers(parts: SplitResult, usual: int) -> Iterator[tuple[str, int]]:
    """Name and port of each server; libpq takes several, also as parameters."""
    authority = parts.netloc.rpartition("@")[2] or ",".join(parse_qs(parts.query).get("host", ()))
    shared = parse_qs(parts.query).get("port", [""])[0].partition(",")[0]
    for server in authority.split(","):
        try:
            one = urlsplit(f"//{server}")
            port = _port(one.port or shared or usual)
        except ValueError:
            continue
        if port:
            yield from ((name, port) for name in _names(one.hostname or ""))


def _names(text: str) -> list[str]:
    """Without the directories of Unix sockets, and without placeholders that were not replaced."""
    return [name for each in text.split(",") if (name := each.strip()) and not set(name) & set("/%{$ ")]


def _port(written: Any) -> int | None:
    try:
        port = int(written)
    except (TypeError, ValueError):
        return None
    return port if 0 < port <= HIGHEST_PORT else None
