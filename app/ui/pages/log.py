"""The log of a task: its last lines, looking for others, and all of it as a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from starlette.responses import StreamingResponse

from app.api.documents.tasks import log_document
from app.api.http.answers import as_json
from app.api.http.parameters import AFTER, Parameter, read_position
from app.api.operations.tasks import find_task
from app.domain.counts import count
from app.domain.task import log_prefix, task_id
from app.domain.visible import make_visible
from app.store.log_search import AFTER_ALL_LINES, LogSearch
from app.store.reads import LogFilter
from app.ui.rendering import HEADERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from datetime import datetime

    from asyncpg import Record
    from starlette.requests import Request
    from starlette.responses import Response

    from app.store.reads import Row
    from app.ui.page import View

LINES: Final = 500
_BEFORE: Final = Parameter("before", "Only lines before this one.", AFTER.form, AFTER.schema, read_position)
_ALL: Final = "all"
_LEVELS: Final = (_ALL, "info", "warn", "error")


@dataclass(frozen=True, slots=True)
class LogPart:
    """The lines that are shown, and the queries of the links around them.

    `text` is what was looked for. `earlier` leads to the lines before these, `newest` to the last ones; None where they
    are shown. `looked_at` says through how many lines it was looked, back to the time `reached_at`, if there are more;
    None if enough were found. `newest_place` is that of the last line so far, empty if there is none.
    """

    lines: Sequence[Mapping[str, Any]]
    level: str
    text: str
    levels: Sequence[tuple[str, str]]
    earlier: str | None
    newest: str | None
    looked_at: str | None
    reached_at: datetime | None
    newest_place: str


async def read_log(view: View, row: Row) -> LogPart:
    """Read the part of a task's log that the address asks for."""
    query = view.request.query_params
    level, text = shown_level(view.request), query.get("find", "").replace("\0", "")
    before = _BEFORE.optional(view.request)
    prefix = log_prefix(task_id(row["source"], row["collection"], row["task"]))
    wanted = LogSearch(
        end=view.moment.moment,
        before=before or AFTER_ALL_LINES,
        level=level,
        text=text or None,
        prefix=prefix,
    )
    found = await view.services.reader.find_lines(row["task"], wanted, limit=LINES)
    kept = {"level": level or _ALL} | ({"find": text} if text else {})
    is_cut = found.more and len(found.lines) < LINES and not wanted.takes_all
    return LogPart(
        [without_prefix(line, prefix) for line in found.lines],
        level or _ALL,
        text,
        [(each, urlencode({**kept, "level": each})) for each in _LEVELS],
        urlencode({**kept, "before": _place(found.reached)}) if found.more and found.reached else None,
        urlencode(kept) if before else None,
        count(found.looked_at, "line") if is_cut else None,
        found.reached_at,
        _place(found.newest) if found.newest else "",
    )


def shown_level(request: Request) -> str | None:
    """The level of the lines that the address asks for; None for all."""
    level = request.query_params.get("level")
    return level if level in _LEVELS and level != _ALL else None


def without_prefix(line: Record, prefix: str) -> dict[str, Any]:
    """A line of a task's log, without the prefix of its message."""
    return {**line, "message": line["message"].removeprefix(prefix)}


def _place(line: tuple[int, int]) -> str:
    return "{}.{}".format(*line)


async def download_text(view: View) -> Response:
    """The whole log as text, a line for each."""
    return await _download(view, "log", "text/plain; charset=utf-8", _text_line)


async def download_json(view: View) -> Response:
    """The whole log as JSON, an object for each line, as the API describes it."""
    return await _download(view, "jsonl", "application/jsonl", _json_line)


async def _download(view: View, suffix: str, media_type: str, to_line: Callable[[Record], bytes]) -> Response:
    row = await find_task(view.services, view.request.path_params["task_id"], view.moment)
    pages = view.services.reader.page_log(row["task"], LogFilter(end=view.moment.moment))
    name = f'attachment; filename="{row["task"]}.{suffix}"'
    headers = {**HEADERS, "Content-Disposition": name}
    return StreamingResponse(_lines(pages, to_line), media_type=media_type, headers=headers)


async def _lines(pages: AsyncIterator[Sequence[Record]], to_line: Callable[[Record], bytes]) -> AsyncIterator[bytes]:
    async for page in pages:
        yield b"".join(to_line(line) + b"\n" for line in page)


def _json_line(line: Record) -> bytes:
    return as_json(log_document(line))


def _text_line(line: Record) -> bytes:
    return f"{line['at']:%Y-%m-%dT%H:%M:%S.%fZ} {line['level']:5} {make_visible(line['message'])}".encode()
