"""Authentication: a token in the header `X-Admin-Token` or in the query parameter `token`; one is enough."""

from __future__ import annotations

import hmac
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from app.api.http.errors import RefusedError
from app.api.http.known_tokens import Granted
from app.api.http.proxies import user_named_by_proxy
from app.api.http.secrecy import secrecy_of
from app.domain.api_token import TokenScope, token_id
from app.domain.cause import Actor
from app.store.database import UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from app.api.http.services import Services

HEADER: Final = b"x-admin-token"
PARAMETER: Final = b"token"
GRANTED: Final = "syncline.granted"

ADMIN: Final = Granted(TokenScope.ADMIN, Actor("token", "admin"))
"""What `server.admin_token` grants; it has no name of its own."""

_NO_MATCH: Final = "Admin token does not match"
_NOT_CONFIGURED: Final = "admin_token must be configured"
_WHERE: Final = "in the header X-Admin-Token or the query parameter 'token'"
_HOW: Final = f"send the catalogue's server.admin_token, or a token from 'syncline token create', {_WHERE}"
_HOW_WITHOUT_ADMIN_TOKEN: Final = (
    f"set server.admin_token in the catalogue, or create a token with 'syncline token create'; then send it {_WHERE}"
)
# Only those who may list the tokens should learn which of the three it is.
_ENDED: Final = "the token is unknown, revoked or expired: create another with 'syncline token create'"

# One in the header and one in the query: no real client sends more.
_TOKENS_PER_REQUEST: Final = 2


class Authentication:
    """Lets requests with a valid token pass; without one, unknown paths and methods are refused in the same way.

    OPTIONS, with which some load balancers probe, only tells what openapi.json tells everybody.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await self._app(scope, receive, send)
            return
        granted = await check_tokens(scope)
        services: Services = scope["app"].state.services
        server = services.catalogue().server
        if user := user_named_by_proxy(scope, server):
            granted = replace(granted, who=Actor("proxy", secrecy_of(server.admin_token).text(user)))
        scope[GRANTED] = granted
        await self._app(scope, receive, send)


async def check_tokens(scope: Scope) -> Granted:
    """What the tokens of a request allow.

    Raises:
        RefusedError: 401; none of its tokens is valid.
    """
    services: Services = scope["app"].state.services
    return await grant(services, list(_tokens_of(scope)))


async def grant(services: Services, given: Sequence[bytes]) -> Granted:
    """What these tokens allow; the catalogue's is checked first, as it needs no database.

    Raises:
        RefusedError: 401; none of them is valid.
    """
    admin_token = services.catalogue().server.admin_token
    # Compared as bytes: what was sent may not be valid text.
    expected = admin_token.encode()
    if expected and any(hmac.compare_digest(one, expected) for one in given):
        return ADMIN
    with_id = [(id_, one) for one in given if (id_ := token_id(one))]
    known = [await services.known_tokens.look_up(id_, one) for id_, one in with_id[:_TOKENS_PER_REQUEST]]
    if granted := max(filter(None, known), key=lambda each: each.scope.rank, default=None):
        return granted
    if with_id:
        raise RefusedError(HTTPStatus.UNAUTHORIZED, _NO_MATCH, _ENDED)
    if not admin_token:
        raise RefusedError(HTTPStatus.UNAUTHORIZED, _NOT_CONFIGURED, _HOW_WITHOUT_ADMIN_TOKEN)
    raise RefusedError(HTTPStatus.UNAUTHORIZED, _NO_MATCH, _HOW)


async def may_go_on(scope: Scope, needed: TokenScope) -> bool:
    """Whether the token of a request is still valid; also while the database cannot say."""
    try:
        granted = await check_tokens(scope)
    except UNREACHABLE:
        return True
    except RefusedError:
        return False
    return granted.scope.covers(needed)


def check_scope(scope: Scope, needed: TokenScope) -> None:
    """Refuses what the request's tokens do not allow.

    Raises:
        RefusedError: 403.
    """
    check_granted(scope[GRANTED], needed)


def check_granted(granted: Granted, needed: TokenScope) -> None:
    """Refuses what a token does not allow.

    Raises:
        RefusedError: 403.
    """
    if not granted.scope.covers(needed):
        why = f"this needs a token with scope '{needed}'; the token given has scope '{granted.scope}'"
        raise RefusedError(HTTPStatus.FORBIDDEN, "Token does not allow this", why)


def _tokens_of(scope: Scope) -> Iterator[bytes]:
    for name, value in scope["headers"]:
        if name == HEADER:
            yield value
    for pair in scope["query_string"].split(b"&"):
        name, _, value = pair.replace(b"+", b" ").partition(b"=")
        if unquote_to_bytes(name) == PARAMETER:
            yield unquote_to_bytes(value)
