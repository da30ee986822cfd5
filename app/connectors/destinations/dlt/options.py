"""The options of the destinations `dlt:<name>`: whatever dlt can write to, with dlt's own names for its options."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import ConfigDict, Field, model_validator

from app.connectors.contract.kind import DestinationKind
from app.connectors.dlt.examination import find_problems
from app.connectors.options.installed import check_installed
from app.connectors.options.types import Options
from app.domain.naming import AS_IS, PlainNaming
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.connectors.options.complaints import KeyProblem

# The modules that each needs besides dlt; dlt has an extra of the same name that installs them.
_DRIVERS: Final[dict[str, tuple[str, ...]]] = {
    "bigquery": ("google.cloud.bigquery",),
    "clickhouse": ("clickhouse_driver", "clickhouse_connect"),
    "databricks": ("databricks.sql",),
    "duckdb": ("duckdb",),
    "filesystem": (),
    "motherduck": ("duckdb",),
    "mssql": ("pyodbc",),
    "postgres": ("psycopg2",),
    "redshift": ("psycopg2",),
    "snowflake": ("snowflake.connector",),
    "sqlalchemy": ("sqlalchemy",),
}
_FILE_SYSTEMS: Final = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfss": "adlfs"}
DLT: Final = "dlt:"
DLT_DESTINATIONS: Final = tuple(f"{DLT}{name}" for name in _DRIVERS)


def write_modes(name: str) -> tuple[WriteMode, ...]:
    """The write modes of dlt's destination `name`; a history would need what dlt cannot do with Arrow."""
    upserts = () if name == "filesystem" else (WriteMode.UPSERT,)
    return (WriteMode.APPEND, *upserts, WriteMode.REPLACE)


class DltDestinationOptions(Options):
    """Tables are created in `dataset`; `credentials` and all other keys are those of dlt's destination.

    `staging` is dlt's `filesystem` (`bucket_url`, `credentials`) for destinations that load from a bucket.
    """

    # dlt knows which keys its destinations have, and checks them when the catalogue is checked.
    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    dataset: str = Field(min_length=1)
    credentials: str | dict[str, Any] | None = None
    staging: dict[str, Any] | None = None
    naming: PlainNaming = AS_IS

    @property
    def name(self) -> str:
        """The destination's name in dlt."""
        return self.type.removeprefix(DLT)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments for dlt's destination."""
        credentials = {} if self.credentials is None else {"credentials": self.credentials}
        return credentials | (self.model_extra or {})

    @model_validator(mode="after")
    def _check_packages(self) -> Self:
        check_installed(f"type '{self.type}'", "dlt", "dlt")
        missing = [module for module in _DRIVERS[self.name] if not _is_there(module)]
        if missing:
            raise ValueError(_missing(f"type '{self.type}'", self.name))
        for settings in (self.settings, self.staging or {}):
            scheme, separator, _ = str(settings.get("bucket_url", "")).partition("://")
            module = _FILE_SYSTEMS.get(scheme) if separator else None
            if module and not _is_there(module):
                extra = "az" if module == "adlfs" else scheme.replace("gcs", "gs")
                raise ValueError(_missing(f"{scheme}://", extra))
        if self.name == "filesystem" and not self.settings.get("bucket_url"):
            raise ValueError("set 'bucket_url' to a directory, or to s3://…, gs://… or az://…")
        if self.name != "filesystem" and self.credentials is None:
            raise ValueError("set 'credentials' to a connection URL, or to a mapping as dlt documents it")
        return self

    def find_problems(self) -> Iterable[KeyProblem]:
        return find_problems("app.connectors.destinations.dlt.examination", self.model_dump(exclude_unset=True))


def _missing(what: str, extra: str) -> str:
    return f"{what} needs packages that are not installed: pip install 'dlt[{extra}]'"


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it is missing
        return False


KINDS: Final[dict[str, DestinationKind]] = {
    name: DestinationKind(
        DltDestinationOptions,
        "app.connectors.destinations.dlt.destination:DltDestination",
        write_modes(name.removeprefix(DLT)),
        compares_versions=False,
        trial="app.connectors.destinations.dlt.trial:try_out",
        plan="app.connectors.destinations.dlt.plan:plan_tables",
        heavy=("dlt", "pyarrow.parquet"),
        tries="create a table, write a row, drop it",
    )
    for name in DLT_DESTINATIONS
}
