"""The options of the destination `postgres`: an address that libpq knows."""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from app.connectors.contract.kind import DestinationKind
from app.connectors.options.types import Options, check_one_address
from app.domain.numbers import HIGHEST_PORT, Port


class PostgresDestinationOptions(Options):
    """A `url`, or its parts; tables are made in `schema`."""

    type: Literal["postgres"] = "postgres"
    url: SecretStr | None = None
    host: str | None = None
    port: Port | None = None
    user: str | None = None
    password: SecretStr | None = None
    database: str | None = None
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None = None
    schema_: str = Field(default="public", alias="schema", min_length=1, max_length=63)

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            _check_address(url.get_secret_value())
        return url

    @model_validator(mode="after")
    def _has_one_address(self) -> Self:
        check_one_address(self, "host", "port", "user", "password", "database")
        return self


def _check_address(url: str) -> None:
    """Raises ValueError, without a word of `url`, which holds a password, if libpq does not understand it."""
    # Only libpq knows all its options, and only catalogues with an address have to wait for it.
    from psycopg import ProgrammingError  # noqa: PLC0415
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    if not url.strip():
        raise ValueError("it is empty: write postgresql://user:password@host:port/database")
    try:
        understood = conninfo_to_dict(url)
    except (ProgrammingError, UnicodeError):
        raise ValueError(
            "it is not a PostgreSQL address, or has an option that PostgreSQL does not know: "
            "write postgresql://user:password@host:port/database"
        ) from None
    for port in str(understood.get("port") or "").split(","):
        if port and not (port.isdecimal() and 1 <= int(port[:6]) <= HIGHEST_PORT):
            raise ValueError(f"its port is not a number from 1 to {HIGHEST_PORT}")


KINDS: Final[dict[str, DestinationKind]] = {
    "postgres": DestinationKind(
        PostgresDestinationOptions, "app.connectors.destinations.postgres.destination:PostgresDestination"
    ),
}
