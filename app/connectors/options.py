"""The options of every source and destination, checked when a catalogue is loaded and again by an attempt.

Only pydantic is imported at first, so that checking a catalogue loads no connector.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from app.connectors import dlt_options
from app.connectors.airbyte_options import AirbyteOptions
from app.connectors.classic_options import (
    AmplitudeOptions,
    FacebookMarketingOptions,
    FacebookMarketingParameters,
    GoogleAdsOptions,
    GoogleAdsParameters,
    GoogleAnalyticsOptions,
    GoogleAnalyticsParameters,
    GooglePlayOptions,
    NoParameters,
)
from app.connectors.dlt_options import DLT, DLT_DESTINATIONS, DltDestinationOptions
from app.connectors.files_options import FilesOptions, FilesParameters
from app.connectors.installed import check_installed
from app.connectors.numbers import Number, Whole  # noqa: TC001 - pydantic reads the annotations
from app.connectors.option_types import PINNED, Document, Duration, Options, Pinned, Several
from app.connectors.parquet_options import WRITE_MODES, ParquetDestinationOptions
from app.connectors.rest_options import RestOptions, RestParameters
from app.connectors.sql_options import SqlOptions, SqlParameters
from app.connectors.target_options import TARGET_MODES, TargetOptions
from app.domain.errors import ConfigurationError
from app.domain.writing import WriteMode

Model = TypeVar("Model", bound=BaseModel)

_HIGHEST_PORT = 65535
_IMPORTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*)?")
_NAMED = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w., -]+\])?")


class SingerOptions(Options):
    """A Singer tap: a pinned `package` that is installed on first use, or the `command` that runs it.

    The names that Jitsu Classic used (`tap`, `properties`, `initial_state`, …) are understood as well; a `tap` without
    a version stays at the version that was the newest when it was first installed.
    """

    package: Pinned | None = None
    command: tuple[str, ...] | str | None = None
    tap: str | None = None
    executable: str | None = None
    config: Document = Field(default_factory=dict)
    catalog: Document | None = None
    properties: Document | None = None
    state: Document | None = None
    initial_state: Document | None = None
    stream_table_names: dict[str, str] = Field(default_factory=dict)
    stream_table_name_prefix: str | None = None
    discovery_max_age: Duration = timedelta(hours=1)

    @field_validator("tap")
    @classmethod
    def _is_a_package(cls, tap: str | None) -> str | None:
        if tap is not None and not (_NAMED.fullmatch(tap) or PINNED.fullmatch(tap)):
            raise ValueError(f"{tap!r} is not the name of a package: write name or name==version")
        return tap

    @model_validator(mode="after")
    def _has_one_origin(self) -> Self:
        given = [key for key in ("package", "command", "tap") if getattr(self, key)]
        if len(given) != 1:
            found = " and ".join(f"'{key}'" for key in given) or "none"
            raise ValueError(f"exactly one of 'package', 'command' and 'tap' is needed, found {found}")
        for key, classic in (("catalog", "properties"), ("state", "initial_state")):
            if getattr(self, key) is not None and getattr(self, classic) is not None:
                raise ValueError(f"'{key}' and '{classic}' exclude each other")
        return self


class SingerParameters(Options):
    """Which fields: names, patterns with `*` and `?`, and `!` before what is left out."""

    select: Annotated[tuple[str, ...], Several] = ()

    @field_validator("select")
    @classmethod
    def _names_something(cls, select: tuple[str, ...]) -> tuple[str, ...]:
        if not all(each.removeprefix("!") for each in select):
            raise ValueError("a pattern is empty: write the name of a field, a pattern such as 'address_*', or '!name'")
        return select


class PythonOptions(Options):
    """A `function` by its import path, `package.module:name`, or a module whose functions have the collections' names.

    `path` are directories to import from, `config` is handed to the function.
    """

    function: str
    path: Annotated[tuple[str, ...], Several] = ()
    config: dict[str, Any] = Field(default_factory=dict)

    @field_validator("function")
    @classmethod
    def _is_an_import_path(cls, function: str) -> str:
        if not _IMPORTED.fullmatch(function):
            raise ValueError(f"{function!r} is no import path: write package.module:name, or package.module")
        if (top := re.split("[.:]", function)[0]) in {"app", "syncline"}:
            raise ValueError(f"the package {top!r} is Syncline's own: give yours another name")
        return function


class RedisOptions(Options):
    """A `url`, or its parts; `tls_skip_verify` trusts any certificate, as Jitsu Classic can be told to."""

    url: SecretStr | None = None
    host: str | None = Field(default=None, min_length=1)
    port: Whole = Field(default=6379, ge=1, le=_HIGHEST_PORT)
    username: str | None = None
    password: SecretStr | None = None
    database: Whole = Field(default=0, ge=0)
    tls: bool = False
    tls_skip_verify: bool = False

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("it is no address of Redis: write redis://user:password@host:6379/0, or rediss://")
        return url

    @model_validator(mode="after")
    def _has_one_address(self) -> Self:
        parts = [
            key for key in ("host", "port", "username", "password", "database", "tls") if key in self.model_fields_set
        ]
        if self.url is not None and parts:
            raise ValueError(f"'url' already says it: remove {', '.join(map(repr, parts))}")
        if self.url is None and self.host is None:
            raise ValueError("'url' or 'host' (with port, username, password, database, tls) is needed")
        return self

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        check_installed("type 'redis'", "redis", "redis")
        return self


class RedisParameters(Options):
    """Which keys: `redis_key` is one, or a pattern with `*`, `?` or `[…]`."""

    redis_key: str = Field(min_length=1)


class SyntheticOptions(Options):
    """A made-up source has no options; its collections have `SyntheticParameters`."""


class SyntheticParameters(Options):
    """What to make: `records` and `log_lines` spread evenly over `seconds`, then fail with probability `fail_rate`."""

    records: Whole = Field(default=100, ge=0)
    log_lines: Whole = Field(default=1, ge=0)
    seconds: Number = Field(default=0, ge=0, allow_inf_nan=False)
    fail_rate: Number = Field(default=0, ge=0, le=1)


class PostgresDestinationOptions(Options):
    """A `url`, or its parts; tables are made in `schema`."""

    type: Literal["postgres"] = "postgres"
    url: SecretStr | None = None
    host: str | None = None
    port: Whole | None = Field(default=None, ge=1, le=_HIGHEST_PORT)
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
        parts = [key for key in ("host", "port", "user", "password", "database") if getattr(self, key) is not None]
        if self.url is not None and parts:
            raise ValueError(f"'url' already says it: remove {', '.join(map(repr, parts))}")
        if self.url is None and self.host is None:
            raise ValueError("'url' or 'host' (with port, user, password, database) is needed")
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
        if port and not (port.isdecimal() and 1 <= int(port[:6]) <= _HIGHEST_PORT):
            raise ValueError(f"its port is not a number from 1 to {_HIGHEST_PORT}")


class DuckdbDestinationOptions(Options):
    """A database file; tables are made in `schema`."""

    type: Literal["duckdb"] = "duckdb"
    path: str = Field(min_length=1)
    schema_: str = Field(default="main", alias="schema", min_length=1)

    @model_validator(mode="after")
    def _can_be_written(self) -> Self:
        # Rows travel as Arrow tables.
        check_installed("type 'duckdb'", "duckdb", "duckdb", "pyarrow")
        return self


class NoneDestinationOptions(Options):
    """Keeps nothing."""

    type: Literal["none"] = "none"


_SOURCES: dict[str, type[BaseModel]] = {
    "singer": SingerOptions,
    "airbyte": AirbyteOptions,
    "python": PythonOptions,
    "redis": RedisOptions,
    "files": FilesOptions,
    "sql": SqlOptions,
    "rest": RestOptions,
    "synthetic": SyntheticOptions,
    "google_analytics": GoogleAnalyticsOptions,
    "facebook_marketing": FacebookMarketingOptions,
    "google_ads": GoogleAdsOptions,
    "google_play": GooglePlayOptions,
    "amplitude": AmplitudeOptions,
}
_PARAMETERS: dict[str, type[BaseModel]] = {
    "singer": SingerParameters,
    "redis": RedisParameters,
    "files": FilesParameters,
    "sql": SqlParameters,
    "rest": RestParameters,
    "synthetic": SyntheticParameters,
    "google_analytics": GoogleAnalyticsParameters,
    "facebook_marketing": FacebookMarketingParameters,
    "google_ads": GoogleAdsParameters,
    "google_play": NoParameters,
    "amplitude": NoParameters,
}
_DESTINATIONS: dict[str, type[BaseModel]] = {
    "postgres": PostgresDestinationOptions,
    "duckdb": DuckdbDestinationOptions,
    "parquet": ParquetDestinationOptions,
    "singer": TargetOptions,
    "none": NoneDestinationOptions,
    **dict.fromkeys(DLT_DESTINATIONS, DltDestinationOptions),
}
SOURCE_TYPES = tuple(_SOURCES)
DESTINATION_TYPES = tuple(_DESTINATIONS)
FORGETFUL_DESTINATIONS = frozenset({"singer"})
"""Those that keep no bookmark themselves."""


def source_options(source_type: str) -> type[BaseModel] | None:
    """The model of a source's `config`; None for a type that does not exist."""
    return _SOURCES.get(source_type)


def collection_parameters(source_type: str) -> type[BaseModel] | None:
    """The model of a collection's `parameters`; None where a source takes any."""
    return _PARAMETERS.get(source_type)


def destination_options(destination_type: str) -> type[BaseModel] | None:
    """The model of a destination, `type` included; None for a type that does not exist."""
    return _DESTINATIONS.get(destination_type)


def write_modes(destination_type: str) -> tuple[WriteMode, ...]:
    """How rows can arrive there."""
    if destination_type.startswith(DLT):
        return dlt_options.write_modes(destination_type.removeprefix(DLT))
    return {"parquet": WRITE_MODES, "singer": TARGET_MODES}.get(destination_type, tuple(WriteMode))


def validated(model: type[Model], given: dict[str, Any], *, place: str) -> Model:
    """`given` as `model`; `place` begins every complaint.

    Raises:
        ConfigurationError: names each wrong key, never its value, which may be a secret.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        complaints = (f"{'.'.join([place, *map(str, each['loc'])])}: {each['msg']}" for each in found)
        raise ConfigurationError("; ".join(complaints)) from None
