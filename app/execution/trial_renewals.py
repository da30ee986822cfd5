"""What connectors renew while they are checked or discovered: there is no task then, and perhaps no database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from app.causes import describe_error
from app.domain.errors import SynclineError
from app.execution.questions import say_nothing
from app.execution.renewals import NotKeptError, Renewals

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from app.domain.attempt_protocol import Level
    from app.domain.renewal import Owner, Renewal, SealedConfig
    from app.store.renewals import RenewedConfigs

# Why not was told before: it is not set, or away, or has an older schema.
_WITHOUT_DATABASE: Final = (
    "no database could be used; if the old credentials are no longer valid, write new ones into the catalogue"
)

_UNSAVED: Final = (
    "the configuration is in no catalogue; if its old credentials are no longer valid, get new ones before it is saved"
)

_logger = structlog.get_logger("syncline.sources")


def renewals_of_trial(store: RenewedConfigs | None, *, tell: Callable[[str], None] = say_nothing) -> Renewals:
    """Renewals that are found and kept in `store`; an outage is told, and is no reason to fail.

    Without `tell`, lines go to the log of this process.
    """

    async def find(owners: Collection[Owner]) -> Mapping[Owner, Sequence[SealedConfig]]:
        try:
            return await store.find(owners) if store else {}
        except Exception as error:  # noqa: BLE001 - whatever the reason, there is a configuration to try
            await say("warn", f"the configuration in the catalogue is used: {_cannot('look up', error)}")
            return {}

    async def keep(renewal: Renewal) -> None:
        if renewal.config is None:
            return
        if store is None:
            raise NotKeptError(_WITHOUT_DATABASE)
        try:
            await store.keep(renewal)
        except Exception as error:
            raise NotKeptError(_cannot("keep", error)) from error

    async def say(level: Level, line: str) -> None:
        if tell is not say_nothing:
            tell(line)
        elif level == "warn":
            _logger.warning("source.config", message=line)
        else:
            _logger.info("source.config", message=line)

    return Renewals(find=find, keep=keep, tell=say)


def renewals_of_unsaved(tell: Callable[[str], None]) -> Renewals:
    """Renewals of a configuration that is in no catalogue: nothing is found, nothing is kept, and `tell` gets why."""

    async def find(_owners: Collection[Owner]) -> Mapping[Owner, Sequence[SealedConfig]]:
        return {}

    async def keep(_renewal: Renewal) -> None:
        raise NotKeptError(_UNSAVED)

    async def say(_level: Level, line: str) -> None:
        tell(line)

    return Renewals(find=find, keep=keep, tell=say)


def _cannot(do: str, error: Exception) -> str:
    why = str(error) if isinstance(error, SynclineError) else describe_error(error)
    return f"cannot {do} what the connector has renewed: {why}"
