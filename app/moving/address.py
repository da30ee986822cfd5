"""Where Jitsu Classic's Redis is: its configuration's `meta.storage.redis`, or a URL.

Its forms of `host` are also those of the source `redis`, which connects to it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from app.config.problems import problem_at
from app.config.substitution import Substitution
from app.connectors.sources.redis.address import PORT, SENTINEL, URLS, parse_host
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.moving.configuration import Classic

_META: Final = ("meta", "storage", "redis")
_SOCKET: Final = "unix://"
_FORMS: Final = (
    "write redis://user:password@host:6379/0, rediss:// for TLS, unix:///path/to/socket, or "
    "sentinel://master:password@host:26379,host:26379"
)


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """`options` are those of the source `redis`; `key` is where they stand, `shown` what users see of the address."""

    key: str
    shown: str
    options: Mapping[str, Any] = field(repr=False)


def address_of_url(url: str, *, key: str = "--redis") -> RedisAddress:
    """The address that a URL has.

    Raises:
        ConfigurationError: it is none. The message does not quote it, as it may have a password.
    """
    if not url.startswith((*URLS, SENTINEL, _SOCKET)):
        raise ConfigurationError(f"{key}: not a Redis URL; {_FORMS}")
    option = "host" if url.startswith(SENTINEL) else "url"
    return RedisAddress(key, _shown(key, url), {option: url})


def address_in(classic: Classic, environment: Mapping[str, str]) -> RedisAddress:
    """The address in Classic's own configuration.

    Raises:
        ConfigurationError: there is none, or it cannot be used.
    """
    key = ".".join(_META)
    substitution = Substitution(environment, classic.texts.main.place)
    found = substitution.apply(dict(_members(classic.written, _META)), _META)
    for problem in substitution.problems:
        raise ConfigurationError(f"{problem}; or name the Redis of Jitsu Classic with --redis")
    host = str(found.get("host") or "").strip("\"'")
    if not host:
        missing = f"has no {key}.host: name the Redis of Jitsu Classic with --redis"
        raise ConfigurationError(str(problem_at((), missing, classic.texts.main.place)))
    skip = {"tls_skip_verify": True} if str(found.get("tls_skip_verify")).lower() == "true" else {}
    database = _number(found.get("database"), f"{key}.database") or 0
    if host.startswith((*URLS, _SOCKET)):
        url = _with_database(host, database)
        return RedisAddress(f"{key}.host", _shown(f"{key}.host", url), {"url": url} | skip)
    master = found.get("sentinel_master_name")
    # Of several hosts without a master, Classic asks the first.
    host = host if master or host.startswith(SENTINEL) else host.split(",", maxsplit=1)[0]
    port = _number(found.get("port"), f"{key}.port")
    given = {"host": host, "port": port, "sentinel_master_name": master, "password": found.get("password")}
    options = {name: value for name, value in given.items() if value not in (None, "")} | {"database": database} | skip
    return RedisAddress(key, _shown(f"{key}.host", host, port, master), options)


def _shown(key: str, host: str, port: int | None = None, master: str | None = None) -> str:
    """What users see of an address: hosts and ports, or the path of a socket."""
    try:
        if host.startswith((*URLS, _SOCKET)):
            parts = urlsplit(host)
            return parts.path if parts.scheme == "unix" else f"{parts.hostname or 'localhost'}:{parts.port or PORT}"
        address = parse_host(host, port, master)
    except ValueError:
        raise ConfigurationError(f"{key}: not a Redis address; {_FORMS}") from None
    nodes = address.sentinels.nodes if address.sentinels else (address.node or ("", PORT),)
    return ", ".join(f"{name}:{number}" for name, number in nodes)


def _with_database(url: str, database: int) -> str:
    """Classic's `database` counts unless the URL names one."""
    parts = urlsplit(url)
    return parts._replace(path=f"/{database}").geturl() if database and parts.path in ("", "/") else url


def _number(value: Any, key: str) -> int | None:
    if value in (None, ""):
        return None
    with suppress(ValueError):
        return int(str(value))
    raise ConfigurationError(f"{key}: must be an integer")


def _members(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """The members of the mapping at `path`. Classic also takes keys that are joined by dots."""
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        parts = tuple(key.split("."))
        if not path:
            yield key, inner
        elif path[: len(parts)] == parts:
            yield from _members(inner, path[len(parts) :])
        elif parts[: len(path)] == path:
            yield ".".join(parts[len(path) :]), inner
