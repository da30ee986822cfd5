"""The catalogue, as `syncline check` sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.bootstrap.environment import find_config, substitution_environment
from app.config.check import findings_in, findings_of
from app.config.problems import CatalogueError
from app.config.reader import load_catalogue
from app.doctor.bounded import in_thread
from app.doctor.finding import fail, ok, warn
from app.domain.counts import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.config.problems import Problem
    from app.doctor.finding import Finding
    from app.doctor.installation import Installation

_NAME: Final = "catalogue"
_SHOWN: Final = 20


async def look(installation: Installation) -> list[Finding]:
    """What is wrong with the catalogue; the installation then has it, if it can be used."""
    path = find_config(installation.settings, installation.config)
    if path is None:
        return [
            warn(
                _NAME,
                "none is named, so none was looked at",
                "Use --config FILE, set SYNCLINE_CONFIG, or write ./syncline.yaml.",
            )
        ]
    environment = substitution_environment(installation.settings)
    try:
        installation.catalogue = await in_thread(lambda: load_catalogue(path, environment))
        found = findings_in(installation.catalogue)
    except CatalogueError as error:
        found = findings_of(error)
    findings = [
        fail(_NAME, f"{path} has {count(len(found.problems), 'problem')}", _lines(found.problems))
        if found.problems
        else ok(_NAME, f"{path}: {count(found.sources, 'source')} with {count(found.collections, 'collection')}")
    ]
    if found.warnings:
        findings.append(warn(_NAME, count(len(found.warnings), "warning"), _lines(found.warnings)))
    return findings


def _lines(problems: Sequence[Problem]) -> str:
    lines = [str(problem) for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        lines.append(f"… and {len(problems) - _SHOWN} more: run 'syncline check'.")
    return "\n".join(lines)
