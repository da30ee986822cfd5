"""Authentication: a token in the header `X-Admin-Token` or in the query parameter `token`; one is enough."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from operator import attrgetter
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from app.api.http.errors import RefusedError
from app.domain.api_token import TokenScope, token_id
from app.store.database import UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

    from app.api.http.services import Services

HEADER: Final = b"x-admin-token"
PARAMETER: Final = b"token"
GRANTED: Final = "syncline.token_scope"

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
    """Lets requests with a valid token pass; without one, unknown paths and methods are refused in the same way."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[GRANTED] = await granted_scope(scope)
        await self._app(scope, receive, send)


async def granted_scope(scope: Scope) -> TokenScope:
    """What the tokens of a request allow; the catalogue's is checked first, as it needs no database.

    Raises:
        RefusedError: 401; none of its tokens is valid.
    """
    services: Services = scope["app"].state.services
    admin_token = services.catalogue().server.admin_token
    given = list(_tokens_of(scope))
    # Compared as bytes: what was sent may not be valid text.
    expected = admin_token.encode()
    if expected and any(hmac.compare_digest(one, expected) for one in given):
        return TokenScope.ADMIN
    with_id = [(id_, one) for one in given if (id_ := token_id(one))]
    scopes = [await services.known_tokens.scope_of(id_, one) for id_, one in with_id[:_TOKENS_PER_REQUEST]]
    if granted := max(filter(None, scopes), key=attrgetter("rank"), default=None):
        return granted
    if with_id:
        raise RefusedError(HTTPStatus.UNAUTHORIZED, _NO_MATCH, _ENDED)
    if not admin_token:
        raise RefusedError(HTTPStatus.UNAUTHORIZED, _NOT_CONFIGURED, _HOW_WITHOUT_ADMIN_TOKEN)
    raise RefusedError(HTTPStatus.UNAUTHORIZED, _NO_MATCH, _HOW)


async def may_go_on(scope: Scope, needed: TokenScope) -> bool:
    """Whether the token of a request is still valid; also while the database cannot say."""
    try:
        granted = await granted_scope(scope)
    except UNREACHABLE:
        return True
    except RefusedError:
        return False
    return granted.covers(needed)


def check_scope(scope: Scope, needed: TokenScope) -> None:
    """Refuses what the request's tokens do not allow.

    Raises:
        RefusedError: 403.
    """
    granted: TokenScope = scope[GRANTED]
    if not granted.covers(needed):
        why = f"this needs a token with scope '{needed}'; the token given has scope '{granted}'"
        raise RefusedError(HTTPStatus.FORBIDDEN, "Token does not allow this", why)


def _tokens_of(scope: Scope) -> Iterator[bytes]:
    for name, value in scope["headers"]:
        if name == HEADER:
            yield value
    for pair in scope["query_string"].split(b"&"):
        name, _, value = pair.replace(b"+", b" ").partition(b"=")
        if unquote_to_bytes(name) == PARAMETER:
            yield unquote_to_bytes(value)
