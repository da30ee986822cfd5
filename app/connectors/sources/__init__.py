"""Every kind of source by its name. A module is imported only when its kind is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.airbyte_options import AirbyteOptions
from app.connectors.classic_jobs import modern
from app.connectors.files_options import FilesOptions, FilesParameters
from app.connectors.option_types import NoParameters
from app.connectors.options import SOURCE_TYPES, source_options, validated
from app.connectors.python_options import PythonOptions
from app.connectors.redis_options import RedisOptions, RedisParameters
from app.connectors.rest_options import RestOptions
from app.connectors.singer_options import SingerOptions, SingerParameters
from app.connectors.sql_options import SqlOptions, SqlParameters
from app.connectors.synthetic_options import SyntheticParameters
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from app.connectors.passes import Log, Source
    from app.domain.attempt_protocol import AttemptJob


def make_source(job: AttemptJob, *, work_dir: Path, log: Log) -> Source:  # noqa: PLR0911 -- one for each kind
    """The source of `job`; `work_dir` is a directory of this attempt alone.

    Raises:
        ConfigurationError: the options are wrong.
    """
    job = modern(job)
    place = f"sources.{job.source}"
    model = source_options(job.source_type)
    if model is None:
        kinds = ", ".join(SOURCE_TYPES)
        raise ConfigurationError(f"{place}.type: {job.source_type!r} does not exist, valid are: {kinds}")
    options = validated(model, job.source_config, place=f"{place}.config")
    parameters_place = f"{place}.collections.{job.collection.name}.parameters"
    if isinstance(options, SingerOptions):
        from app.connectors.sources.singer import SingerSource  # noqa: PLC0415 -- only when needed

        select = validated(SingerParameters, job.collection.parameters, place=parameters_place)
        return SingerSource(options, select, job, work_dir=work_dir, log=log)
    if isinstance(options, AirbyteOptions):
        from app.connectors.sources.airbyte import AirbyteSource  # noqa: PLC0415 -- only when needed

        validated(NoParameters, job.collection.parameters, place=parameters_place)
        return AirbyteSource(options, job, work_dir=work_dir, log=log)
    if isinstance(options, PythonOptions):
        from app.connectors.sources.python import PythonSource  # noqa: PLC0415 -- only when needed

        return PythonSource(options, job, log=log)
    if isinstance(options, RedisOptions):
        from app.connectors.sources.redis import RedisSource  # noqa: PLC0415 -- only when needed

        wanted = validated(RedisParameters, job.collection.parameters, place=parameters_place)
        return RedisSource(options, wanted, job, log=log)
    if isinstance(options, FilesOptions):
        from app.connectors.sources.files import FilesSource  # noqa: PLC0415 -- only when needed

        files = validated(FilesParameters, job.collection.parameters, place=parameters_place)
        return FilesSource(options, files, job, work_dir=work_dir, log=log)
    if isinstance(options, SqlOptions):
        from app.connectors.sources.sql import SqlSource  # noqa: PLC0415 -- only when needed

        selected = validated(SqlParameters, job.collection.parameters, place=parameters_place)
        return SqlSource(options, selected, job, work_dir=work_dir, log=log)
    if isinstance(options, RestOptions):
        from app.connectors.sources.rest import RestSource  # noqa: PLC0415 -- heavy

        validated(NoParameters, job.collection.parameters, place=parameters_place)
        return RestSource(options, job, work_dir=work_dir, log=log)
    from app.connectors.sources.synthetic import SyntheticSource  # noqa: PLC0415 -- only when needed

    parameters = validated(SyntheticParameters, job.collection.parameters, place=parameters_place)
    return SyntheticSource(parameters, table=job.collection.table_name, name=job.collection.type, log=log)
