"""`syncline worker`: wires together everything that a worker process runs until it is stopped."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from app.attempt.workspace import sweep
from app.bootstrap.data_dir import prepare_data_dir
from app.bootstrap.environment import database_address, substitution_environment
from app.bootstrap.garbage import tune_garbage_collector
from app.bootstrap.schema_version import require_schema
from app.bootstrap.signals import StopSignals
from app.config.watch import CatalogueWatcher
from app.connectors.kinds import LIGHT_MODULES
from app.execution.catalogue_changes import CatalogueChanges
from app.execution.forking import FORK_SERVERS
from app.execution.housekeeping import Housekeeping
from app.execution.options import WorkerOptions
from app.execution.orphans import ORPHANS
from app.execution.rescuer import Rescuer
from app.execution.worker import Worker
from app.lifeline import end_abandoned
from app.loops import repeat
from app.projections.runner import ProjectionRunner
from app.requested_syncs import RequestedSyncs
from app.scheduling.definitions import Definitions
from app.scheduling.scheduler import Scheduler
from app.store.catalogue_parts import CatalogueParts
from app.store.catalogues import Catalogues
from app.store.database import open_pool
from app.store.leases import Leases
from app.store.notify import Notifier, listen
from app.store.positions import watch_positions
from app.store.reads import Reader
from app.store.schedules import Schedules
from app.store.sync_requests import SyncRequests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.config.settings import Settings
    from app.store.address import DatabaseAddress
    from app.store.database import Pool

_PATIENCE_SECONDS = 30
_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """A worker that has not begun to work, and what everything beside it needs."""

    worker: Worker
    options: WorkerOptions
    pool: Pool
    notifier: Notifier
    watcher: CatalogueWatcher
    address: DatabaseAddress


@asynccontextmanager
async def worker_parts(
    settings: Settings, config: Path, *, pools: tuple[str, ...], slots: int | None = None
) -> AsyncIterator[WorkerParts]:
    """Read the catalogue, clean up after killed attempts, and connect to the database.

    `slots` None: as many as the catalogue says.

    Raises:
        ConfigurationError: something that the user has configured cannot work.
        DatabaseUnreachableError: the database does not answer.
        SchemaVersionError: the schema is not one that this release can work with.
    """
    ORPHANS.adopt()
    address = database_address(settings)
    watcher = CatalogueWatcher(config, substitution_environment(settings))
    await watcher.refresh()
    await asyncio.to_thread(_clean_up, settings.data_dir)
    tune_garbage_collector()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(FORK_SERVERS.open(keep=LIGHT_MODULES))
        pool = await stack.enter_async_context(
            open_pool(
                address,
                name="syncline worker",
                size=_CONNECTIONS,
                patience_seconds=_PATIENCE_SECONDS,
                checks_positions=True,
            )
        )
        # Separate, because statements that wait for a lock may take every connection until the lease has expired.
        lease_pool = await stack.enter_async_context(
            open_pool(address, name="syncline worker lease", size=1, patience_seconds=_PATIENCE_SECONDS)
        )
        await require_schema(Reader(pool))
        notifier = Notifier(pool)
        stack.push_async_callback(notifier.aclose)
        options = worker_options(settings, watcher.current, pools, slots=slots)
        worker = Worker(pool, Leases(lease_pool), watcher, options, notifier)
        yield WorkerParts(worker, options, pool, notifier, watcher, address)


async def run_worker(settings: Settings, config: Path, *, pools: tuple[str, ...]) -> None:
    """Claim tasks of `pools`, schedule, rescue and project until SIGTERM or SIGINT, then drain."""
    signals = StopSignals.listen()
    async with worker_parts(settings, config, pools=pools) as parts:
        worker, pool, notifier, watcher = parts.worker, parts.pool, parts.notifier, parts.watcher
        scheduler = Scheduler(pool, notifier, lambda: worker.id)
        stop = signals.stop
        definitions = Definitions(Schedules(pool), watcher, changed=scheduler.wake.set)
        requested_syncs = RequestedSyncs(SyncRequests(pool), watcher, scheduled=notifier.notify)
        catalogue_changes = CatalogueChanges(CatalogueParts(pool), Catalogues(pool), watcher, lambda: worker.id)
        async with asyncio.TaskGroup() as group:
            # Including housekeeping: a drain does not wait until old data is deleted, which can be done another time.
            housekeeping = Housekeeping(pool, lambda: watcher.current.server)
            endless = [
                group.create_task(watcher.run()),
                group.create_task(repeat("housekeeping", housekeeping.step, stop=stop)),
                group.create_task(listen(parts.address.direct, worker.wake, password=parts.address.password)),
            ]
            for name, step in (
                ("definitions", definitions.step),
                ("catalogue", catalogue_changes.step),
                ("requests", requested_syncs.step),
                ("rescuer", Rescuer(pool, notifier, parts.options.lease).step),
                ("positions", partial(watch_positions, pool)),
            ):
                group.create_task(repeat(name, step, stop=stop))
            group.create_task(repeat("scheduler", scheduler.step, stop=stop, wake=scheduler.wake))
            group.create_task(ProjectionRunner(pool, busy=worker.is_busy).run(stop))
            await worker.run(stop, signals.hurry)
            await ORPHANS.end()
            for task in endless:
                task.cancel()


def _clean_up(data_dir: Path) -> None:
    """End the processes of attempts whose worker was killed, and remove their files."""
    end_abandoned()
    prepare_data_dir(data_dir)
    sweep(data_dir)


def worker_options(
    settings: Settings, catalogue: Catalogue, pools: tuple[str, ...], *, slots: int | None = None
) -> WorkerOptions:
    """The options as the catalogue says; `slots` instead of its own, if given."""
    tasks = catalogue.server.sync_tasks
    return WorkerOptions(
        slots=tasks.pool.size if slots is None else slots,
        lease=timedelta(seconds=tasks.stalled.last_heartbeat_threshold_seconds),
        drain_seconds=catalogue.server.drain_seconds,
        data_dir=settings.data_dir.absolute(),
        release=version("syncline"),
        pools=pools,
    )
