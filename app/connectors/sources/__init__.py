"""Every kind of source by its name. A module is imported only when its kind is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.classic_jobs import modern
from app.connectors.options import SOURCE_TYPES, SOURCES, imported, validated
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from app.connectors.passes import Log, Source
    from app.domain.attempt_protocol import AttemptJob


def make_source(job: AttemptJob, *, work_dir: Path, log: Log) -> Source:
    """The source of `job`; `work_dir` is a directory of this attempt alone.

    Raises:
        ConfigurationError: the options are wrong.
    """
    job = modern(job)
    place = f"sources.{job.source}"
    kind = SOURCES.get(job.source_type)
    if kind is None or kind.where is None:
        kinds = ", ".join(SOURCE_TYPES)
        raise ConfigurationError(f"{place}.type: {job.source_type!r} does not exist, valid are: {kinds}")
    options = validated(kind.options, job.source_config, place=f"{place}.config")
    parameters = None
    if kind.parameters is not None:
        parameters_place = f"{place}.collections.{job.collection.name}.parameters"
        parameters = validated(kind.parameters, job.collection.parameters, place=parameters_place)
    source: Source = imported(kind.where)(options, parameters, job, work_dir=work_dir, log=log)
    return source
