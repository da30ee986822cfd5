"""The ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from app.api.http.frame import RequestFrame
from app.api.http.limits import RequestLimits
from app.api.openapi import openapi_text
from app.api.routes import make_routes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from app.api.http.services import Services


def create_app(services: Services, pages: Sequence[BaseRoute] = ()) -> Starlette:
    """The API, and pages for people, over objects that the caller owns: it opens, starts and closes nothing.

    The API writes its own access log (structlog, `syncline.api`); the server's would show tokens in query strings.
    """
    app = Starlette(
        routes=[*make_routes(), *pages],
        middleware=[Middleware(RequestFrame), Middleware(RequestLimits)],
        exception_handlers={HTTPException: _pass_on},
    )
    app.router.redirect_slashes = False
    app.state.openapi = openapi_text()
    app.state.services = services
    return app


async def _pass_on(_request: Request, error: Exception) -> Response:
    """Router errors are answered where all other errors are: in the frame."""
    raise error
