"""Who may do what: a token as header `X-Admin-Token` or as query parameter `token`, either alone is enough."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from operator import attrgetter
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from app.api.http.errors import RefusedError
from app.domain.api_token import TokenScope, token_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

    from app.api.http.known_tokens import KnownTokens
    from app.api.http.services import Services

HEADER: Final = b"x-admin-token"
PARAMETER: Final = b"token"
GRANTED: Final = "syncline.token_scope"

_NO_MATCH: Final = "Admin token does not match"
# Which of the three is for those to know who may list the tokens.
_ENDED: Final = "the token is unknown, was revoked or has expired: 'syncline token create' makes another"

# Header and query: more of them in one request are no client's doing.
_TOKENS_A_REQUEST: Final = 2


class Authentication:
    """Lets requests pass that know a token; unknown paths and methods behind it are refused alike."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services: Services = scope["app"].state.services
        scope[GRANTED] = await granted_scope(scope, services.catalogue().server.admin_token, services.known_tokens)
        await self._app(scope, receive, send)


async def granted_scope(scope: Scope, admin_token: str, known: KnownTokens) -> TokenScope:
    """What the tokens of a request allow, the configuration's own first: it needs no database.

    Raises:
        RefusedError: 401; no token of it counts.
    """
    given = list(_given(scope))
    # As bytes: whatever was sent is no text until it is known to be the token.
    expected = admin_token.encode()
    if expected and any(hmac.compare_digest(one, expected) for one in given):
        return TokenScope.ADMIN
    ours = [(id_, one) for one in given if (id_ := token_id(one))]
    scopes = [await known.scope_of(id_, one) for id_, one in ours[:_TOKENS_A_REQUEST]]
    if granted := max(filter(None, scopes), key=attrgetter("rank"), default=None):
        return granted
    if ours:
        raise RefusedError(HTTPStatus.UNAUTHORIZED, _NO_MATCH, _ENDED)
    raise RefusedError(HTTPStatus.UNAUTHORIZED, _NO_MATCH if admin_token else "admin_token must be configured")


def check_scope(scope: Scope, needed: TokenScope) -> None:
    """Refuse what the request's token does not allow.

    Raises:
        RefusedError: 403.
    """
    granted: TokenScope = scope[GRANTED]
    if not granted.covers(needed):
        why = f"this needs a token of scope '{needed}', the one given has '{granted}'"
        raise RefusedError(HTTPStatus.FORBIDDEN, "Token does not allow this", why)


def _given(scope: Scope) -> Iterator[bytes]:
    for name, value in scope["headers"]:
        if name == HEADER:
            yield value
    for pair in scope["query_string"].split(b"&"):
        name, _, value = pair.replace(b"+", b" ").partition(b"=")
        if unquote_to_bytes(name) == PARAMETER:
            yield unquote_to_bytes(value)
