"""What requests about unsaved sources and destinations have in common: whether they are allowed, and what they say."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from app.api.http.errors import RefusedError
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.api.http.services import Services
    from app.config.unsaved import Unsaved

_CONFIGURATION: Final = ("type", "config", "datasource")
_NOT_ALLOWED: Final = (
    "set 'server.ad_hoc_trials: true' in the catalogue to allow it: whoever has a token with scope 'admin' can then "
    "run programs on this machine"
)


def is_unsaved(body: Mapping[str, Any], what: str) -> bool:
    """Whether a body has a configuration, and not the id of a saved one, which is its key `what`.

    Raises:
        RefusedError: 400; it has both.
    """
    if not any(body.get(key) not in (None, "") for key in _CONFIGURATION):
        return False
    if body.get(what) not in (None, ""):
        why = f"'{what}' is the id of a saved {what}, and cannot be combined with the configuration of an unsaved one"
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"Error parsing '{what}' field", why)
    return True


def require_ad_hoc_trials(services: Services) -> None:
    """Refuses what the catalogue has not allowed.

    Raises:
        RefusedError: 403.
    """
    if not services.catalogue().server.ad_hoc_trials:
        raise RefusedError(HTTPStatus.FORBIDDEN, "Unsaved configurations are disabled", _NOT_ALLOWED)


async def read_unsaved(read: Callable[[], Unsaved], tell: Callable[[str], None]) -> Unsaved:
    """What `read` returns; it runs in a thread, because some options take seconds to check. `tell` gets the warnings.

    Raises:
        RefusedError: 400, with everything that is wrong.
    """
    try:
        unsaved = await asyncio.to_thread(read)
    except SynclineError as error:
        # Classic's clients show only the message.
        message = f"Invalid configuration: {error}"
        raise RefusedError(HTTPStatus.BAD_REQUEST, message, str(error)) from None
    for warning in unsaved.warnings:
        tell(warning)
    return unsaved


def with_warnings(document: Mapping[str, Any], warnings: Sequence[str]) -> dict[str, Any]:
    """The document, which tells the warnings if there are any."""
    return {**document, **({"warnings": [*warnings]} if warnings else {})}
