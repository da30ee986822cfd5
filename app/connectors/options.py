"""Every kind of source and destination: its options, its class by name, and what can be told without importing it.

Options are checked when a catalogue is loaded and again by an attempt. Only pydantic is imported at first, so that
checking a catalogue loads no connector.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from app.connectors import dlt_options
from app.connectors.airbyte_options import AirbyteOptions
from app.connectors.classic import DRIVERS
from app.connectors.dlt_options import DLT, DLT_DESTINATIONS, DltDestinationOptions
from app.connectors.duckdb_options import DuckdbDestinationOptions
from app.connectors.files_options import FilesOptions, FilesParameters
from app.connectors.none_options import NONE, NoneDestinationOptions
from app.connectors.option_types import NoParameters
from app.connectors.parquet_options import WRITE_MODES, ParquetDestinationOptions
from app.connectors.postgres_options import PostgresDestinationOptions
from app.connectors.python_options import PythonOptions
from app.connectors.redis_options import RedisOptions, RedisParameters
from app.connectors.rest_options import RestOptions
from app.connectors.singer_options import SingerOptions, SingerParameters
from app.connectors.sql_options import SqlOptions, SqlParameters
from app.connectors.synthetic_options import SYNTHETIC, SyntheticOptions, SyntheticParameters
from app.connectors.target_options import TARGET_MODES, TargetOptions
from app.domain.errors import ConfigurationError
from app.domain.writing import WriteMode

Model = TypeVar("Model", bound=BaseModel)

_FROM_ITS_BOOKMARK: Final = "it reads from its bookmark or its start date on: set an earlier one"


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A kind of source: the models of its `config` and of a collection's `parameters`, None where these may be any.

    `where` names the class that reads it, `module:Class`, made as (options, parameters, job, *, work_dir, log); types
    of Jitsu Classic have none, `classic_jobs` makes other kinds of them. What it `offers` it tells by itself, or of
    each collection that is named. `instead_of_intervals` says why those cannot be read, or what can be done. One that
    `tells_versions` may send an older row after a newer one of the same key, and says by which value they are told.
    """

    options: type[BaseModel]
    parameters: type[BaseModel] | None = None
    where: str | None = None
    offers: Literal["by itself", "by collection"] | None = None
    reads_intervals: bool = False
    instead_of_intervals: str = ""
    finds_its_collections: bool = False
    tells_versions: bool = False


@dataclass(frozen=True, slots=True)
class DestinationKind:
    """A kind of destination: the model of its options, `type` included, and how rows can arrive there.

    `where` names its class, `module:Class`, made as (options, fence, *, name, work_dir, log). One that keeps no
    bookmark is also told what the store `remembered`, and the `data_dir` for its programs. Without
    `compares_versions` the row that comes in a later commit replaces the one that is there, older or not.
    """

    options: type[BaseModel]
    where: str
    write_modes: tuple[WriteMode, ...] = tuple(WriteMode)
    keeps_bookmark: bool = True
    compares_versions: bool = True


SOURCES: Final[dict[str, SourceKind]] = {
    "singer": SourceKind(
        SingerOptions,
        SingerParameters,
        "app.connectors.sources.singer:SingerSource",
        offers="by itself",
        instead_of_intervals=_FROM_ITS_BOOKMARK,
        finds_its_collections=True,
    ),
    "airbyte": SourceKind(
        AirbyteOptions,
        NoParameters,
        "app.connectors.sources.airbyte:AirbyteSource",
        offers="by itself",
        instead_of_intervals=_FROM_ITS_BOOKMARK,
        finds_its_collections=True,
        tells_versions=True,
    ),
    "python": SourceKind(
        PythonOptions,
        where="app.connectors.sources.python:PythonSource",
        offers="by itself",
        reads_intervals=True,
    ),
    "redis": SourceKind(
        RedisOptions,
        RedisParameters,
        "app.connectors.sources.redis:RedisSource",
        instead_of_intervals="its keys are read anew each time",
    ),
    "files": SourceKind(
        FilesOptions,
        FilesParameters,
        "app.connectors.sources.files:FilesSource",
        offers="by collection",
        instead_of_intervals="files are read when they are new or have changed",
    ),
    "sql": SourceKind(
        SqlOptions,
        SqlParameters,
        "app.connectors.sources.sql:SqlSource",
        offers="by itself",
        reads_intervals=True,
    ),
    "rest": SourceKind(
        RestOptions,
        NoParameters,
        "app.connectors.sources.rest:RestSource",
        offers="by itself",
        finds_its_collections=True,
    ),
    SYNTHETIC: SourceKind(
        SyntheticOptions,
        SyntheticParameters,
        "app.connectors.sources.synthetic:SyntheticSource",
        offers="by collection",
        reads_intervals=True,
    ),
    **{name: SourceKind(driver.options, driver.parameters, offers="by collection") for name, driver in DRIVERS.items()},
}
DESTINATIONS: Final[dict[str, DestinationKind]] = {
    "postgres": DestinationKind(PostgresDestinationOptions, "app.connectors.destinations.postgres:PostgresDestination"),
    "duckdb": DestinationKind(DuckdbDestinationOptions, "app.connectors.destinations.duckdb:DuckdbDestination"),
    "parquet": DestinationKind(
        ParquetDestinationOptions, "app.connectors.destinations.parquet:ParquetDestination", WRITE_MODES
    ),
    "singer": DestinationKind(
        TargetOptions,
        "app.connectors.destinations.singer:SingerDestination",
        TARGET_MODES,
        keeps_bookmark=False,
        compares_versions=False,
    ),
    NONE: DestinationKind(NoneDestinationOptions, "app.connectors.destinations.none:NoneDestination"),
    **{
        name: DestinationKind(
            DltDestinationOptions,
            "app.connectors.destinations.dlt:DltDestination",
            dlt_options.write_modes(name.removeprefix(DLT)),
            compares_versions=False,
        )
        for name in DLT_DESTINATIONS
    },
}
SOURCE_TYPES = tuple(SOURCES)
DESTINATION_TYPES = tuple(DESTINATIONS)


def imported(where: str) -> Any:
    """The class that `module:Class` names. Heavy libraries come with it, so only what is needed is imported."""
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)


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
