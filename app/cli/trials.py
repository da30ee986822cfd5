"""Shows what `sources test` and `destinations test` have tried."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from app.cli.running import align, json_text
from app.domain.counts import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from app.bootstrap.trials import Trial
    from app.config.problems import Problem
    from app.config.settings import Settings


def show(settings: Settings, config: Path | None, trials: Sequence[Trial], *, as_json: bool) -> None:
    """Print a table, then each failure as a sentence; exit with 1 if there is any."""
    from app.bootstrap.trials import locate

    problems = locate(settings, config, trials)
    if as_json:
        click.echo(json_text(list(_documents(trials, problems))))
    else:
        for line in align([("NAME", "TRIED", "RESULT"), *map(_row, trials)]):
            click.echo(line)
        for problem in problems:
            click.echo(str(problem), err=True)
    if problems:
        click.echo(f"{len(problems)} of {count(len(trials), 'test')} failed.", err=True)
        sys.exit(1)


def _row(trial: Trial) -> tuple[str, ...]:
    result = "failed" if trial.error is not None else f"ok: {trial.found}" if trial.found else "ok"
    return trial.name, trial.tried, result


def _documents(trials: Iterable[Trial], problems: Iterable[Problem]) -> Iterable[dict[str, Any]]:
    failures = iter(problems)
    for trial in trials:
        document: dict[str, Any] = {"name": trial.name, "tried": trial.tried, "ok": trial.error is None}
        if trial.error is not None:
            problem = next(failures)
            document |= {"error": problem.message, "key": problem.path, "place": problem.place}
        elif trial.found:
            document["found"] = trial.found
        yield document
