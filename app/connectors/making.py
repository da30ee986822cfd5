"""Makes the source and the destinations of an attempt's job. A connector is imported only when it is needed."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from app.connectors.contract.blame import destination_subject, prefix_errors
from app.connectors.contract.passes import DescribedTable
from app.connectors.kinds import DESTINATION_TYPES, DESTINATIONS, SOURCE_TYPES, SOURCES, import_class
from app.connectors.options.validation import validated
from app.connectors.sources.classic.jobs import translated
from app.connectors.values.classic_tables import ClassicTables
from app.connectors.warehouse.classic_destination import ClassicDestination
from app.domain.choices import unknown_name
from app.domain.errors import ConfigurationError
from app.domain.naming import AS_IS, CLASSIC, namer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.connectors.contract.kind import DestinationKind
    from app.connectors.contract.passes import Destination, Fence, Log, Source
    from app.connectors.contract.schema import Table
    from app.connectors.options.types import Options
    from app.connectors.warehouse.warehouse import Warehouse
    from app.domain.attempt_protocol import CopyJob, SavedBookmark, SourceJob


def make_source(job: SourceJob, *, work_dir: Path, log: Log) -> Source:
    """The source of `job`; `work_dir` belongs to this attempt alone.

    Raises:
        ConfigurationError: the options are wrong.
    """
    job = translated(job)
    key_path = f"sources.{job.source}"
    kind = SOURCES.get(job.source_type)
    if kind is None or kind.where is None:
        raise ConfigurationError(f"{key_path}.type: {unknown_name('source type', job.source_type, SOURCE_TYPES)}")
    options = validated(kind.options, job.source_config, key_path=f"{key_path}.config")
    if job.from_files:
        options = options.taken_from_files()
    parameters = None
    if kind.parameters is not None:
        parameters_path = f"{key_path}.collections.{job.collection.name}.parameters"
        parameters = validated(kind.parameters, job.collection.parameters, key_path=parameters_path)
    source: Source = import_class(kind.where)(options, parameters, job, work_dir=work_dir, log=log)
    return source


def try_destination(name: str, description: dict[str, Any], *, work_dir: Path, data_dir: Path, log: Log) -> str | None:
    """Writes to the destination as far as nothing is left there; may say what was found.

    Raises:
        ConfigurationError: the description is wrong, or what its kind needs is not installed.
        SynclineError: the destination does not work.
    """
    kind, options = _destination_options(name, description)
    if kind.trial is None:
        return None
    with prefix_errors(destination_subject(name)):
        try_out = import_class(kind.trial)
        found: str | None = try_out(options, name=name, work_dir=work_dir, data_dir=data_dir, log=log)
        return found


def plan_tables(
    name: str, description: dict[str, Any], tables: Sequence[Table], *, work_dir: Path, log: Log
) -> list[DescribedTable]:
    """The tables as a load into the destination would make them; it is not changed.

    For a kind without columns, the list is empty.

    Raises:
        ConfigurationError: the description is wrong, or the destination cannot have such a table.
        SynclineError: the destination does not answer.
    """
    kind, options = _destination_options(name, description)
    if kind.plan is None:
        return []
    named = namer(description.get("naming", AS_IS))
    with prefix_errors(destination_subject(name)):
        plan = import_class(kind.plan)
        under_their_names = [dataclasses.replace(table, name=named(table.name)) for table in tables]
        if description.get("naming") == CLASSIC:
            return _plan_classic(
                under_their_names, description, partial(plan, options, name=name, work_dir=work_dir, log=log)
            )
        planned: list[DescribedTable] = plan(options, under_their_names, name=name, work_dir=work_dir, log=log)
        return planned


def _plan_classic(
    tables: Sequence[Table], description: dict[str, Any], plan: Callable[[list[Table]], list[DescribedTable]]
) -> list[DescribedTable]:
    """The columns of the fields that become one each: those of objects become several."""
    classic = ClassicTables.from_description(description)
    planned = plan([classic.announce_all(table) for table in tables])
    return [
        DescribedTable(
            table,
            {field: each.columns[name] for field, name in classic.describe(table).items() if name in each.columns},
        )
        for table, each in zip(tables, planned, strict=True)
    ]


def make_loading_destination(job: CopyJob, name: str, *, fence: Fence, work_dir: Path, log: Log) -> Destination:
    """The destination `name` of `job`, as `make_destination` makes it; it gets tables and rows of the source.

    Raises:
        ConfigurationError: its description is wrong, or what its kind needs is not installed.
    """
    description = job.destinations[name]
    made = make_destination(
        name,
        description,
        fence=fence,
        work_dir=work_dir,
        log=log,
        data_dir=Path(job.data_dir).absolute(),
        remembered=job.bookmarks.get(name),
        from_files=name in job.destinations_from_files,
        renewed=job.renewed_settings.get(name),
    )
    if description.get("naming") != CLASSIC:
        return made
    classic = ClassicTables.from_description(
        description, source=job.source, driver=job.source_type, collection=job.collection.name, log=log
    )
    # No other kinds have this naming.
    return ClassicDestination(cast("Warehouse", made), classic)


def make_destination(
    name: str,
    description: dict[str, Any],
    *,
    fence: Fence,
    work_dir: Path,
    log: Log,
    data_dir: Path | None = None,
    remembered: SavedBookmark | None = None,
    from_files: bool = False,
    renewed: str | None = None,
) -> Destination:
    """The destination `name` as the catalogue describes it; `work_dir` belongs to this attempt alone.

    `remembered` is the store's bookmark, for a kind that keeps none; `data_dir` is where its programs are. With
    `from_files`, some of the description was in files. `renewed` is what its program has made of its settings. Every
    error names the destination.

    Raises:
        ConfigurationError: the description is wrong, or what its kind needs is not installed.
    """
    kind, options = _destination_options(name, description)
    if from_files:
        options = options.taken_from_files()
    kept: dict[str, Any] = {}
    if not kind.keeps_bookmark:
        kept["remembered"] = remembered
        kept["data_dir"] = data_dir or work_dir
    if kind.renews:
        kept["renewed"] = renewed
    with prefix_errors(destination_subject(name)):
        made: Destination = import_class(kind.where)(options, fence, name=name, work_dir=work_dir, log=log, **kept)
        return made


def _destination_options(name: str, description: dict[str, Any]) -> tuple[DestinationKind, Options]:
    kind = DESTINATIONS.get(str(description.get("type")))
    if kind is None:
        unknown = unknown_name("destination type", description.get("type"), DESTINATION_TYPES)
        raise ConfigurationError(f"destinations.{name}.type: {unknown}")
    return kind, validated(kind.options, description, key_path=f"destinations.{name}")
