"""Lists and drops the tables of a collection, in a child process as an attempt would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.attempt_protocol import DropTables, OwnTable
from app.execution.questions import ask, redacting_errors

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.execution.questions import Answer


async def own_tables(
    catalogue: Catalogue,
    source_id: str,
    collection_id: str,
    *,
    data_dir: Path,
    now: datetime,
    drop: dict[str, list[str]] | None = None,
) -> list[OwnTable]:
    """Return the tables that the collection has loaded into, after dropping those in `drop` (destination → names).

    Raises:
        ConfigurationError: the catalogue does not have the collection, or a destination cannot drop its tables.
        SynclineError: a destination's own error, without secrets of the catalogue.
    """
    source, collection = catalogue.find(source_id, collection_id)
    job = DropTables(
        source=source.id,
        source_type=source.type,
        source_config=source.config,
        collection=collection.for_attempt(now),
        destinations={id_: catalogue.destinations[id_].for_attempt() for id_ in source.destinations},
        data_dir=str(data_dir),
        confirmed=drop or {},
    )
    found: list[OwnTable] = []

    def keep(answer: Answer) -> None:
        if isinstance(answer, OwnTable):
            found.append(answer)

    with redacting_errors(catalogue):
        await ask(job, keep)
    return found
