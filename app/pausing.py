"""Pauses that the API and the command line request. A `collection` of None is the whole source."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.domain.cause import NO_CAUSE, Cause
from app.domain.errors import SourcePausedError
from app.domain.task import task_id
from app.store.pauses import WHOLE_SOURCE

if TYPE_CHECKING:
    from datetime import datetime

    from app.config.catalogue import Catalogue
    from app.store.pauses import Pauses
    from app.store.queue import TaskQueue


class Paused(NamedTuple):
    """Since when it is paused, and the ids of the running tasks that are canceled with it."""

    since: datetime
    canceled: list[str]


class Resumed(NamedTuple):
    """Whether it was paused, and what still holds it up.

    That is the pause of its source, for a collection; for a source, the collections that were paused alone.
    """

    was_paused: bool
    source_is_paused: bool
    still_paused: list[str]


async def pause_source(
    pauses: Pauses,
    queue: TaskQueue,
    source: str,
    collection: str | None,
    *,
    until: datetime | None = None,
    cancel: bool = False,
    cause: Cause = NO_CAUSE,
) -> Paused:
    """Pause it until a time, or until somebody resumes it.

    Running tasks go on, unless `cancel` says otherwise; so does one that a worker claims at this very moment. Others
    wait, new ones as well as those that are to be tried again. Fire times are skipped.

    Raises:
        ConfigurationError: `until` is over.
        UnsettledError: the pause, or a task, kept changing.
    """
    since = await pauses.pause(source, collection, until=until, cause=cause)
    running = await pauses.list_running(source, collection) if cancel else []
    canceled = [row for row in running if await queue.cancel(row["task"], cause) is not None]
    return Paused(since, [task_id(row["source"], row["collection"], row["task"]) for row in canceled])


async def resume_source(
    pauses: Pauses, catalogue: Catalogue, source: str, collection: str | None, *, cause: Cause = NO_CAUSE
) -> Resumed:
    """End its pause.

    Raises:
        SourcePausedError: it has no pause of its own, but its whole source is paused.
        UnknownSourceError, UnknownCollectionError: it is neither paused nor in the catalogue.
        UnsettledError: the pause kept changing.
    """
    was_paused = await pauses.resume(source, collection, cause=cause)
    paused = {row["collection"] for row in await pauses.list_active() if row["source"] == source}
    is_held = collection is not None and WHOLE_SOURCE in paused
    if not was_paused:
        if is_held:
            raise SourcePausedError(source)
        # What was paused can be resumed even if it has left the catalogue since.
        check_known(catalogue, source, collection)
    return Resumed(was_paused, is_held, sorted(paused - {WHOLE_SOURCE}) if collection is None else [])


def check_known(catalogue: Catalogue, source: str, collection: str | None) -> None:
    """Refuse what the catalogue does not have.

    Raises:
        UnknownSourceError, UnknownCollectionError: there is none with this name.
    """
    if collection is None:
        catalogue.find_source(source)
    else:
        catalogue.find(source, collection)
