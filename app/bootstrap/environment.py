"""What processes take from their environment: the database's address and the values of `${env.…}`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from app.bootstrap.logs import mask_in_logs
from app.connectors.options.passwords import PasswordProgram, split_command
from app.domain.errors import ConfigurationError
from app.domain.keys import parse_pools
from app.domain.postgres_url import EXAMPLE
from app.store.address import DatabaseAddress, parse_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.config.settings import Settings

USUAL_CONFIG: Final = Path("syncline.yaml")


def database_address(settings: Settings) -> DatabaseAddress:
    """The address of the database.

    Raises:
        ConfigurationError: DATABASE_URL is not set or not valid.
    """
    if not settings.database_url:
        raise ConfigurationError(f"DATABASE_URL is not set; expected {EXAMPLE}")
    return DatabaseAddress.of(
        settings.database_url,
        settings.database_direct_url,
        password=password_program(settings.database_password_command),
    )


def password_program(command: str | None) -> PasswordProgram | None:
    """The program of DATABASE_PASSWORD_COMMAND, if there is one."""
    if not command:
        return None
    return PasswordProgram(split_command(command), key="DATABASE_PASSWORD_COMMAND", learn=mask_in_logs)


def database_in_reach(settings: Settings) -> DatabaseAddress:
    """The address of the database, for commands; without DATABASE_URL that of a running `syncline dev`.

    Raises:
        ConfigurationError: DATABASE_URL is not set, and no `syncline dev` runs on the data directory.
    """
    if settings.database_url:
        return database_address(settings)
    # Imported here, because services start faster without it.
    from app.bootstrap.embedded_postgres import home_below, running_server  # noqa: PLC0415

    data = settings.data_dir.absolute()
    if url := running_server(home_below(data)):
        # The user has not named it, and a token that is created in the wrong database would be refused elsewhere.
        click.echo(f"Using the database of the 'syncline dev' on {data}.", err=True)
        return DatabaseAddress.of(url)
    raise ConfigurationError(
        f"DATABASE_URL is not set, and no 'syncline dev' is running on {data}: start it, set SYNCLINE_DATA_DIR to its "
        f"--data, or set DATABASE_URL to {EXAMPLE}"
    )


def config_path(settings: Settings, given: Path | None, *, way: str = "--config FILE") -> Path:
    """The catalogue's file: that of the command line, or SYNCLINE_CONFIG, or `syncline.yaml` in this directory.

    `way` is how the command line names it.

    Raises:
        ConfigurationError: there is none.
    """
    path = find_config(settings, given)
    if path is None:
        raise ConfigurationError(f"no catalogue: use {way}, set SYNCLINE_CONFIG, or write ./{USUAL_CONFIG}")
    return path


def find_config(settings: Settings, given: Path | None) -> Path | None:
    """The same; None if there is none."""
    return given or settings.config or (USUAL_CONFIG if USUAL_CONFIG.exists() else None)


def worker_pools(settings: Settings, given: Iterable[str]) -> tuple[str, ...]:
    """The pools of a worker, each once: those of the command line, or SYNCLINE_POOLS."""
    return tuple(dict.fromkeys(given) or dict.fromkeys(parse_pools(settings.pools)))


def substitution_environment(settings: Settings) -> dict[str, str]:
    """This process's environment and the parts of the database's address, for `${env.…}` in the catalogue.

    `syncline dev` sets the parts itself, to the server's TCP address, because its URL is that of a Unix socket.
    """
    parts = url_parts(settings.database_url) if settings.database_url else {}
    return parts | dict(os.environ)


def url_parts(url: str) -> dict[str, str]:
    """The parts of a PostgreSQL URL as `SYNCLINE_PG_HOST`, `_PORT`, `_USER`, `_PASSWORD` and `_DATABASE`.

    Raises:
        ConfigurationError: not a URL.
    """
    parsed = parse_url("DATABASE_URL", url)
    host = parsed.host or parsed.query.get("host")
    parts = {
        "HOST": host if isinstance(host, str) else None,
        "PORT": str(parsed.port or parsed.query.get("port") or 5432),
        "USER": parsed.username,
        "PASSWORD": parsed.password,
        "DATABASE": parsed.database,
    }
    return {f"SYNCLINE_PG_{name}": str(value) for name, value in parts.items() if value}
