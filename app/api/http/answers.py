"""Answers as JSON: whole ones, and lists that are written page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from starlette.responses import Response, StreamingResponse

from app.store.reads import PAGE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from starlette.requests import Request

Row = TypeVar("Row")


def as_json(content: Any) -> bytes:
    """A document as it is sent; its times are in UTC."""
    return orjson.dumps(content, option=orjson.OPT_UTC_Z)


class JsonAnswer(Response):
    """A document that is written at once."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return as_json(content)


async def list_answer(
    request: Request, name: str, pages: AsyncIterator[Sequence[Row]], shown: Callable[[Row], Any]
) -> Response:
    """`{name: [...]}` with every row of `pages`, however many: one page is in memory at a time.

    The first page is read before the status is sent, so that a database which does not answer is still an error. What
    fails later leaves the document without its end.
    """
    none: Sequence[Row] = []
    first = await anext(pages, none)
    if request.method == "HEAD":
        answer = Response(media_type="application/json")
        del answer.headers["content-length"]  # GET would not send one of 0
        return answer
    if len(first) < PAGE:
        return JsonAnswer({name: [shown(row) for row in first]})
    return StreamingResponse(_written(name, first, pages, shown), media_type="application/json")


async def _written(
    name: str, first: Sequence[Row], pages: AsyncIterator[Sequence[Row]], shown: Callable[[Row], Any]
) -> AsyncIterator[bytes]:
    yield b'{"%s":[%s' % (name.encode(), _elements(first, shown))
    async for page in pages:
        yield b"," + _elements(page, shown)
    yield b"]}"


def _elements(page: Sequence[Row], shown: Callable[[Row], Any]) -> bytes:
    return as_json([shown(row) for row in page])[1:-1]
