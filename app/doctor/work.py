"""Whether work goes on: projections, workers, the queue and schedules."""

from __future__ import annotations

import datetime as dt
import shlex
from typing import TYPE_CHECKING, Final

from app.doctor.finding import fail, ok, warn
from app.domain.counts import count
from app.domain.duration import format_duration
from app.domain.visible import make_visible
from app.store.installation import fetch_queue, fetch_schedules, list_held_up, list_unserved_pools, list_workers
from app.store.reads import fetch_projection_lags

if TYPE_CHECKING:
    from asyncpg import Record

    from app.doctor.finding import Finding
    from app.doctor.installation import Installation

LONGEST_LAG: Final = 60.0
LONGEST_WAIT: Final = 900.0
LATE: Final = dt.timedelta(minutes=1)


async def look_at_projections(installation: Installation) -> list[Finding]:
    async with installation.connected() as connection:
        lags = await fetch_projection_lags(connection)
    return [
        warn(
            "projections",
            f"{name} is {_duration(lag)} behind the events",
            "See whether a worker is alive and no old transaction is open, and see Projections in docs/operations.md.",
        )
        for name, lag in sorted(lags.items())
        if lag >= LONGEST_LAG
    ] or [ok("projections", f"{name} is {_duration(lag)} behind the events") for name, lag in sorted(lags.items())]


async def look_at_workers(installation: Installation) -> list[Finding]:
    """Without a worker nothing is claimed, which may be meant."""
    async with installation.connected() as connection:
        workers = await list_workers(connection)
    alive = [worker for worker in workers if worker["alive"]]
    lost = [worker for worker in workers if not worker["alive"]]
    findings = []
    if alive:
        releases = ", ".join(sorted({worker["release"] for worker in alive}))
        slots, running = (sum(worker[key] for worker in alive) for key in ("slots", "running"))
        text = f"{count(len(alive), 'worker')} alive, {running} of {count(slots, 'slot')} in use; release {releases}"
        findings.append(ok("workers", text))
    else:
        findings.append(
            warn("workers", "none is alive: nothing is claimed and no schedule fires", "Start 'syncline worker'.")
        )
    if lost:
        names = ", ".join(f"{worker['host']} (pid {worker['pid']})" for worker in lost[:3])
        remedy = "See its log: it was killed, was stopped for longer than its lease, or lost the database."
        findings.append(warn("workers", f"{len(lost)} lost in the last hour: {make_visible(names)}", remedy))
    return findings


async def look_at_queue(installation: Installation) -> list[Finding]:
    async with installation.connected() as connection:
        queue = await fetch_queue(connection)
    paused = f", {queue['paused']} paused" if queue["paused"] else ""
    text = f"{count(queue['ready'], 'task')} waiting, {queue['running']} running{paused}"
    if not queue["ready"] or queue["seconds"] < LONGEST_WAIT:
        return [ok("queue", text)]
    text += f"; the oldest has been waiting for {_duration(queue['seconds'])}"
    return [warn("queue", text, "Start more workers, or raise server.sync_tasks.pool.size.")]


async def look_at_outages(installation: Installation) -> list[Finding]:
    async with installation.connected() as connection:
        outages = await list_held_up(connection)
    return [_outage(each) for each in outages] or [ok("outages", "no task waits for a destination")]


def _outage(outage: Record) -> Finding:
    name, error = make_visible(outage["destination"]), make_visible(outage["error"])
    since = f"{outage['since']:%Y-%m-%d %H:%M:%S} UTC ({_duration(outage['seconds'])})"
    return warn(
        "outages",
        f"{count(outage['tasks'], 'task')} waiting for destination '{name}', which cannot be reached since {since}: "
        f"{error}",
        "Start its server, or correct its address: one task tries it again every minute, and the others follow.",
    )


async def look_at_pools(installation: Installation) -> list[Finding]:
    async with installation.connected() as connection:
        unserved = await list_unserved_pools(connection)
    return [_unserved(pool) for pool in unserved] or [ok("pools", "every pool with waiting tasks has a worker")]


def _unserved(pool: Record) -> Finding:
    name = make_visible(pool["pool"])
    since = f"{pool['since']:%Y-%m-%d %H:%M:%S} UTC ({_duration(pool['seconds'])})"
    command = f"syncline worker --pool {shlex.quote(name)}"
    return warn(
        "pools",
        f"no worker serves pool '{name}': {count(pool['tasks'], 'task')} waiting, the first since {since}",
        f"Start {command!r}. A queued task keeps its pool: if its source has another one now, cancel the task.",
    )


async def look_at_schedules(installation: Installation) -> list[Finding]:
    async with installation.connected() as connection:
        found = await fetch_schedules(connection, LATE)
    if not found["late"]:
        return [ok("schedules", f"{count(found['active'], 'schedule')}, none is late")]
    return [
        fail(
            "schedules",
            f"{found['late']} of {count(found['active'], 'schedule')} should have fired: "
            f"{make_visible(found['first'])} is {_duration(found['seconds'])} late",
            "Start 'syncline worker', or see 'loop.failed' in the logs of the workers.",
        )
    ]


def _duration(seconds: float) -> str:
    return format_duration(dt.timedelta(seconds=int(seconds)))
