"""What `syncline check` reports about a catalogue."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from app.config.problems import CatalogueError, Problem, in_file_order
from app.config.reader import load_catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from app.config.catalogue import Catalogue

_NOTHING: Final = (
    "there are none, so nothing would be loaded: write them here, or name their file or URL, or set "
    "'configurator.base_url' if Jitsu Classic's configurator has them"
)


@dataclass(frozen=True, slots=True)
class Findings:
    """`problems` must be corrected, `warnings` need not be; `sources` and `collections` count what can be used."""

    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    sources: int = 0
    collections: int = 0


def examine_config(path: Path, environment: Mapping[str, str]) -> Findings:
    """Everything that `syncline check` reports about the catalogue at `path`; never raises for what the user wrote."""
    try:
        catalogue = load_catalogue(path, environment)
    except CatalogueError as error:
        return findings_of(error)
    found = findings_in(catalogue)
    if not found.problems and not found.sources:
        return replace(found, problems=(Problem("sources", _NOTHING, str(path)),))
    return found


def findings_of(error: CatalogueError) -> Findings:
    """The same about a catalogue that cannot be used."""
    return Findings(problems=error.problems, warnings=tuple(in_file_order(error.warnings)))


def findings_in(catalogue: Catalogue) -> Findings:
    """The same about a catalogue that can be used."""
    return Findings(
        problems=tuple(catalogue.problems),
        warnings=tuple(in_file_order(catalogue.warnings)),
        sources=len(catalogue.sources),
        collections=sum(len(source.collections) for source in catalogue.sources.values()),
    )
