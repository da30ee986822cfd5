"""The options of the source `sql`: an address that SQLAlchemy knows, and what each collection takes from there."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from app.connectors.contract.kind import SourceKind
from app.connectors.options.installed import check_installed
from app.connectors.options.types import Options
from app.domain.keys import Several
from app.domain.numbers import Whole  # noqa: TC001 - pydantic reads the annotations

_FORM: Final = "write dialect://user:password@host/database, e.g. postgresql://… or sqlite:////path/of/the.file"


class SqlOptions(Options):
    """`url` is SQLAlchemy's; tables named without a schema are in `schema`, a chunk has at most `chunk_rows` rows."""

    url: SecretStr
    schema_: str | None = Field(default=None, alias="schema", min_length=1)
    chunk_rows: Whole = Field(default=10_000, ge=1, le=1_000_000)

    @field_validator("url")
    @classmethod
    def _has_a_driver(cls, url: SecretStr) -> SecretStr:
        _check_url(url.get_secret_value())
        return url


class SqlParameters(Options):
    """A `table` or the rows of a `query`; without both the table is the collection's type.

    `mode`, `cursor_field` and `key` are the collection's own `sync_mode`, `cursor_field` and `primary_key`.
    """

    table: str | None = Field(default=None, min_length=1)
    query: str | None = Field(default=None, min_length=1)
    cursor_field: str | None = Field(default=None, min_length=1)
    key: Annotated[tuple[str, ...] | None, Several] = Field(default=None, min_length=1)
    mode: Literal["full_refresh", "incremental"] | None = None

    @model_validator(mode="after")
    def _has_one_origin(self) -> Self:
        if self.table is not None and self.query is not None:
            raise ValueError("'table' and 'query' exclude each other")
        if self.table is not None and ("" in self.table.split(".") or self.table.count(".") > 1):
            raise ValueError("'table' must be a name or schema.name: for anything else write a 'query'")
        return self


def driver_url(url: str) -> str:
    """`postgres://`, as other programs write it, and the driver that Syncline brings for PostgreSQL."""
    scheme, separator, rest = url.strip().partition("://")
    return ("postgresql+psycopg" if scheme in {"postgres", "postgresql"} else scheme) + separator + rest


def _check_url(url: str) -> None:
    """Raises ValueError, without a word of `url`, which holds a password, if there is no dialect or driver for it."""
    # Only SQLAlchemy knows its dialects, and only catalogues with such an address have to wait for it.
    from sqlalchemy.engine import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError  # noqa: PLC0415

    try:
        # Placeholders may have put anything in there: a port that is none is a ValueError.
        address = make_url(driver_url(url))
    except (ArgumentError, ValueError):
        raise ValueError(f"it is not an address of SQLAlchemy: {_FORM}") from None
    if address.get_backend_name() == "duckdb":
        check_installed("an address duckdb://", "sql-duckdb", "duckdb_engine")
        return
    try:
        dialect = address.get_dialect()
    except NoSuchModuleError:
        raise ValueError(f"SQLAlchemy has no dialect for it: install the package that brings it, or {_FORM}") from None
    if dialect.is_async:
        raise ValueError("its driver is an asynchronous one: name another, e.g. postgresql+psycopg://")
    try:
        dialect.import_dbapi()
    except ImportError as error:
        driver = repr(error.name) if error.name else "it"
        raise ValueError(f"its driver is not installed: install the package that brings {driver}") from None


KINDS: Final[dict[str, SourceKind]] = {
    "sql": SourceKind(
        SqlOptions,
        SqlParameters,
        "app.connectors.sources.sql.source:SqlSource",
        offers="by itself",
        reads_intervals=True,
    ),
}
