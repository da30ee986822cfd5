"""Trials of sources: a few at once, and each only for as long as its client waits for it."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect

from app.api.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

MOST_AT_ONCE: Final = 4
"""In one process of the API: every trial is a process of its own beside it."""

_RETRY_LATER: Final = {"Retry-After": "5"}


class Trials:
    """Passes trials on to `test_source`, which ends what it has started when it is canceled."""

    def __init__(self, test_source: Callable[[str, str | None], Awaitable[None]]) -> None:
        self._test_source = test_source
        self._running = 0

    async def run(self, request: Request, source: str, collection: str | None) -> None:
        """Try the source while the client, whose body has been read, is there.

        Raises:
            RefusedError: 429; there are `MOST_AT_ONCE` already.
            ClientDisconnect: the client has left, and the trial has ended.
            SynclineError: the connector's own error.
        """
        if self._running >= MOST_AT_ONCE:
            why = f"{MOST_AT_ONCE} sources are being tried already; try again"
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "Too many trials at once", why, headers=_RETRY_LATER)
        self._running += 1
        try:
            await _while_there(request, self._test_source(source, collection))
        finally:
            self._running -= 1


async def _while_there(request: Request, work: Awaitable[None]) -> None:
    trial, departure = asyncio.ensure_future(work), asyncio.ensure_future(_departure(request))
    try:
        await asyncio.wait([trial, departure], return_when=asyncio.FIRST_COMPLETED)
        if not trial.done():
            raise ClientDisconnect
        trial.result()
    finally:
        trial.cancel()
        departure.cancel()
        await asyncio.gather(trial, departure, return_exceptions=True)


async def _departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
