"""The options of the destination `postgres`: what libpq connects with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from app.connectors.contract.kind import DestinationKind
from app.connectors.destinations.postgres.parameters import check_parameters
from app.connectors.destinations.postgres.tls import Ssl, SslMode  # noqa: TC001 - pydantic reads the annotations
from app.connectors.options.passwords import PasswordCommand, check_one_password
from app.connectors.options.types import Options, check_one_address
from app.domain.naming import AS_IS, CLASSIC, Naming
from app.domain.numbers import Port  # noqa: TC001 - pydantic reads the annotations
from app.domain.ports import HIGHEST_PORT
from app.domain.postgres_url import DEFAULT_PORT, EXAMPLE, several_hosts

if TYPE_CHECKING:
    from collections.abc import Hashable


class PostgresDestinationOptions(Options):
    """A `url`, or its parts; tables are created in `schema`. `parameters` are libpq's."""

    type: Literal["postgres"] = "postgres"
    url: SecretStr | None = None
    host: str | None = None
    port: Port | None = None
    user: str | None = None
    password: SecretStr | None = None
    password_command: PasswordCommand | None = None
    database: str | None = None
    sslmode: SslMode | None = None
    ssl: Ssl | None = None
    parameters: dict[str, str] = Field(default_factory=dict, repr=False)
    schema_: str = Field(default="public", alias="schema", min_length=1, max_length=63)
    naming: Naming = AS_IS
    primary_key_fields: list[str] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _check_key(self) -> Self:
        if self.primary_key_fields is not None and self.naming != CLASSIC:
            raise ValueError("'primary_key_fields' is a key of Jitsu Classic's tables: set 'naming: classic' as well")
        return self

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            _check_libpq_url(several_hosts(url.get_secret_value()))
        return url

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        check_one_address(self, "host", "port", "user", "password", "database")
        in_url = self.url is not None and bool(_parts_of(self.conninfo).get("password"))
        check_one_password(command=self.password_command, password=self.password, in_url=in_url)
        return self

    @model_validator(mode="after")
    def _check_parameters(self) -> Self:
        in_ssl = self.ssl.parameters if self.ssl else frozenset[str]()
        if self.sslmode and "sslmode" in in_ssl:
            raise ValueError("give either 'sslmode' or 'ssl.mode', not both")
        in_url = _parts_of(self.conninfo) if self.url else {}
        if repeated := sorted(in_ssl & in_url.keys()):
            raise ValueError(f"{', '.join(map(repr, repeated))} of 'url' is in 'ssl' as well: remove one of them")
        if self.parameters:
            check_parameters(self.parameters, known=_known_parameters(), elsewhere=in_ssl | in_url.keys())
        return self

    @property
    def conninfo(self) -> str:
        """The URL, or libpq's keywords, that the user wrote; empty if there are only parts."""
        return several_hosts(self.url.get_secret_value()) if self.url else ""

    def home(self) -> Hashable:
        parts: dict[str, object] = {"host": self.host, "port": self.port, "dbname": self.database}
        if self.url is not None:
            parts = _parts_of(self.conninfo)
        return "postgres", parts.get("host"), str(parts.get("port") or DEFAULT_PORT), parts.get("dbname"), self.schema_


def _parts_of(conninfo: str) -> dict[str, object]:
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 -- as below

    return dict(conninfo_to_dict(conninfo))


def _known_parameters() -> list[str]:
    from psycopg.pq import Conninfo  # noqa: PLC0415 -- as below

    return [option.keyword.decode() for option in Conninfo.get_defaults()]


def _check_libpq_url(url: str) -> None:
    """Raises ValueError if libpq does not understand `url`; without quoting it, as it holds a password."""
    # Only libpq knows all of its options. Imported here: it is needed only for catalogues with a URL.
    from psycopg import ProgrammingError  # noqa: PLC0415
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    if not url.strip():
        raise ValueError(f"must not be empty: write {EXAMPLE}")
    try:
        understood = conninfo_to_dict(url)
    except (ProgrammingError, UnicodeError):
        raise ValueError(
            f"not a PostgreSQL URL, or one with an option that PostgreSQL does not know: write {EXAMPLE}"
        ) from None
    for port in str(understood.get("port") or "").split(","):
        if port and not (port.isdecimal() and 1 <= int(port[:6]) <= HIGHEST_PORT):
            raise ValueError(f"the port must be a number from 1 to {HIGHEST_PORT}")


KINDS: Final[dict[str, DestinationKind]] = {
    "postgres": DestinationKind(
        PostgresDestinationOptions,
        "app.connectors.destinations.postgres.destination:PostgresDestination",
        trial="app.connectors.destinations.postgres.trial:try_out",
        plan="app.connectors.destinations.postgres.plan:plan_tables",
        tries="create a table, write a row, drop it",
    ),
}
