"""`syncline worker --once`: one task, or what is due now, and then the end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.bootstrap.signals import StopSignals
from app.bootstrap.worker import worker_parts
from app.causes import describe_error
from app.domain.errors import DatabaseUnreachableError, SynclineError
from app.domain.pool import EVERY_POOL
from app.execution.catalogue_changes import CatalogueChanges
from app.execution.housekeeping import Housekeeping
from app.execution.orphans import ORPHANS
from app.execution.rescuer import Rescuer
from app.loops import first_of
from app.projections.runner import ProjectionRunner
from app.requested_syncs import RequestedSyncs
from app.scheduling.definitions import Definitions
from app.scheduling.scheduler import Scheduler
from app.store.catalogue_parts import CatalogueParts
from app.store.catalogues import Catalogues
from app.store.database import UNREACHABLE
from app.store.schedules import Schedules
from app.store.sync_requests import SyncRequests
from app.store.task_claims import TaskClaims, Unclaimed

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence
    from pathlib import Path
    from typing import Any
    from uuid import UUID

    from app.bootstrap.worker import WorkerParts
    from app.config.settings import Settings
    from app.domain.claim import Claim, Ending
    from app.execution.tenure import Tenure


@dataclass(slots=True)
class OneRun:
    """What a worker has done: how its attempts have ended, or why there are none."""

    endings: list[Ending] = field(default_factory=list)
    nothing: str = "no task is due"


async def run_worker_once(
    settings: Settings, config: Path, *, pools: tuple[str, ...], task: UUID | None = None
) -> OneRun:
    """Run what is due now in `pools`, or only `task`, whatever its pool; SIGTERM or SIGINT begins a drain.

    Without `task` it also does what a worker does beside: schedules, requests, rescue, projections and housekeeping.

    Raises:
        UnknownTaskError: there is no such task.
        LeaseLostError: the lease was lost before all attempts had ended.
        DatabaseUnreachableError: the database does not answer.
    """
    signals = StopSignals.listen()
    served, slots = (pools, None) if task is None else (EVERY_POOL, 1)
    async with worker_parts(settings, config, pools=served, slots=slots) as parts:
        try:
            if task is not None:
                return await _run_task(parts, task, signals)
            return await _run_due(parts, signals)
        except UNREACHABLE as error:
            if isinstance(error, SynclineError):
                raise
            raise DatabaseUnreachableError(describe_error(error)) from error
        finally:
            await ORPHANS.end()


async def _run_task(parts: WorkerParts, task: UUID, signals: StopSignals) -> OneRun:
    run, claims = OneRun(), TaskClaims(parts.pool)

    async def claim(tenure: Tenure) -> None:
        async def claim_it(*, started_with: Mapping[str, str]) -> Sequence[Claim]:
            claimed = await claims.claim(tenure.worker, task, started_with=started_with)
            if isinstance(claimed, Unclaimed):
                run.nothing = f"task {task} cannot be claimed: {claimed.reason}"
                return []
            return [claimed]

        if not signals.stop.is_set():
            await tenure.claim_by(claim_it)

    await parts.worker.run_once(signals.stop, signals.hurry, claim=claim, ended=run.endings.append)
    return run


async def _run_due(parts: WorkerParts, signals: StopSignals) -> OneRun:
    run = OneRun()
    if not parts.options.slots:
        run.nothing = "server.sync_tasks.pool.size is 0, so no task is run"

    async def claim(tenure: Tenure) -> None:
        await _queue_what_is_due(parts, tenure.worker)
        await tenure.claim_due(signals.stop)

    await parts.worker.run_once(signals.stop, signals.hurry, claim=claim, ended=run.endings.append)
    await _unless_stopped(_tidy_up(parts), signals.stop)
    return run


async def _queue_what_is_due(parts: WorkerParts, worker: UUID) -> None:
    """Do once what the loops of a worker do: everything that may put a task into the queue."""
    pool, watcher, notifier = parts.pool, parts.watcher, parts.notifier
    await CatalogueChanges(CatalogueParts(pool), Catalogues(pool), watcher, lambda: worker).step()
    await Definitions(Schedules(pool), watcher).step()
    await RequestedSyncs(SyncRequests(pool), watcher, scheduled=notifier.notify).step()
    rescuer, scheduler = Rescuer(pool, notifier, parts.options.lease), Scheduler(pool, notifier, lambda: worker)
    while not await rescuer.step():
        pass
    while not await scheduler.step():
        pass


async def _tidy_up(parts: WorkerParts) -> None:
    """Apply the events to the projections, and delete what is old: there may be no other worker that does it."""
    runner = ProjectionRunner(parts.pool)
    while await runner.run_once():
        pass
    await Housekeeping(parts.pool, lambda: parts.watcher.current.server).step()


async def _unless_stopped(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    """Do `work` until it has ended, or `stop`; it can be done another time."""
    task, over = asyncio.ensure_future(work), asyncio.Event()
    task.add_done_callback(lambda _: over.set())
    await first_of(over, stop, timeout=None)
    if task.done():
        task.result()
    else:
        task.cancel()
        await asyncio.wait([task])
