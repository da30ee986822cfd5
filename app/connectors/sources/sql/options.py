"""The options of the source `sql`: a SQLAlchemy URL, and what each collection reads from there."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from app.connectors.contract.kind import SourceKind
from app.connectors.options.installed import check_installed
from app.connectors.options.passwords import PasswordCommand, check_one_password
from app.connectors.options.types import Options
from app.domain.keys import Several
from app.domain.numbers import Whole  # noqa: TC001 - pydantic reads the annotations
from app.domain.postgres_url import POSTGRES, has_several_hosts, several_hosts
from app.domain.secret_names import is_secret_name

_FORM: Final = "write dialect://user:password@host/database, e.g. postgresql://… or sqlite:////path/to/the.file"
_SEVERAL: Final = (
    "only PostgreSQL with psycopg takes several hosts; name one host, such as that of a proxy that leads to the others"
)
_LIBPQ: Final = frozenset({"postgresql+psycopg", "postgresql+psycopg2", "postgresql+psycopg2cffi"})
# SQLAlchemy's own. A driver of another database may understand a comma in its way, as ODBC does.
_ONE_HOST: Final = frozenset({"postgresql", "mysql", "mariadb"})


class SqlOptions(Options):
    """`url` is SQLAlchemy's; tables named without a schema are in `schema`, a chunk has at most `chunk_rows` rows.

    `password_command` prints the password, if the URL has none. `read_parallel` connections read a large table.

    A collection that finds its tables by itself loads each into a table with the given prefix, or the given name.
    """

    url: SecretStr
    password_command: PasswordCommand | None = None
    schema_: str | None = Field(default=None, alias="schema", min_length=1)
    chunk_rows: Whole = Field(default=10_000, ge=1, le=1_000_000)
    read_parallel: Whole = Field(default=1, ge=1, le=16)
    stream_table_names: dict[str, str] = Field(default_factory=dict)
    stream_table_name_prefix: str | None = None

    @field_validator("url")
    @classmethod
    def _check_driver(cls, url: SecretStr) -> SecretStr:
        _check_url(url.get_secret_value())
        return url

    @model_validator(mode="after")
    def _check_password(self) -> Self:
        if self.password_command is not None:
            _check_url_without_password(self.url.get_secret_value(), self.password_command)
        return self

    @model_validator(mode="after")
    def _check_parallel(self) -> Self:
        if self.read_parallel > 1:
            if not driver_url(self.url.get_secret_value()).startswith("postgresql+psycopg:"):
                raise ValueError("'read_parallel': only tables of PostgreSQL are read in parallel; remove it")
            check_installed("'read_parallel'", "sql-parallel", "adbc_driver_postgresql")
        return self


def _is_name(text: str) -> bool:
    return "" not in text.split(".") and text.count(".") <= 1


def _check_pattern(pattern: str) -> str:
    if not _is_name(pattern):
        raise ValueError(f"{pattern!r} is not valid; write name or schema.name, with * and ? for any characters")
    return pattern


TablePattern = Annotated[str, AfterValidator(_check_pattern)]


class SqlParameters(Options):
    """A `table` or the rows of a `query`; without either, the table is the collection's type.

    `include` and `exclude` are patterns for several tables, and so may `table` and the type be.

    `mode`, `cursor_field` and `key` are the collection's own `sync_mode`, `cursor_field` and `primary_key`.
    """

    table: str | None = Field(default=None, min_length=1)
    query: str | None = Field(default=None, min_length=1)
    include: Annotated[tuple[TablePattern, ...], Several] = ()
    exclude: Annotated[tuple[TablePattern, ...], Several] = ()
    views: bool = False
    cursor_field: str | None = Field(default=None, min_length=1)
    key: Annotated[tuple[str, ...] | None, Several] = Field(default=None, min_length=1)
    mode: Literal["full_refresh", "incremental"] | None = None

    @model_validator(mode="after")
    def _check_origin(self) -> Self:
        if self.table is not None and self.query is not None:
            raise ValueError("give either 'table' or 'query', not both")
        if self.table is not None and not _is_name(self.table):
            raise ValueError("'table' must be a name or schema.name; for anything else use 'query'")
        if self.query is not None and (self.include or self.exclude):
            raise ValueError("'include' and 'exclude' choose tables, and cannot be combined with 'query'")
        if self.table is not None and self.include:
            raise ValueError("give either 'table' or 'include', not both")
        return self


def driver_url(url: str) -> str:
    """`url` with the driver that Syncline installs for PostgreSQL; `postgres://` is understood as well.

    Raises ValueError if it names several hosts, and its driver cannot try them or they are wrong.
    """
    scheme, separator, rest = url.strip().partition("://")
    scheme = "postgresql+psycopg" if scheme in POSTGRES else scheme
    url = scheme + separator + rest
    if scheme in _LIBPQ:
        return several_hosts(url)
    if scheme.partition("+")[0] in _ONE_HOST and has_several_hosts(url):
        raise ValueError(_SEVERAL)
    return url


def _check_url(url: str) -> None:
    """Raises ValueError if there is no dialect or driver for `url`, without quoting it: it holds a password."""
    # Only catalogues with such a URL wait for the import of SQLAlchemy.
    from sqlalchemy.engine import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError  # noqa: PLC0415

    url = driver_url(url)
    try:
        # Placeholders may put anything in there: a port that is not a number is a ValueError.
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(_SEVERAL if has_several_hosts(url) else f"not a SQLAlchemy URL; {_FORM}") from None
    if address.get_backend_name() == "duckdb":
        check_installed("a duckdb:// URL", "sql-duckdb", "duckdb_engine")
        return
    try:
        dialect = address.get_dialect()
    except NoSuchModuleError:
        raise ValueError(
            f"SQLAlchemy has no dialect for this URL; install the package that provides it, or {_FORM}"
        ) from None
    if dialect.is_async:
        raise ValueError("the driver in this URL is asynchronous; use a synchronous one, e.g. postgresql+psycopg://")
    try:
        dialect.import_dbapi()
    except ImportError as error:
        driver = repr(error.name) if error.name else "it"
        raise ValueError(
            f"the driver for this URL is not installed; install the package that provides {driver}"
        ) from None


def _check_url_without_password(url: str, command: PasswordCommand) -> None:
    from sqlalchemy.engine import make_url  # noqa: PLC0415 -- as above

    address = make_url(driver_url(url))
    if address.get_backend_name() in {"sqlite", "duckdb"}:
        raise ValueError("'password_command': a database in a file has no password; remove it")
    # A key of TLS has a passphrase of its own.
    in_query = any(is_secret_name(name) and not name.lower().startswith(("ssl", "tls")) for name in address.query)
    check_one_password(command=command, password=None, in_url=address.password is not None or in_query)


KINDS: Final[dict[str, SourceKind]] = {
    "sql": SourceKind(
        SqlOptions,
        SqlParameters,
        "app.connectors.sources.sql.source:SqlSource",
        offers="by itself",
        reads_intervals=True,
        looks_back=True,
        library="sqlalchemy",
        bookmark_problem="app.connectors.sources.sql.bookmark_form:bookmark_problem",
        tries="find the table, or prepare the query",
        finds_its_collections=True,
    ),
}
