"""Tries sources and destinations as `sources test` and `destinations test` do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.bootstrap.trials import locate, try_collections, try_destinations
from app.doctor.bounded import bounded
from app.doctor.finding import fail, ok

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.bootstrap.trials import Trial
    from app.doctor.finding import Finding
    from app.doctor.installation import Installation


async def try_everything(installation: Installation, *, tell: Callable[[str], None]) -> list[Finding]:
    """What came of every source and destination, one after the other. It takes as long as they do."""
    catalogue = installation.catalogue
    if catalogue is None:
        return []
    settings = installation.settings
    findings: list[Finding] = []
    for source in catalogue.sources.values():
        trials = try_collections(settings, catalogue, source, [*source.collections], tell=tell)
        findings += await bounded(f"source {source.id}", _judge(installation, "source", trials), seconds=None)
    for name in catalogue.destinations:
        trials = try_destinations(settings, catalogue, [name], tell=tell)
        findings += await bounded(f"destination {name}", _judge(installation, "destination", trials), seconds=None)
    return findings


async def _judge(installation: Installation, kind: str, awaited: Awaitable[list[Trial]]) -> list[Finding]:
    trials = await awaited
    problems = iter(locate(installation.settings, installation.config, trials))
    return [
        ok(f"{kind} {trial.name}", f"tried: {trial.tried}" + (f"; found {trial.found}" if trial.found else ""))
        if trial.error is None
        else fail(f"{kind} {trial.name}", f"tried: {trial.tried}", str(next(problems)))
        for trial in trials
    ]
