"""Who looks at the pages: a token of the API, which the browser keeps in a cookie.

Only the pages read the cookie, so no other site can use it to reach the API. An action must come from one of our pages,
as the browser says in `Sec-Fetch-Site`, or in `Origin` if it is too old for that.
"""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit

from starlette.requests import HTTPConnection

from app.api.http.authentication import GRANTED, grant
from app.api.http.errors import RefusedError
from app.api.http.proxies import user_named_by_proxy
from app.api.http.secrecy import secrecy_of
from app.domain.cause import Actor

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Scope

    from app.api.http.known_tokens import Granted
    from app.api.http.services import Services

# A browser accepts a cookie whose name begins so only over https, for exactly this host, and from nobody else.
_HOST_PREFIX: Final = "__Host-"
_LIFETIME_SECONDS: Final = 30 * 24 * 3600


async def find_viewer(scope: Scope) -> Granted | None:
    """What the token in the request's cookie grants; None if there is none, or it is not valid any more."""
    services: Services = scope["app"].state.services
    name = await _cookie_name(services)
    cookies = HTTPConnection(scope).cookies
    # Whatever else is on this host may have set any others.
    kept = cookies.get(_HOST_PREFIX + name) or cookies.get(name)
    if not kept:
        return None
    token = unquote(kept)
    try:
        granted = await grant(services, [token.encode()])
    except RefusedError as refused:
        if refused.status != HTTPStatus.UNAUTHORIZED:
            raise
        return None
    server = services.catalogue().server
    if user := user_named_by_proxy(scope, server):
        granted = replace(granted, who=Actor("proxy", secrecy_of(server.admin_token).text(user)))
    scope[GRANTED] = granted
    return granted


def check_origin(request: Request) -> None:
    """Refuses an action that another site has sent.

    Raises:
        RefusedError: 403.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if not (site == "same-origin" if site else _is_of_this_host(request)):
        raise RefusedError(HTTPStatus.FORBIDDEN, "Not sent by this page", "reload the page, and try again there")


def _is_of_this_host(request: Request) -> bool:
    try:
        origin = urlsplit(request.headers.get("Origin", "")).netloc
    except ValueError:
        return False
    return bool(origin) and origin == request.headers.get("Host")


def is_encrypted(request: Request) -> bool:
    """Whether the browser has reached this page over https; a proxy in between may have decrypted that."""
    return request.url.scheme == "https" or request.headers.get("Origin", "").startswith("https://")


async def remember(services: Services, answer: Response, token: str, *, encrypted: bool) -> None:
    """Let the browser keep the token; its scripts cannot read it."""
    name = await _cookie_name(services)
    answer.set_cookie(
        _HOST_PREFIX + name if encrypted else name,
        quote(token, safe=""),
        max_age=_LIFETIME_SECONDS,
        secure=encrypted,
        httponly=True,
        samesite="strict",
    )


async def forget(services: Services, answer: Response) -> None:
    """Let the browser forget the token."""
    name = await _cookie_name(services)
    answer.delete_cookie(_HOST_PREFIX + name, secure=True, httponly=True, samesite="strict")
    answer.delete_cookie(name, httponly=True, samesite="strict")


async def _cookie_name(services: Services) -> str:
    """Another one for each installation: cookies belong to a host, whatever the port."""
    installation = await services.feed.get_installation()
    return f"syncline-{installation.rpartition(':')[2].partition('-')[0]}"
