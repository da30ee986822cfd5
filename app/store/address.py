"""The address of the database: one form of URL for all drivers, one line for every mistake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from app.connectors.options.passfile import reads_passfile
from app.domain.choices import unknown_name
from app.domain.errors import ConfigurationError
from app.domain.ports import HIGHEST_PORT
from app.domain.postgres_url import DEFAULT_PORT, ESCAPED_AT, EXAMPLE, NO_SCHEME, POSTGRES, SCHEME, several_hosts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import URL

    from app.connectors.options.passwords import PasswordProgram

# The options that a URL may have, and those that only libpq knows and the service does not need.
_URL_OPTIONS: Final = frozenset({
    "host", "port", "user", "password", "dbname", "application_name", "options", "passfile", "service", "servicefile",
    "sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl", "ssl_min_protocol_version",
    "ssl_max_protocol_version", "target_session_attrs",
})  # fmt: skip
_LIBPQ_ONLY: Final = frozenset({
    "channel_binding", "client_encoding", "connect_timeout", "fallback_application_name", "gssencmode", "keepalives",
    "keepalives_count", "keepalives_idle", "keepalives_interval", "load_balance_hosts", "require_auth",
    "sslcompression", "sslnegotiation", "sslsni", "tcp_user_timeout",
})  # fmt: skip
_CHOICES: Final = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
}
# Neither is shown: what follows an '@' in a password is taken for the host and the port.
_WRONG_HOST: Final = f"the host must not contain '@'; {ESCAPED_AT}"
_WRONG_PORT: Final = f"the port must be a number from 1 to {HIGHEST_PORT}; {ESCAPED_AT}"


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """`direct` bypasses the pooler; it equals `url` if there is none. `password` is asked at each login, if given."""

    url: str
    direct: str
    password: PasswordProgram | None = None

    @classmethod
    def of(cls, url: str, direct_url: str | None = None, *, password: PasswordProgram | None = None) -> DatabaseAddress:
        """Accept the URLs that libpq and SQLAlchemy accept.

        Raises:
            ConfigurationError: not a PostgreSQL URL, or one with a password although a program prints it.
        """
        names = {"DATABASE_URL": url, "DATABASE_DIRECT_URL": direct_url or url}
        for name, given in names.items() if password else ():
            parsed = parse_url(name, given)
            if parsed.password is not None or "password" in parsed.query:
                raise ConfigurationError(
                    f"{name}: has a password, and cannot be combined with DATABASE_PASSWORD_COMMAND: remove one of them"
                )
        plain, direct = (plain_url(name, given) for name, given in names.items())
        return cls(url=plain, direct=direct, password=password)

    @property
    def pooled(self) -> bool:
        return self.direct != self.url


def plain_url(name: str, url: str) -> str:
    """Rewrite `url` as every driver here understands it: without a driver's name, a socket's directory in `host=`.

    Raises:
        ConfigurationError: not a PostgreSQL URL; the message does not show the URL, which may contain a password.
    """
    parsed = parse_url(name, url)
    if parsed.get_backend_name() not in POSTGRES:
        raise ConfigurationError(f"{name}: must begin with postgresql://, not {parsed.drivername}://")
    if not (parsed.host or parsed.database or parsed.query.keys() & {"host", "dbname", "service"}):
        raise ConfigurationError(f"{name}: has no host and no database; expected {EXAMPLE}")
    if "@" in (parsed.host or ""):
        raise ConfigurationError(f"{name}: {_WRONG_HOST}")
    if unknown := sorted(parsed.query.keys() - _URL_OPTIONS - _LIBPQ_ONLY):
        raise ConfigurationError(f"{name}: {unknown_name('option', unknown[0], sorted(_URL_OPTIONS))}")
    _check_choices(name, parsed)
    for port in _split_list(parsed.query.get("port", str(parsed.port or DEFAULT_PORT))):
        if not port.isdecimal() or not 0 < int(port) <= HIGHEST_PORT:
            raise ConfigurationError(f"{name}: {_WRONG_PORT}")
    parsed = parsed.set(drivername="postgresql").difference_update_query(_LIBPQ_ONLY)
    # The first of several servers that answers may be a standby.
    if len(_split_list(parsed.query.get("host", ""))) > 1 and "target_session_attrs" not in parsed.query:
        parsed = parsed.update_query_dict({"target_session_attrs": "read-write"})
    if parsed.host and (directory := unquote(parsed.host)).startswith("/"):
        parsed = parsed.create(
            parsed.drivername,
            parsed.username,
            parsed.password,
            database=parsed.database,
            query={**parsed.query, "host": directory, "port": str(parsed.port or DEFAULT_PORT)},
        )
    return parsed.render_as_string(hide_password=False)


def _check_choices(name: str, parsed: URL) -> None:
    """Refuse what no driver knows; asyncpg takes it for a fault of the connection, and may not list what is valid."""
    for option, valid in _CHOICES.items():
        given = parsed.query.get(option, ())
        for value in (given,) if isinstance(given, str) else given:
            if value not in valid:
                raise ConfigurationError(f"{name}: {unknown_name(option, value, valid)}")


def parse_url(name: str, url: str) -> URL:
    """Split a URL into its parts. Several hosts go into `host=` and `port=`, where all drivers read them alike.

    Raises:
        ConfigurationError: not a URL.
    """
    if not SCHEME.match(url):
        raise ConfigurationError(f"{name}: {NO_SCHEME}")
    try:
        url = several_hosts(url)
    except ValueError as error:
        raise ConfigurationError(f"{name}: {error}") from None
    try:
        parsed = _parse(url)
    except ValueError:  # its text holds what was taken for the port
        raise ConfigurationError(f"{name}: {_WRONG_PORT}") from None
    except Exception:  # noqa: BLE001 - SQLAlchemy raises several kinds, all with the URL in their text
        raise ConfigurationError(f"{name}: not a URL; expected {EXAMPLE}") from None
    hosts = _split_list(parsed.query.get("host", ""))
    if len(hosts) > 1 and any(":" in host for host in hosts):
        # asyncpg would take its end for a port.
        raise ConfigurationError(f"{name}: with several hosts, each must be a name or an IPv4 address")
    return parsed


def _split_list(option: str | Sequence[str]) -> list[str]:
    """The values of an option that is written once with commas, or several times."""
    return ",".join([option] if isinstance(option, str) else option).split(",")


def _parse(url: str) -> URL:
    from sqlalchemy import make_url  # noqa: PLC0415 -- a fifth of a second, which commands without a database save

    return make_url(url)


def is_read_again(url: str) -> bool:
    """Whether the driver reads the password from a file at each login."""
    parsed = _parse(url)
    has_password = parsed.password is not None or "password" in parsed.query
    return not has_password and reads_passfile(parsed.query)


def server_of(url: str) -> str:
    """`host:port/database`, without the login."""
    parsed = _parse(url)
    host = parsed.host or parsed.query.get("host") or "localhost"
    return f"{host}:{parsed.port or parsed.query.get('port') or DEFAULT_PORT}/{parsed.database or ''}"
