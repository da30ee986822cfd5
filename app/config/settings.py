"""Settings from the environment: where the database, the catalogue and the data directory are, and how to log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.config.problems import problem_at
from app.connectors.options.complaints import complaints
from app.connectors.options.passwords import split_command
from app.domain.errors import ConfigurationError
from app.domain.keys import parse_pools
from app.domain.pool import DEFAULT_POOL
from app.domain.postgres_url import NO_SCHEME, POSTGRES, SCHEME


def _parse_postgres_url(url: str) -> str:
    found = SCHEME.match(url)
    if found is None:
        raise ValueError(NO_SCHEME)
    if found[1] not in POSTGRES:
        raise ValueError(f"must begin with postgresql://, not {found[0]}")
    return f"postgresql://{url[found.end() :]}"


def _parse_word(value: Any) -> Any:
    return {"warning": "warn"}.get(value.lower(), value.lower()) if isinstance(value, str) else value


def _check_pools(pools: str) -> str:
    parse_pools(pools)
    return pools


def _check_command(command: str) -> str:
    split_command(command)
    return command


PostgresUrl = Annotated[str, AfterValidator(_parse_postgres_url)]


class Settings(BaseSettings):
    """The environment variables that Syncline reads; one that is empty counts as absent.

    `database_url` None: the embedded server. `connectors_dir` has packages of taps and connectors; those that are
    missing are installed in the data directory, or `never`. `log_format` `auto`: `console` on a terminal, `json`
    otherwise.
    """

    model_config = SettingsConfigDict(
        case_sensitive=True, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database_url: PostgresUrl | None = Field(default=None, validation_alias="DATABASE_URL", repr=False)
    database_direct_url: PostgresUrl | None = Field(default=None, validation_alias="DATABASE_DIRECT_URL", repr=False)
    database_password_command: Annotated[str, AfterValidator(_check_command)] | None = Field(
        default=None, validation_alias="DATABASE_PASSWORD_COMMAND", repr=False
    )
    config: Path | None = Field(default=None, validation_alias="SYNCLINE_CONFIG")
    data_dir: Path = Field(default=Path(".syncline"), validation_alias="SYNCLINE_DATA_DIR")
    pools: Annotated[str, AfterValidator(_check_pools)] = Field(default=DEFAULT_POOL, validation_alias="SYNCLINE_POOLS")
    connectors_dir: Path | None = Field(default=None, validation_alias="SYNCLINE_CONNECTORS_DIR")
    install: Annotated[Literal["missing", "never"], BeforeValidator(_parse_word)] = Field(
        default="missing", validation_alias="SYNCLINE_INSTALL"
    )
    url: str | None = Field(default=None, validation_alias="SYNCLINE_URL", repr=False)
    token: str | None = Field(default=None, validation_alias="SYNCLINE_TOKEN", repr=False)
    log_level: Annotated[Literal["debug", "info", "warn", "error"], BeforeValidator(_parse_word)] = Field(
        default="info", validation_alias="SYNCLINE_LOG_LEVEL"
    )
    log_format: Annotated[Literal["auto", "console", "json"], BeforeValidator(_parse_word)] = Field(
        default="auto", validation_alias="SYNCLINE_LOG_FORMAT"
    )

    @property
    def direct_url(self) -> str | None:
        """The database without a connection pooler: for LISTEN, advisory locks and migrations."""
        return self.database_direct_url or self.database_url


def read_settings() -> Settings:
    """Read the environment of this process.

    Raises:
        ConfigurationError: one line that names every wrong variable and its valid values.
    """
    try:
        return Settings()
    except ValidationError as error:
        wrong = [problem_at(path, message) for path, message in complaints(error, Settings, os.environ)]
        raise ConfigurationError("; ".join(map(str, wrong))) from None
