"""Lists and drops the tables of a collection, in a child process as an attempt would."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from app.domain.attempt_protocol import DropTables, OwnTable
from app.domain.errors import ConfigurationError, SynclineError
from app.execution.questions import ask, redacting, say_nothing

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.store.reads import Reader


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


async def check_idle(reader: Reader, source: str, collection: str) -> None:
    """Refuses a collection whose tables a task may be loading into.

    Raises:
        ConfigurationError: a task of the collection is waiting or running.
    """
    if (task := await reader.find_active_task(source, collection)) is not None:
        raise ConfigurationError(
            f"{source}.{collection} has the unfinished task {task}: cancel it, or wait for its end, and try again"
        )


async def drop_own_tables(
    catalogue: Catalogue, source: str, collection: str, *, reader: Reader, data_dir: Path, now: datetime
) -> None:
    """Drop the tables that the collection has loaded into; none if others load into one of them too.

    Raises:
        ConfigurationError: the collection has an active task, the catalogue does not have it, or a destination cannot
            drop its tables.
        SynclineError: a table is still there, or the process failed or took too long.
    """
    await check_idle(reader, source, collection)
    ask = partial(ask_about_tables, catalogue, source, collection, data_dir=data_dir, now=now)
    found: list[OwnTable] = []
    await ask(receive=found.append)
    if shared := [_name(each) for each in found if each.shared]:
        raise SynclineError(
            f"nothing was dropped, because other collections also load into {', '.join(shared)}: leave out "
            "'delete_warehouse_data', and the next task replaces the rows of this one"
        )
    wanted: dict[str, list[str]] = {}
    for each in found:
        wanted.setdefault(each.destination, []).append(each.table)
    left, errors = [_name(each) for each in found], dict[str, None]()

    def take(fate: OwnTable) -> None:
        if fate.dropped:
            left.remove(_name(fate))
        elif fate.error:
            errors[fate.error] = None

    if wanted:
        await ask(drop=wanted, receive=take)
    if left:
        why = "; ".join(errors) or "others load into it by now"
        raise SynclineError(f"{why}. Still there: {', '.join(left)}. {source}.{collection} was not reset")


def _name(table: OwnTable) -> str:
    return f"{table.destination}: {table.table}"
