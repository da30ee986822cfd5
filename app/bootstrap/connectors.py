"""`syncline connectors install`: everything that a catalogue runs is put into one directory beforehand."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.bootstrap.environment import config_path, substitution_environment
from app.config.without_values import read_without_values
from app.connectors.installing import fetched_by_destination, fetched_by_source, is_fetched
from app.connectors.programs.packages import prepare_command
from app.connectors.programs.places import environments_in
from app.domain.attempt_protocol import SourceJob
from app.domain.errors import SynclineError
from app.domain.redaction import redactor_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.config.settings import Settings
    from app.config.sources import Source
    from app.connectors.installing import Fetched


@dataclass(slots=True)
class Prepared:
    """The directory, what is installed in it, the images that Docker has to pull, and what went wrong."""

    directory: Path
    packages: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def install_connectors(
    settings: Settings, config: Path | None, directory: Path | None, *, tell: Callable[[str], None]
) -> Prepared:
    """Install what the sources and destinations of the catalogue run; `tell` gets what the installers say.

    Passwords and other values of placeholders need not be there: where an image is made, they should not be.

    Raises:
        CatalogueError: the catalogue as a whole cannot be used.
    """
    catalogue = read_without_values(config_path(settings, config), substitution_environment(settings), is_fetched)
    redact = redactor_of(catalogue.secrets()).redact
    home = (directory or settings.connectors_dir or environments_in(settings.data_dir)).absolute()
    prepared = Prepared(home, problems=list(map(str, catalogue.problems)))

    def log(level: str, message: str) -> None:
        if level != "debug":
            tell(redact(message))

    found = dict.fromkeys(_fetched(catalogue, prepared.problems))
    prepared.images += dict.fromkeys(fetched.image for fetched in found if fetched.image)
    for fetched in found:
        if fetched.packages:
            try:
                prepare_command(fetched.packages, executable=fetched.executable, directory=home, log=log)
            except SynclineError as error:
                prepared.problems.append(redact(str(error)))
            else:
                prepared.packages.append(str(fetched.packages))
    return prepared


def _fetched(catalogue: Catalogue, problems: list[str]) -> Iterator[Fetched]:
    for source in catalogue.sources.values():
        for job in _jobs(source):
            try:
                fetched = fetched_by_source(job)
            except SynclineError as error:
                problems.append(str(error))
                continue
            if fetched:
                yield fetched
    for destination in catalogue.destinations.values():
        if fetched := fetched_by_destination(destination.id, destination.for_attempt()):
            yield fetched


def _jobs(source: Source) -> Iterator[SourceJob]:
    """One for each collection: those of Jitsu Classic's types may be read by different connectors."""
    now = dt.datetime.now(dt.UTC)
    for collection in source.collections.values():
        yield SourceJob(
            source=source.id,
            source_type=source.type,
            source_config=source.config,
            collection=collection.for_attempt(now),
            data_dir="",
        )
