"""The options of every source and destination, checked when a catalogue is loaded and again by an attempt.

Only pydantic is imported at first, so that checking a catalogue loads no connector.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

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
)
from app.connectors.dlt_options import DLT, DLT_DESTINATIONS, DltDestinationOptions
from app.connectors.duckdb_options import DuckdbDestinationOptions
from app.connectors.files_options import FilesOptions, FilesParameters
from app.connectors.none_options import NoneDestinationOptions
from app.connectors.option_types import NoParameters
from app.connectors.parquet_options import WRITE_MODES, ParquetDestinationOptions
from app.connectors.postgres_options import PostgresDestinationOptions
from app.connectors.python_options import PythonOptions
from app.connectors.redis_options import RedisOptions, RedisParameters
from app.connectors.rest_options import RestOptions
from app.connectors.singer_options import SingerOptions, SingerParameters
from app.connectors.sql_options import SqlOptions, SqlParameters
from app.connectors.synthetic_options import SyntheticOptions, SyntheticParameters
from app.connectors.target_options import TARGET_MODES, TargetOptions
from app.domain.errors import ConfigurationError
from app.domain.writing import WriteMode

Model = TypeVar("Model", bound=BaseModel)

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
    "airbyte": NoParameters,
    "redis": RedisParameters,
    "files": FilesParameters,
    "sql": SqlParameters,
    "rest": NoParameters,
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
