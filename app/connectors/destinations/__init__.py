"""Every kind of destination by its name. A module is imported only when its kind is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.connectors import blame, jsontext
from app.connectors.dlt_options import DltDestinationOptions
from app.connectors.duckdb_options import DuckdbDestinationOptions
from app.connectors.options import DESTINATION_TYPES, destination_options, validated
from app.connectors.parquet_options import ParquetDestinationOptions
from app.connectors.postgres_options import PostgresDestinationOptions
from app.connectors.target_options import TargetOptions
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from app.connectors.passes import Destination, Fence, Log


def make_destination(
    name: str,
    given: dict[str, Any],
    *,
    fence: Fence,
    work_dir: Path,
    log: Log,
    data_dir: Path | None = None,
    remembered: Any = None,
) -> Destination:
    """The destination `name` as the catalogue describes it; `work_dir` is a directory of this attempt alone.

    `remembered` is the bookmark that the store has, for a kind that keeps none; `data_dir` is where its programs are.
    Whatever is raised names the destination.

    Raises:
        ConfigurationError: the description is wrong, or what its kind needs is not installed.
    """
    model = destination_options(str(given.get("type")))
    if model is None:
        kinds = ", ".join(DESTINATION_TYPES)
        raise ConfigurationError(f"destinations.{name}.type: {given.get('type')!r} does not exist, valid are: {kinds}")
    options = validated(model, given, place=f"destinations.{name}")
    with blamed(name):
        if isinstance(options, PostgresDestinationOptions):
            from app.connectors.destinations.postgres import PostgresDestination  # noqa: PLC0415 -- heavy

            return PostgresDestination(options, fence, log=log)
        if isinstance(options, DuckdbDestinationOptions):
            from app.connectors.destinations.duckdb import DuckdbDestination  # noqa: PLC0415 -- heavy

            return DuckdbDestination(options, fence, name=name, work_dir=work_dir, log=log)
        if isinstance(options, ParquetDestinationOptions):
            from app.connectors.destinations.parquet import ParquetDestination  # noqa: PLC0415 -- heavy

            return ParquetDestination(options, fence, name=name, work_dir=work_dir, log=log)
        if isinstance(options, DltDestinationOptions):
            from app.connectors.destinations.dlt import DltDestination  # noqa: PLC0415 -- heavy

            return DltDestination(options, fence, name=name, work_dir=work_dir, log=log)
        if isinstance(options, TargetOptions):
            from app.connectors.destinations.singer import SingerDestination  # noqa: PLC0415 -- only when needed

            return SingerDestination(
                options,
                name=name,
                data_dir=data_dir or work_dir,
                work_dir=work_dir,
                remembered=None if remembered is None else jsontext.encode(remembered),
                log=log,
            )
        from app.connectors.destinations.none import NoneDestination  # noqa: PLC0415 -- like the others

        return NoneDestination()


def blamed(name: str) -> AbstractContextManager[None]:
    """Puts the destination's name before what it complains about."""
    return blame.blamed(f"destination {name!r}")
