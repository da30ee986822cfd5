"""Makes the job of an attempt from a claim and the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from app.connectors.destinations.none.options import NONE
from app.connectors.options.validation import validated
from app.connectors.sources.synthetic.options import SYNTHETIC, SyntheticParameters
from app.domain.attempt_protocol import Backfill, Sync
from app.domain.interval import Interval

if TYPE_CHECKING:
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.config.sources import Source
    from app.domain.claim import Claim


def make_job(catalogue: Catalogue, claim: Claim, data_dir: Path) -> Sync | Backfill:
    """Put together everything that the attempt needs.

    Raises:
        ConfigurationError: the catalogue does not have the collection, or one of its destinations.
    """
    source, collection = catalogue.find(claim.source, claim.collection)
    job = Sync(
        task=str(claim.task),
        task_id=claim.task_id,
        attempt=claim.attempt,
        claim=claim.number,
        source=source.id,
        source_type=source.type,
        source_config=source.config,
        collection=collection.for_attempt(claim.at),
        destinations={id_: catalogue.destinations[id_].for_attempt() for id_ in source.destinations},
        generation=claim.generation,
        data_dir=str(data_dir),
        from_files=source.from_files,
        destinations_from_files=frozenset(id_ for id_ in source.destinations if catalogue.destinations[id_].from_files),
    )
    if claim.backfill is None:
        return job
    return Backfill(**structs.asdict(job), interval=Interval.parse(claim.backfill))


def is_made_load(catalogue: Catalogue, source: Source) -> bool:
    """Whether the worker runs the source's attempts without a child process: generated load that is discarded."""
    return source.type == SYNTHETIC and all(catalogue.destinations[id_].type == NONE for id_ in source.destinations)


def made_load_parameters(job: Sync) -> SyntheticParameters:
    """The parameters of an attempt of made load; raises `ConfigurationError` as its child process would."""
    key_path = f"sources.{job.source}.collections.{job.collection.name}.parameters"
    return validated(SyntheticParameters, job.collection.parameters, key_path=key_path)
