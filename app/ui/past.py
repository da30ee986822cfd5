"""Pages as of a moment of the past: it is part of their address, so that all links lead to pages of the same moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from app.api.http.errors import RefusedError
from app.api.http.parameters import AS_OF
from app.domain.elapsed import span_in_words
from app.store.moments import LATEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from app.api.http.services import Services
    from app.domain.feed import Place
    from app.store.moments import Moment

PATH: Final = "/at/{as_of}"
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PARAMETER: Final = "as_of"
_STEPS: Final = tuple(timedelta(minutes=minutes) for minutes in (-1440, -60, -10, -1, 1, 10, 60, 1440))


@dataclass(frozen=True, slots=True)
class Past:
    """The moment that is shown, and the prefixes of the pages some time before and after it, with what to call them."""

    at: datetime
    steps: Sequence[tuple[str, str]]


def past_of(moment: Moment, base: str) -> Past:
    """What the frame of a page says of its moment."""
    now = datetime.now(UTC)
    steps = [(base + path_at(moment.moment + step), _words(step)) for step in _STEPS if moment.moment + step < now]
    return Past(moment.moment, steps)


def path_of(request: Request) -> str:
    """The part of the address that names the moment; nothing, if that is now."""
    as_of = request.path_params.get(_PARAMETER)
    return "" if as_of is None else PATH.replace("{as_of}", quote(as_of, safe=":"))


def without_moment(path: str) -> str:
    """The path of a page below `/at/…`, as it is for now."""
    return "/" + path.removeprefix("/at/").partition("/")[2]


def path_at(time: datetime) -> str:
    """The same for a time."""
    return PATH.replace("{as_of}", f"{time.astimezone(UTC).isoformat(timespec='seconds').removesuffix('+00:00')}Z")


async def moment_of(request: Request) -> Moment:
    """The moment of a page.

    Raises:
        ConfigurationError: it is still to come.
        EventsGoneError: retention has removed what one would need to look so far back.
        RefusedError: 400; it is neither a time nor a position.
    """
    given = request.path_params.get(_PARAMETER)
    if given is None:
        return LATEST
    services: Services = request.app.state.services
    return await services.reader.find_moment(_read(given))


def _read(given: str) -> datetime | Place:
    try:
        as_of = AS_OF.read(given)
    except (ValueError, OverflowError):
        as_of = None
    if as_of is None or (isinstance(as_of, datetime) and as_of < _FIRST):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "This is not a moment", f"use {AS_OF.form}")
    return as_of


def _words(step: timedelta) -> str:
    return ("+" if step > timedelta() else "-") + span_in_words(abs(step.total_seconds()))
