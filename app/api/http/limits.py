"""Size limits of requests."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson

from app.api.http.errors import RefusedError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

LARGEST_TARGET: Final = 16 * 1024
LARGEST_HEADERS: Final = 16 * 1024
LARGEST_BODY: Final = 64 * 1024
"""In bytes: path and query (a note of 1,000 characters may have 12,000 bytes in a URL), all headers, the body."""


class RequestLimits:
    """Refuses requests that are too large before anything else reads them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            _check(scope)
        await self._app(scope, receive, send)


def _check(scope: Scope) -> None:
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LARGEST_TARGET:
        raise _too_large(HTTPStatus.REQUEST_URI_TOO_LONG, "path and query", LARGEST_TARGET)
    if sum(len(name) + len(value) for name, value in scope["headers"]) > LARGEST_HEADERS:
        raise _too_large(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers", LARGEST_HEADERS)
    length = dict(scope["headers"]).get(b"content-length", b"0")
    if not length.isdigit() or int(length) > LARGEST_BODY:
        raise _too_large(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body", LARGEST_BODY)


async def read_body(request: Request) -> bytes:
    """The request's body.

    Raises:
        RefusedError: 413; it is too large.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:  # a chunked body has no length to check in advance
            raise _too_large(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body", LARGEST_BODY)
    return bytes(body)


async def read_object(request: Request, *, may_be_empty: bool = False) -> dict[str, Any]:
    """The request's body, which must be a JSON object; with `may_be_empty`, no body is an empty one.

    Raises:
        RefusedError: 400 or 413; it is not an object, or too large.
    """
    body = await read_body(request)
    if may_be_empty and not body:
        return {}
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "Failed to parse body", "the body must be a JSON object")
    return content


def _too_large(status: HTTPStatus, what: str, largest: int) -> RefusedError:
    return RefusedError(status, "Request is too large", f"{what} must not exceed {largest} bytes")
