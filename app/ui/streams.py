"""Streams of server-sent events for pages, all with the same bounds."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeVar

from starlette.responses import StreamingResponse

from app.api.http.authentication import GRANTED
from app.api.http.errors import RefusedError
from app.ui.access import find_viewer
from app.ui.rendering import HEADERS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.responses import Response

    from app.api.http.live_feed import LiveFeed
    from app.api.http.live_logs import LiveLogs
    from app.ui.page import View

Item = TypeVar("Item")

QUIET_SECONDS: Final = 15.0
"""Proxies close a connection on which nothing comes for a minute."""
STILL_HERE: Final = b": still here\n\n"
_LONGEST_SECONDS: Final = 600.0
_RETRY_MILLISECONDS: Final = 1000


def check_room(live: LiveFeed | LiveLogs) -> None:
    """Refuses one stream too many.

    Raises:
        RefusedError: 503.
    """
    if live.is_full:
        why = "too many pages are open; close some, or try again later"
        raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "Too many streams", why)


def stream(messages: AsyncGenerator[bytes]) -> Response:
    """An answer that goes on. When it has ended, the page comes again after a second."""
    headers = {**HEADERS, "X-Accel-Buffering": "no"}
    return StreamingResponse(_with_retry(messages), media_type="text/event-stream", headers=headers)


async def _with_retry(messages: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield b"retry: %d\n\n" % _RETRY_MILLISECONDS
    async with aclosing(messages):
        async for message in messages:
            yield message


async def while_allowed(view: View, followed: AsyncGenerator[Item]) -> AsyncGenerator[Item]:
    """What is followed, for ten minutes at most and as long as the viewer's token is valid."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + _LONGEST_SECONDS
    async with aclosing(followed):
        async for item in followed:
            if loop.time() > ends or await find_viewer({**view.request.scope, GRANTED: None}) is None:
                return
            yield item
