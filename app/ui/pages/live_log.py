"""The log of a task as it is written: a stream of its lines, which begins after the last one that a page shows."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from app.api.http.parameters import AFTER, read_position
from app.api.operations.tasks import find_task
from app.domain.task import log_prefix, task_id
from app.store.database import UNREACHABLE
from app.store.log_search import BEFORE_ALL_LINES
from app.ui.pages.log import shown_level, without_prefix
from app.ui.rendering import render_part
from app.ui.streams import QUIET_SECONDS, STILL_HERE, check_room, stream, while_allowed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from uuid import UUID

    from asyncpg import Record
    from starlette.requests import Request
    from starlette.responses import Response

    from app.ui.page import View


async def follow_log(view: View) -> Response:
    """A stream: `following`, a `line` for each line of the log after the given one, and `ended` at the task's end.

    The id of a line is its place, `attempt.line`, so a browser that comes again goes on after the last one.
    """
    check_room(view.services.live_logs)
    after = _last_seen(view.request) or AFTER.optional(view.request) or BEFORE_ALL_LINES
    row = await find_task(view.services, view.request.path_params["task_id"])
    prefix = log_prefix(task_id(row["source"], row["collection"], row["task"]))
    return stream(_messages(view, row["task"], prefix, after))


def _last_seen(request: Request) -> tuple[int, int] | None:
    """The line that a browser that comes again has seen last; what is none is left to the address."""
    try:
        return read_position(request.headers.get("Last-Event-ID", ""))
    except ValueError:
        return None


async def _messages(view: View, task: UUID, prefix: str, after: tuple[int, int]) -> AsyncGenerator[bytes]:
    level = shown_level(view.request)
    # A browser sees no comments: this tells it that nothing on the way holds the stream back.
    yield b"event: following\ndata: .\n\n"
    followed = view.services.live_logs.follow(task, after, quiet_seconds=QUIET_SECONDS)
    async with aclosing(while_allowed(view, followed)) as allowed:
        try:
            async for news in allowed:
                if news.ended_by is not None:
                    # The page asks at once for its end, and must not get what others were shown before.
                    view.shared.forget_until(news.ended_by)
                    yield b"event: ended\ndata: .\n\n"
                elif news.lines:
                    yield b"".join(
                        _message(line, prefix, is_shown=level in {None, line["level"]}) for line in news.lines
                    )
                else:
                    yield STILL_HERE
        except UNREACHABLE:
            # The browser comes again, and goes on after the last line that it has.
            return


def _message(line: Record, prefix: str, *, is_shown: bool) -> bytes:
    """A log line as HTML, in one line. A line that is not shown sends no event, but its id counts as seen."""
    place = f"id: {line['attempt']}.{line['line']}\n"
    event = f"event: line\ndata: {render_part('log_line', without_prefix(line, prefix))}\n" if is_shown else ""
    return f"{place}{event}\n".encode()
