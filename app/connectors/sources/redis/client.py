"""The connection to Redis, and its errors as Syncline's own."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import redis

from app.domain.errors import ConfigurationError, SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.sources.redis.options import RedisOptions

_CONNECT_SECONDS = 10
_ANSWER_SECONDS = 60
_REFUSALS = ("WRONGPASS", "NOAUTH", "NOPERM", "ERR DB index", "ERR invalid DB", "invalid username-password")


def make_client(options: RedisOptions) -> redis.Redis:
    """A client that returns bytes; it connects with its first command."""
    how: dict[str, Any] = {"socket_connect_timeout": _CONNECT_SECONDS, "socket_timeout": _ANSWER_SECONDS}
    if options.tls_skip_verify:
        how |= {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    if options.url is None:
        password = options.password and options.password.get_secret_value()
        if not options.tls:
            how = {name: value for name, value in how.items() if not name.startswith("ssl")}
        return redis.Redis(
            host=options.host or "",
            port=options.port,
            username=options.username,
            password=password or None,
            db=options.database,
            ssl=options.tls,
            **how,
        )
    url = options.url.get_secret_value()
    if not url.startswith("rediss:"):
        how = {name: value for name, value in how.items() if not name.startswith("ssl")}
    try:
        return redis.Redis.from_url(url, **how)
    except (ValueError, TypeError):
        raise ConfigurationError("config.url: not a Redis URL; write redis://user:password@host:6379/0") from None


@contextmanager
def translate_errors(doing: str) -> Iterator[None]:
    """Turns redis-py's errors into Syncline's; `doing` says what could not be done."""
    try:
        yield
    except redis.RedisError as error:
        text = " ".join(str(error).split())
        refused = isinstance(error, redis.AuthenticationError) or any(word in text for word in _REFUSALS)
        raise (ConfigurationError if refused else SynclineError)(f"{doing}: {text}") from error
