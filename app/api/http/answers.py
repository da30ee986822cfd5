"""JSON responses: complete ones, and lists that are sent page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from starlette.responses import Response, StreamingResponse

from app.store.queries import PAGE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from starlette.requests import Request

Row = TypeVar("Row")


def as_json(content: Any) -> bytes:
    """A document as it is sent; its times are in UTC."""
    return orjson.dumps(content, option=orjson.OPT_UTC_Z)


class JsonAnswer(Response):
    """A document that is sent in one piece."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return as_json(content)


async def list_answer(
    request: Request, name: str, pages: AsyncIterator[Sequence[Row]], to_document: Callable[[Row], Any]
) -> Response:
    """`{name: [...]}` with every row of `pages`, however many: only one page is in memory at a time.

    The first page is read before the status is sent, so that an unreachable database is still an error status. A later
    failure truncates the document.
    """
    none: Sequence[Row] = []
    first = await anext(pages, none)
    if request.method == "HEAD":
        answer = Response(media_type="application/json")
        del answer.headers["content-length"]  # GET would not send 0
        return answer
    if len(first) < PAGE:
        return JsonAnswer({name: [to_document(row) for row in first]})
    return StreamingResponse(_stream(name, first, pages, to_document), media_type="application/json")


async def _stream(
    name: str, first: Sequence[Row], pages: AsyncIterator[Sequence[Row]], to_document: Callable[[Row], Any]
) -> AsyncIterator[bytes]:
    yield b'{"%s":[%s' % (name.encode(), _elements(first, to_document))
    async for page in pages:
        yield b"," + _elements(page, to_document)
    yield b"]}"


def _elements(page: Sequence[Row], to_document: Callable[[Row], Any]) -> bytes:
    return as_json([to_document(row) for row in page])[1:-1]
