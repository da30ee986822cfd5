"""The connection to Redis, and its errors as Syncline's own."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import redis

from app.connectors.contract.logins import Login
from app.domain.errors import ConfigurationError, LoginRefusedError, SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.contract.passes import Log
    from app.connectors.sources.redis.options import RedisOptions

_CONNECT_SECONDS = 10
_ANSWER_SECONDS = 60
_LOGIN_REFUSALS = ("WRONGPASS", "NOAUTH", "invalid username-password", "invalid password")
_REFUSALS = ("NOPERM", "ERR DB index", "ERR invalid DB")


class Client:
    """A server that is logged in to with the password that is right when a connection opens.

    `commands` returns bytes; it connects with its first command.
    """

    def __init__(self, options: RedisOptions, *, log: Log) -> None:
        fixed = options.password.get_secret_value() if options.password else None
        self._login = Login(fixed, options.password_command, may_change=options.from_files, log=log)
        self.commands = _make_commands(options)
        if self._login.asks:
            settings = self.commands.connection_pool.connection_kwargs
            settings["credential_provider"] = _Credentials(settings.pop("username", None), self._login)
            settings.pop("password", None)

    @contextmanager
    def connected(self, doing: str) -> Iterator[None]:
        """Logs in, and turns redis-py's errors into Syncline's; `doing` says what could not be done."""
        try:
            self._login.connect(partial(self._open, doing))
            yield
        except redis.RedisError as error:
            why = f"{doing}: {_one_line(error)}"
            if _is_login_refusal(error):
                raise self._login.refusal(why) from error
            refused = any(word in str(error) for word in _REFUSALS)
            raise (ConfigurationError if refused else SynclineError)(why) from error

    def _open(self, doing: str) -> None:
        """Opens the first connection, which the first command then uses."""
        pool = self.commands.connection_pool
        try:
            pool.release(pool.get_connection())
        except redis.RedisError as error:
            if _is_login_refusal(error):
                raise LoginRefusedError(f"{doing}: {_one_line(error)}") from None
            raise


class _Credentials(redis.CredentialProvider):
    """What redis-py asks for each connection."""

    def __init__(self, username: str | None, login: Login) -> None:
        self._username = username
        self._login = login

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        password = self._login.password() or ""
        return (self._username, password) if self._username else (password,)


def _is_login_refusal(error: redis.RedisError) -> bool:
    """Whether the server refuses the user or the password."""
    return isinstance(error, redis.AuthenticationError) or any(word in str(error) for word in _LOGIN_REFUSALS)


def _one_line(error: redis.RedisError) -> str:
    return " ".join(str(error).split())


def _make_commands(options: RedisOptions) -> redis.Redis:
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
