"""Where Jitsu Classic's Redis is: its configuration's `meta.storage.redis`, or a URL.

The forms are those of Classic v1.44.8 (server/meta/redis_factory.go): a host with its port, redis:// and rediss://, and
for sentinels sentinel://MASTER:PASSWORD@HOST:PORT,HOST:PORT or a `sentinel_master_name` beside the hosts.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from app.config.problems import problem_at
from app.config.substitution import Substitution
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.moving.configuration import Classic

_META: Final = ("meta", "storage", "redis")
_URLS: Final = ("redis://", "rediss://", "unix://")
_SENTINEL: Final = "sentinel://"
_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
_FORMS: Final = (
    "write redis://user:password@host:6379/0, rediss:// for TLS, unix:///path/to/socket, or "
    "sentinel://master:password@host:26379,host:26379"
)


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """`options` are those of the source `redis`. With a `master`, its host and port are asked of the `sentinels`.

    `key` is where the address stands, `shown` what users see of it.
    """

    key: str
    shown: str
    options: Mapping[str, Any] = field(repr=False)
    master: str | None = None
    sentinels: tuple[tuple[str, int], ...] = ()


def address_of_url(url: str, *, key: str = "--redis") -> RedisAddress:
    """The address that a URL has.

    Raises:
        ConfigurationError: it is none. The message does not quote it, as it may have a password.
    """
    if url.startswith(_SENTINEL):
        return _of_sentinel_url(url, key)
    if not url.startswith(_URLS):
        raise ConfigurationError(f"{key}: not a Redis URL; {_FORMS}")
    try:
        parts = urlsplit(url)
        shown = parts.path if parts.scheme == "unix" else f"{parts.hostname or 'localhost'}:{parts.port or _PORT}"
    except ValueError:
        raise ConfigurationError(f"{key}: not a Redis URL; {_FORMS}") from None
    return RedisAddress(key, shown, {"url": url})


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
        raise ConfigurationError(
            str(
                problem_at(
                    (), f"has no {key}.host: name the Redis of Jitsu Classic with --redis", classic.texts.main.place
                )
            )
        )
    skip = {"tls_skip_verify": True} if str(found.get("tls_skip_verify")).lower() == "true" else {}
    database = _number(found.get("database"), f"{key}.database") or 0
    if host.startswith((*_URLS, _SENTINEL)):
        address = address_of_url(host, key=f"{key}.host")
        own = {"database": database} if address.master else {"url": _with_database(host, database)}
        return replace(address, options={**address.options, **own, **skip})
    password = found.get("password")
    options = {"database": database} | ({"password": str(password)} if password else {}) | skip
    master = found.get("sentinel_master_name")
    port = _number(found.get("port"), f"{key}.port")
    nodes = [_node(each, port or (_SENTINEL_PORT if master else _PORT), f"{key}.host") for each in host.split(",")]
    if master:
        return RedisAddress(f"{key}.host", _shown(nodes), options, str(master), tuple(nodes))
    name, port = nodes[0]
    return RedisAddress(f"{key}.host", _shown(nodes[:1]), {"host": name, "port": port} | options)


def _of_sentinel_url(url: str, key: str) -> RedisAddress:
    before, at, hosts = url.removeprefix(_SENTINEL).rpartition("@")
    master, _, password = before.partition(":")
    if not at or not master or not hosts:
        raise ConfigurationError(f"{key}: not the URL of a sentinel; {_FORMS}")
    nodes = tuple(_node(each, _SENTINEL_PORT, key) for each in hosts.split(","))
    options = {"password": unquote(password)} if password else {}
    return RedisAddress(key, _shown(nodes), options, unquote(master), nodes)


def _node(text: str, port: int, key: str) -> tuple[str, int]:
    host, colon, written = text.strip().rpartition(":")
    if not colon:
        return written, port
    if not written.isdecimal():
        raise ConfigurationError(f"{key}: a host may be followed by ':' and a port; {_FORMS}")
    return host, int(written)


def _shown(nodes: Any) -> str:
    return ", ".join(f"{host}:{port}" for host, port in nodes)


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
