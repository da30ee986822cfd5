"""What `syncline check` tells about a catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.config.problems import CatalogueError, Problem
from app.config.reader import load_catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Findings:
    """`problems` must be mended, `warnings` need not; `sources` and `collections` count what can be used."""

    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    sources: int = 0
    collections: int = 0


def examine_config(path: Path, environment: Mapping[str, str]) -> Findings:
    """Everything that there is to say of the catalogue at `path`; it never raises for what the user wrote."""
    try:
        catalogue = load_catalogue(path, environment)
    except CatalogueError as error:
        return Findings(problems=error.problems)
    return Findings(
        problems=tuple(catalogue.problems),
        warnings=catalogue.warnings,
        sources=len(catalogue.sources),
        collections=sum(len(source.collections) for source in catalogue.sources.values()),
    )
