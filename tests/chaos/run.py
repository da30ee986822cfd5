"""One seed from beginning to end: start, disturb, come to rest, judge."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from app.domain.feed import Place
from app.loops import running_alongside
from tests.chaos.clock import free_forks
from tests.chaos.copies import all_copied, copied
from tests.chaos.faults import KINDS
from tests.chaos.follower import Follower
from tests.chaos.kinds import skipped_kinds
from tests.chaos.load import LEASE_SECONDS, Callers, log_lines, may_fail, unsteady
from tests.chaos.plan import plan, text_of, without
from tests.chaos.recovery import LIMIT_SECONDS, NotRecoveredError, TransactionWatch, recovered
from tests.chaos.server import ChaosServer
from tests.chaos.system import JUMPER, running_system
from tests.harness import until
from tests.history.reading import read_history
from tests.history.rules import check

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.chaos.plan import Planned
    from tests.chaos.system import System
    from tests.history.record import History

# Long enough for a transaction to be open for too long.
_CALM_SECONDS: Final = 4.0
_VOLLEYS_BETWEEN_CALMS: Final = 8


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that was injected, and how many seconds after the healing of its volley everything ran again."""

    kind: str
    victim: int
    hold: float
    at: str
    recovery_seconds: float


@dataclass
class Result:
    """What one seed has shown. `problems` are processes that ended by themselves and answers that were none."""

    seed: int
    injected: list[Injected] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def late(self) -> list[Injected]:
        return [one for one in self.injected if one.recovery_seconds > LIMIT_SECONDS]

    @property
    def holds(self) -> bool:
        return not (self.violations or self.problems or self.late)

    def document(self) -> dict[str, Any]:
        return asdict(self)


async def run(
    seed: int, faults: int, directory: Path, *, only: Sequence[str] = (), taps: Path | None = None, light: bool = False
) -> Result:
    """Inject `faults` faults as `seed` says, of all kinds or of those that contain a word of `only`.

    `taps` and `light` are for `running_system`.
    """
    result = Result(seed)
    async with AsyncExitStack() as stack:
        server = ChaosServer(directory)
        stack.callback(server.close)
        system = await stack.enter_async_context(running_system(directory, server, taps=taps, light=light))
        result.skipped = skipped_kinds(small_disk=server.has_small_disk, libfaketime=system.clock is not None)
        asked = {name: kind for name, kind in KINDS.items() if not only or any(word in name for word in only)}
        volleys = without(plan(seed, faults, asked), result.skipped)
        print(f"seed {seed}:\n{text_of(volleys)}", flush=True)
        callers = Callers(system.addresses, Random(seed), system.may_lack)  # noqa: S311 - no secret
        follower = Follower(system.addresses, Random(-seed))  # noqa: S311 - no secret
        watch = TransactionWatch(system)
        jumper = system.workers[JUMPER]
        forks = free_forks(lambda: jumper.pid if jumper.lives else None)
        async with running_alongside(callers.call_on(), follower.follow_on(), watch.run(), system.grow(), forks):
            await recovered(system, datetime.now(UTC))
            await watch.calm(_CALM_SECONDS)
            print("everything runs", flush=True)
            for number, volley in enumerate(volleys, 1):
                if not await _volley(system, number, volley, watch, result):
                    break
        result.problems += await all_copied(system)
        await _come_to_rest(system, follower)
        history = _history(system, callers, follower, watch)
        result.violations += map(str, check(history))
        result.problems += [*system.problems, *callers.wrong(history.forgotten.tasks), *follower.wrong]
        result.counts = _counts(history, callers, follower)
    return result


async def _volley(
    system: System, number: int, volley: Sequence[Planned], watch: TransactionWatch, result: Result
) -> bool:
    """Inject faults that overlap, and wait until everything runs again: False if it did not."""
    began = datetime.now(UTC)
    try:
        await asyncio.gather(*(_inject(system, planned) for planned in volley))
        seconds = await recovered(system, datetime.now(UTC))
    except (NotRecoveredError, AssertionError) as error:
        result.problems.append(f"volley {number} ({'; '.join(map(str, volley))}): {error or type(error).__name__}")
        return False
    result.injected += [Injected(p.kind, p.victim, p.hold, began.isoformat(), round(seconds, 2)) for p in volley]
    print(f"{number:4} {seconds:5.1f} s  {'; '.join(planned.kind for planned in volley)}", flush=True)
    if number % _VOLLEYS_BETWEEN_CALMS == 0:
        await watch.calm(_CALM_SECONDS)
    return True


async def _inject(system: System, planned: Planned) -> None:
    await asyncio.sleep(planned.delay)
    async with KINDS[planned.kind].inject(system, planned.victim):
        await asyncio.sleep(planned.hold)


async def _come_to_rest(system: System, follower: Follower) -> None:
    """The workers drain, then the follower reads the rest, then the replicas of the API drain."""
    for replica in system.replicas:
        await until(replica.is_back)
    await asyncio.gather(*(system.drain(worker, for_good=True) for worker in system.workers))
    await follower.catch_up(_last_event(system))
    await asyncio.gather(*(api.stop(for_good=True) for api in system.apis))


def _last_event(system: System) -> str:
    with system.connect() as connection:
        row = connection.execute(
            "SELECT xid::text::bigint, task, version, at FROM syncline.events e"
            " ORDER BY e.xid DESC, task DESC, version DESC LIMIT 1"
        ).fetchone()
    assert row is not None
    return str(Place.of(*row))


def _history(system: System, callers: Callers, follower: Follower, watch: TransactionWatch) -> History:
    return read_history(
        system.server.store.url,
        unsteady=unsteady(),
        posted=[_uuid(task_id) for task_id in callers.posted],
        shown=list(callers.shown),
        followed=follower.saved,
        logged=log_lines(),
        may_fail=may_fail(),
        copied=copied(system),
        transactions=list(watch.seen.values()),
        drains=system.drains,
        drifts=_drifts(system),
        lease=timedelta(seconds=LEASE_SECONDS),
        forgotten=system.server.forgotten(),
    )


def _uuid(task_id: str) -> UUID:
    return UUID(task_id[-36:])


def _drifts(system: System) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "projections", "verify"],
        env=system.cluster.environment | {"DATABASE_URL": system.server.store.url},
        capture_output=True,
        text=True,
        check=False,
    )
    return [] if done.returncode == 0 else [*done.stdout.splitlines(), *done.stderr.splitlines()]


def _counts(history: History, callers: Callers, follower: Follower) -> dict[str, int]:
    ended = Counter(task.status.value for task in history.tasks.values())
    return {
        "tasks": len(history.tasks),
        "attempts": sum(task.attempt for task in history.tasks.values()),
        "events": len(history.events),
        "log_lines": len(history.lines),
        "fire_times": len(history.fire_times),
        "posts_acknowledged": len(callers.posted),
        "calls_unanswered": callers.unanswered,
        "lines_shown": len(callers.shown),
        "events_followed": len(follower.saved),
        "follower_went_back": follower.went_back,
        "tasks_forgotten": len(history.forgotten.tasks),
        "lines_forgotten": len(history.forgotten.lines),
        "records_copied": sum(sum(copied.found.values()) for copied in history.copied),
        **ended,
    }
