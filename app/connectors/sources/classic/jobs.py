"""Turns the job of a Jitsu Classic source into one of the connector that reads it today."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from app.connectors.options.types import NoParameters
from app.connectors.options.validation import validated
from app.connectors.programs.documents import read_text
from app.connectors.sources.classic.mapping import DRIVERS
from app.connectors.sources.classic.options import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.connectors.options.types import Options
    from app.domain.attempt_protocol import Offered, SourceJob


def translated(job: SourceJob, *, with_files: bool = True) -> SourceJob:
    """`job` itself, unless its source is of a type that only Classic had.

    Not `with_files`: keys that are in files stay there, and only what reads the source is right.

    Raises:
        ConfigurationError: the options cannot be mapped, or name a file that cannot be read.
    """
    mapped_from = DRIVERS.get(job.source_type)
    if mapped_from is None:
        return job
    kind = KINDS[job.source_type]
    key_path = f"sources.{job.source}"
    options = validated(kind.options, job.source_config, key_path=f"{key_path}.config")
    parameters_path = f"{key_path}.collections.{job.collection.name}.parameters"
    parameters = validated(kind.parameters or NoParameters, job.collection.parameters, key_path=parameters_path)
    mapped = mapped_from(_load_key(options) if with_files else options, parameters, job.collection)
    return msgspec.structs.replace(
        job, source_type=mapped.source_type, source_config=mapped.config, collection=mapped.collection
    )


def rename_offers(job: SourceJob, offers: Iterable[Offered]) -> Iterator[Offered]:
    """`offers` of the connector that reads `job`; for a Classic source only its report, under the collection's name.

    Classic's type could not ask for anything else.
    """
    if job.source_type not in DRIVERS:
        yield from offers
        return
    mapped = translated(job)
    for each in offers:
        if mapped.source_type == "files" or each.name == mapped.collection.type:
            yield msgspec.structs.replace(each, name=job.collection.name)


def _load_key(options: Options) -> Options:
    """Loads the key of a service account from its file, as the connector takes only its text."""
    auth = getattr(options, "auth", None)
    key = getattr(auth, "service_account_key", None)
    if auth is None or not isinstance(key, str) or key.lstrip().startswith("{"):
        return options
    read = auth.model_copy(update={"service_account_key": read_text(key, "service_account_key", "a JSON object")})
    return options.model_copy(update={"auth": read})
