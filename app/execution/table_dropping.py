"""Lists and drops the tables of a collection, in a child process as an attempt would."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from app.domain.attempt_protocol import DropTables, OwnTable
from app.domain.errors import ConfigurationError, SynclineError
from app.execution.questions import ask, redacting, say_nothing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
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


async def drop_and_reset(
    catalogue: Catalogue,
    source: str,
    collections: Sequence[str],
    *,
    reset: Callable[[str], Awaitable[object]],
    reader: Reader,
    data_dir: Path,
    now: datetime,
) -> None:
    """Drop the tables that the collections have loaded into, and `reset` each collection that loses some.

    It is reset first: if this is cut off, its next task loads everything, whatever is left of its tables.

    Raises:
        ConfigurationError: one has an active task, the catalogue does not have it, or a destination cannot drop its
            tables; nothing was done yet.
        SynclineError: others load into one of the tables too, or one is still there; says what was done before.
    """
    for collection in collections:
        await check_idle(reader, source, collection)
    done: list[str] = []
    for collection in collections:
        ask = partial(ask_about_tables, catalogue, source, collection, data_dir=data_dir, now=now)
        try:
            await _drop_own(ask, f"{source}.{collection}", partial(reset, collection))
        except SynclineError as error:
            if not done:
                raise
            raise SynclineError(f"{error}. Dropped and reset before that: {', '.join(done)}") from error
        done.append(f"{source}.{collection}")


async def _drop_own(ask: Callable[..., Awaitable[None]], name: str, reset: Callable[[], Awaitable[object]]) -> None:
    found: list[OwnTable] = []
    await ask(receive=found.append)
    if shared := [_name(each) for each in found if each.shared]:
        raise SynclineError(
            f"nothing of {name} was dropped, because other collections also load into {', '.join(shared)}: leave out "
            "'delete_warehouse_data', and the next task replaces the rows of this one"
        )
    await reset()
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
        raise SynclineError(f"{why}. Still there: {', '.join(left)}. The next task of {name} loads everything")


def _name(table: OwnTable) -> str:
    return f"{table.destination}: {table.table}"
