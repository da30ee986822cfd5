"""The admin token: as header `X-Admin-Token` or as query parameter `token`, either alone is enough."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from app.api.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

    from app.api.services import Services

HEADER: Final = b"x-admin-token"
PARAMETER: Final = b"token"


class AdminToken:
    """Lets requests pass that know the token; unknown paths and methods behind it are refused alike."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services: Services = scope["app"].state.services
        check_token(scope, services.catalogue().server.admin_token)
        await self._app(scope, receive, send)


def check_token(scope: Scope, token: str) -> None:
    """Compare as bytes, in constant time: whatever was sent is no text until it is known to be the token.

    Raises:
        RefusedError: 401.
    """
    if not token:
        raise RefusedError(HTTPStatus.UNAUTHORIZED, "admin_token must be configured")
    expected = token.encode()
    if not any(hmac.compare_digest(given, expected) for given in _given(scope)):
        raise RefusedError(HTTPStatus.UNAUTHORIZED, "Admin token does not match")


def _given(scope: Scope) -> Iterator[bytes]:
    for name, value in scope["headers"]:
        if name == HEADER:
            yield value
    for pair in scope["query_string"].split(b"&"):
        name, _, value = pair.replace(b"+", b" ").partition(b"=")
        if unquote_to_bytes(name) == PARAMETER:
            yield unquote_to_bytes(value)
