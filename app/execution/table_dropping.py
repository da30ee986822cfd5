"""Lists and drops the tables of a collection, in a child process as an attempt would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.attempt_protocol import DropTables, OwnTable
from app.execution.questions import ask, redacting, say_nothing

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from app.config.catalogue import Catalogue


async def ask_about_tables(
    catalogue: Catalogue,
    source_id: str,
    collection_id: str,
    *,
    data_dir: Path,
    now: datetime,
    receive: Callable[[OwnTable], None],
    drop: dict[str, list[str]] | None = None,
    tell: Callable[[str], None] = say_nothing,
) -> None:
    """Pass each table that the collection has loaded into to `receive`; with `drop`, what became of each of these.

    `drop` has names of tables by their destination. `tell` gets a line now and then while a destination is waited for.
    Nothing contains secrets of the catalogue.

    Raises:
        ConfigurationError: the catalogue does not have the collection, or a destination cannot drop its tables.
        SynclineError: the tables cannot be listed, or the process failed or took too long.
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
    await ask(job, OwnTable, receive, redacting(catalogue), tell=tell)
