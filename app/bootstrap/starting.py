"""What `syncline init` asks of the world: what a source offers, and whether a destination works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from app.bootstrap.environment import substitution_environment
from app.bootstrap.sources import offers_of
from app.bootstrap.trials import try_destinations
from app.config.reader import load_catalogue
from app.domain.errors import ConfigurationError, SynclineError
from app.starter.proposals import Proposal
from app.starter.text import catalogue_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from app.config.catalogue import Catalogue
    from app.config.settings import Settings
    from app.domain.attempt_protocol import Offered
    from app.starter.origins import Origin
    from app.starter.targets import Target

_NOWHERE = {"nowhere": {"type": "none"}}


async def offers_of_origin(settings: Settings, origin: Origin, *, tell: Callable[[str], None]) -> list[Offered]:
    """What it offers. If some of several collections cannot be read, the others; `tell` gets a line for each.

    Raises:
        ConfigurationError: it cannot be a source.
        SynclineError: nothing of it can be read.
    """
    try:
        return await _offers(settings, origin, origin.collections, tell)
    except SynclineError:
        if len(origin.collections) < 2:  # noqa: PLR2004 -- there is nothing to leave out
            raise
    found: list[Offered] = []
    errors: list[SynclineError] = []
    for each in origin.collections:
        try:
            found += await _offers(settings, origin, [each], tell)
        except SynclineError as error:
            errors.append(error)
            tell(f"left out: {error}")
    if not found:
        raise errors[-1]
    return found


async def _offers(
    settings: Settings, origin: Origin, collections: Iterable[Mapping[str, Any]], tell: Callable[[str], None]
) -> list[Offered]:
    text = catalogue_text(origin.name, origin.type, origin.config, map(Proposal, collections), _NOWHERE)
    catalogue = read_whole(settings, text, origin.variables, without_collections=True)
    return await offers_of(settings, catalogue, origin.name, tell=tell)


async def try_target(settings: Settings, name: str, target: Target, *, tell: Callable[[str], None]) -> None:
    """Try the destination.

    Raises:
        ConfigurationError: it cannot be a destination.
        SynclineError: it does not work.
    """
    text = yaml.safe_dump({"destinations": {name: dict(target.options)}})
    catalogue = read_whole(settings, text, target.variables)
    for trial in await try_destinations(settings, catalogue, [name], tell=tell):
        if trial.error is not None:
            raise SynclineError(trial.error)


def read_whole(
    settings: Settings, text: str, variables: Mapping[str, str], *, without_collections: bool = False
) -> Catalogue:
    """A catalogue of which nothing is left out.

    Raises:
        ConfigurationError: something would be, with the reason alone: there is no file yet.
    """
    environment = substitution_environment(settings) | dict(variables)
    catalogue = load_catalogue(text, environment, without_collections=without_collections)
    for problems in (*catalogue.rejected_destinations.values(), *catalogue.rejected.values()):
        raise ConfigurationError("; ".join(dict.fromkeys(problem.message for problem in problems)))
    return catalogue
