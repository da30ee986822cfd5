"""The connection to Redis, and its errors as Syncline's own."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import redis
from redis.sentinel import MasterNotFoundError, Sentinel

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
        # A URL in `host` has the whole login, as in Jitsu Classic.
        own = options.password if options.address.url is None or options.url is not None else None
        fixed = own.get_secret_value() if own else None
        self._login = Login(fixed, options.password_command, may_change=options.from_files, log=log)
        sentinels = _find_sentinels(options)
        self._sentinels = options.address.sentinels
        self.commands = _make_commands(options, sentinels)
        if self._login.asks:
            self._ask_for_password(self.commands)
            for each in sentinels.sentinels if sentinels and options.sentinel_password is None else ():
                self._ask_for_password(each)

    def _ask_for_password(self, commands: redis.Redis) -> None:
        settings = commands.connection_pool.connection_kwargs
        settings["credential_provider"] = _Credentials(settings.pop("username", None), self._login)
        settings.pop("password", None)

    @contextmanager
    def connected(self, doing: str) -> Iterator[None]:
        """Logs in, and turns redis-py's errors into Syncline's; `doing` says what could not be done."""
        try:
            self._login.connect(partial(self._open, doing))
            yield
        except redis.RedisError as error:
            why = f"{doing}: {self._reason(error)}"
            if _is_login_refusal(error):
                raise self._login.refusal(why) from error
            refused = any(word in str(error) for word in _REFUSALS)
            raise (ConfigurationError if refused else SynclineError)(why) from error

    def _reason(self, error: redis.RedisError) -> str:
        if isinstance(error, MasterNotFoundError) and self._sentinels:
            # redis-py's own has the insides of its objects.
            return f"no sentinel that answers knows a master {self._sentinels.master!r} that is up"
        return _one_line(error)

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


def _make_commands(options: RedisOptions, sentinels: Sentinel | None) -> redis.Redis:
    address = options.address
    if address.url is not None:
        try:
            return redis.Redis.from_url(address.url, **_settings(options, tls=address.url.startswith("rediss:")))
        except (ValueError, TypeError):
            key = "url" if options.url else "host"
            raise ConfigurationError(
                f"config.{key}: not a Redis URL; write redis://user:password@host:6379/0"
            ) from None
    how: dict[str, Any] = {
        "username": options.username,
        "password": _password(options),
        "db": options.database,
        "ssl": options.tls,
        **_settings(options, tls=options.tls),
    }
    if sentinels is not None and address.sentinels is not None:
        master: redis.Redis = sentinels.master_for(address.sentinels.master, **how)  # type: ignore[no-untyped-call]
        return master
    host, port = address.node or ("", 0)
    return redis.Redis(host=host, port=port, **how)


def _find_sentinels(options: RedisOptions) -> Sentinel | None:
    """What asks the sentinels, which have the server's password unless they have their own."""
    found = options.address.sentinels
    if found is None:
        return None
    own = options.sentinel_password
    password = _password(options) if own is None else own.get_secret_value()
    how = {"password": password or None, "ssl": options.tls, **_settings(options, tls=options.tls)}
    # One after the other is asked, so the list is for this object alone.
    return Sentinel(list(found.nodes), sentinel_kwargs=how)  # type: ignore[no-untyped-call] # as the library has it


def _password(options: RedisOptions) -> str | None:
    in_address = options.address.sentinels.password if options.address.sentinels else None
    return in_address or (options.password.get_secret_value() if options.password else None) or None


def _settings(options: RedisOptions, *, tls: bool) -> dict[str, Any]:
    how: dict[str, Any] = {"socket_connect_timeout": _CONNECT_SECONDS, "socket_timeout": _ANSWER_SECONDS}
    return how | {"ssl_cert_reqs": "none", "ssl_check_hostname": False} if tls and options.tls_skip_verify else how
