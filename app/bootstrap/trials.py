"""What the commands that test sources and destinations have tried, and where in the catalogue that is written."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.bootstrap.environment import config_path, substitution_environment
from app.bootstrap.renewals import renewed_configs
from app.bootstrap.sources import data_dir_of
from app.config.problems import CatalogueError, PlaceOf, Problem, problem_at
from app.config.reader import CatalogueReader
from app.config.texts import PARTS
from app.connectors.kinds import DESTINATIONS, SOURCES
from app.domain.choices import unknown_name
from app.domain.collection import ALL
from app.domain.errors import ConfigurationError
from app.execution.destination_check import check_destination
from app.execution.source_check import check_collections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.config.settings import Settings
    from app.config.sources import Source
    from app.connectors.options.complaints import KeyPath


@dataclass(frozen=True, slots=True)
class Trial:
    """Something that was tried; `found` says how much was read, `error` why it failed; neither has a secret.

    `path` is its key in the catalogue.
    """

    name: str
    tried: str
    path: KeyPath
    found: str = ""
    error: str | None = None


async def try_collections(
    settings: Settings, catalogue: Catalogue, source: Source, names: Sequence[str], *, tell: Callable[[str], None]
) -> list[Trial]:
    """Try these collections of the source; `tell` gets a line about what takes long."""
    data_dir, now = data_dir_of(settings), dt.datetime.now(dt.UTC)
    async with renewed_configs(settings, catalogue, source, tell=tell) as renewed:
        answers = await check_collections(
            catalogue, source, list(names), data_dir=data_dir, now=now, tell=tell, renewed=renewed
        )
    return [
        Trial(
            f"{source.id}.{each.name}" + (f".{each.part}" if each.part else ""),
            SOURCES[source.type].tries,
            path_of(source, each.name),
            each.found,
            each.error,
        )
        for each in answers
    ]


async def try_destinations(
    settings: Settings, catalogue: Catalogue, names: Iterable[str], *, tell: Callable[[str], None]
) -> list[Trial]:
    """Try these destinations, one after the other."""
    data_dir, trials = data_dir_of(settings), []
    for name in names:
        destination = catalogue.destinations[name]
        answer = await check_destination(catalogue, destination, data_dir=data_dir, tell=tell)
        tried = DESTINATIONS[destination.type].tries
        trials.append(Trial(name, tried, ("destinations", name), answer.found, answer.error))
    return trials


def choose_destinations(catalogue: Catalogue, names: Sequence[str]) -> list[str]:
    """`names`, or all destinations if there are none.

    Raises:
        CatalogueError: one of them cannot be used as it is written.
        ConfigurationError: there is none of this name.
    """
    chosen = list(dict.fromkeys(names)) or [*catalogue.destinations, *catalogue.rejected_destinations]
    if problems := [each for name in chosen for each in catalogue.rejected_destinations.get(name, ())]:
        raise CatalogueError(problems)
    for name in chosen:
        if name not in catalogue.destinations:
            raise ConfigurationError(unknown_name("destination", name, sorted(catalogue.destinations)))
    return chosen


def locate(settings: Settings, config: Path | None, trials: Iterable[Trial]) -> list[Problem]:
    """The failures among `trials`, with their keys, files and lines. Reads the catalogue's texts again.

    Raises:
        CatalogueError: they can no longer be read.
    """
    texts = CatalogueReader(config_path(settings, config), substitution_environment(settings)).read()
    place: dict[str | int, PlaceOf] = {part: texts.place_of(part) for part in PARTS}
    return [problem_at(each.path, each.error, place[each.path[0]]) for each in trials if each.error is not None]


def path_of(source: Source, collection: str) -> KeyPath:
    """Where the collection is in the catalogue."""
    if collection == ALL:
        return ("sources", source.id)
    return ("sources", source.id, "collections", source.positions[collection])
