"""The workers: who is there, what each runs, and who is gone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from app.domain.counts import count
from app.domain.elapsed import ago_in_words
from app.domain.task import task_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from app.api.http.services import Services
    from app.store.workers import RunningTask, Worker, WorkerList
    from app.ui.page import View

MOST_WORKERS: Final = 100
MOST_TASKS: Final = 8


@dataclass(frozen=True, slots=True)
class Workforce:
    """The workers, and the version of the schema that they work with."""

    listed: WorkerList
    schema: str | None


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker in words; `condition` names the look of its state."""

    worker: Worker
    condition: str
    state: str
    words: str
    tasks: Sequence[tuple[str, RunningTask]]

    @property
    def more(self) -> int:
        """How many of its tasks are not named."""
        return self.worker.running - len(self.tasks)


async def _look_at_workers(services: Services) -> Workforce:
    """Read all that the page shows."""
    reader = services.reader
    listed, schema = await asyncio.gather(reader.list_workers(MOST_WORKERS, MOST_TASKS), reader.get_schema_version())
    return Workforce(listed, schema)


async def show_workers(view: View) -> Response:
    """Show the workers, those first that are alive. Nothing tells who was there at a moment of the past."""
    if view.is_past:
        return view.render("no_workers.html", current="workers")
    found = await view.read(_look_at_workers, view.services)
    listed = found.listed
    now = listed.now or datetime.now(UTC)
    alive = [each for each in listed.workers if each.is_alive]
    return view.render(
        "workers.html",
        current="workers",
        title=_title(len(alive)),
        summary=_summary(alive),
        problems=[*_problems(view.services, found.schema, alive)],
        rows=[_row(each, now) for each in listed.workers],
        release=_release(),
        left_out=listed.left_out,
        read_at=now,
    )


@cache
def _release() -> str:
    return version("syncline")


def _title(alive: int) -> str:
    match alive:
        case 0:
            return "No worker is alive"
        case 1:
            return "One worker is alive"
        case _:
            return f"{alive:,} workers are alive"


def _summary(alive: Sequence[Worker]) -> str:
    if not alive:
        return "Nothing is claimed, and no schedule fires. Start 'syncline worker'."
    slots, running = sum(each.slots for each in alive), sum(each.running for each in alive)
    return f"{running:,} of {count(slots, 'slot')} in use"


def _problems(services: Services, schema: str | None, alive: Sequence[Worker]) -> list[str]:
    """What does not fit together: the schema, the releases, and the catalogues."""
    problems = []
    if problem := services.schema_problem(schema):
        problems.append(f"{problem[:1].upper()}{problem[1:]}.")
    elif schema != services.schema_version:
        problems.append(
            f"The database schema is at version {schema}, and this API's release made {services.schema_version}: "
            "the database was migrated by a newer release. Start that release here too."
        )
    others = sorted({each.release for each in alive} - {_release()})
    if others:
        problems.append(
            f"This API is release {_release()}, and workers are of release {', '.join(others)}. That is fine during an "
            "upgrade; afterwards, restart those that are left."
        )
    if several := sum(each.has_other_catalogue for each in alive):
        has = "worker has" if several == 1 else "workers have"
        problems.append(
            f"{several:,} {has} another version of the catalogue than the one that was taken up last: compare their "
            "files, and look for 'catalogue.refused' in their logs."
        )
    return problems


def _row(worker: Worker, now: datetime) -> WorkerRow:
    condition, state, words = _in_words(worker, now)
    tasks = [(task_id(each.source, each.collection, each.task), each) for each in worker.tasks]
    return WorkerRow(worker, condition, state, words, tasks)


def _in_words(worker: Worker, now: datetime) -> tuple[str, str, str]:
    """Its look, its state, and what that means."""
    heartbeat = f"last heartbeat {ago_in_words(worker.renewed_at, now)}"
    ended = ago_in_words(worker.lease_until, now)
    left = f"; {count(worker.running, 'task')} that it ran will be taken over" if worker.running else ""
    match worker.state:
        case "stopped":
            return "canceled", "Stopped", f"stopped {ended}{left}"
        case "draining" if worker.is_alive:
            return "waiting", "Draining", f"finishes what it runs and takes nothing new; {heartbeat}"
        case _ if worker.is_alive:
            return "fine", "Alive", heartbeat
        case _:
            return "failing", "Gone", f"its lease expired {ended}; {heartbeat}{left}"
