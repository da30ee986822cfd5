"""`syncline worker`: claims and runs tasks, for ever or once."""

from __future__ import annotations

import sys
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Final

import click

from app.cli.running import config_option, fail_points_option, reports_errors, run_loop, start
from app.cli.values import POOLS, TASK_UUID
from app.domain import events
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from uuid import UUID

    from app.domain.claim import Ending

# What the event of an ending means for whoever has started the worker, in the order in which they are told.
_WORDS: Final = {
    events.TASK_SUCCEEDED: "succeeded",
    events.TASK_FAILED: "failed",
    events.ATTEMPT_FAILED: "failed",
    events.TASK_CANCELED: "canceled",
    events.ATTEMPT_HANDED_BACK: "handed back",
}


@click.command()
@config_option
@click.option(
    "--pool",
    "pools",
    metavar="NAME",
    type=POOLS,
    multiple=True,
    help="A pool whose tasks to run; repeat it, or put commas between several.  [default: environment variable "
    "SYNCLINE_POOLS, else 'default']",
)
@click.option("--every-pool", is_flag=True, hidden=True)
@click.option("--once", is_flag=True, help="Run what is due now, and end; exit with 1 if an attempt failed.")
@click.option(
    "--task", metavar="UUID", type=TASK_UUID, help="With --once: run only this task, whatever its pool, if it is due."
)
@fail_points_option
@reports_errors
def worker(
    config: Path | None,
    pools: tuple[tuple[str, ...], ...],
    task: UUID | None,
    *,
    every_pool: bool,
    once: bool,
    with_fail_points: bool,
) -> None:
    """Claim and run tasks, and schedule new ones. Run any number of replicas.

    With --once it runs what is due now, or one task, and ends with 0: also if there is nothing to do, or if a task was
    canceled, or handed back because of SIGTERM. It ends with 1 if an attempt failed or the worker lost its lease.
    """
    from app.bootstrap.environment import config_path, worker_pools
    from app.domain.pool import EVERY_POOL

    if task and not once:
        raise click.UsageError("--task needs --once.")
    if task and (pools or every_pool):
        raise click.UsageError("--task takes its task from any pool: leave out --pool.")
    settings = start(with_fail_points=with_fail_points)
    served = EVERY_POOL if every_pool else worker_pools(settings, chain.from_iterable(pools))
    path = config_path(settings, config)
    if not once:
        from app.bootstrap.worker import run_worker

        run_loop(run_worker(settings, path, pools=served))
        return
    from app.bootstrap.worker_once import run_worker_once

    run = run_loop(run_worker_once(settings, path, pools=served, task=task))
    if not run.endings:
        click.echo(f"Nothing to do: {run.nothing}.")
    else:
        _report(run.endings)


def _report(endings: Sequence[Ending]) -> None:
    counts = Counter(_WORDS[ending.type] for ending in endings)
    for ending in endings:
        if _WORDS[ending.type] == "failed":
            line = f"syncline: {ending.claim.source}/{ending.claim.collection}: attempt {ending.claim.attempt} failed"
            click.echo(make_visible(f"{line}: {ending.error}"), err=True)
    told = ", ".join(f"{counts[word]} {word}" for word in dict.fromkeys(_WORDS.values()) if counts[word])
    click.echo(f"Attempts: {told}.")
    if counts["failed"]:
        sys.exit(1)
