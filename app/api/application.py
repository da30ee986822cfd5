"""The ASGI application."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from app.api.http.database_state import look_at_database
from app.api.http.frame import RequestFrame
from app.api.http.known_tokens import KnownTokens
from app.api.http.limits import RequestLimits
from app.api.http.services import Services
from app.api.http.single_flight import SingleFlight
from app.api.http.trials import Trials
from app.api.openapi import openapi_text
from app.api.routes import make_routes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from app.config.catalogue import Catalogue
    from app.domain.attempt_protocol import Offered
    from app.store.queue import TaskQueue
    from app.store.reads import Reader
    from app.store.tokens import Tokens


def create_app(
    *,
    queue: TaskQueue,
    reader: Reader,
    probe_reader: Reader,
    tokens: Tokens,
    catalogue: Callable[[], Catalogue],
    config_problem: Callable[[], str | None],
    reset_collection: Callable[[str, str], Awaitable[object]],
    test_source: Callable[[str, str | None], Awaitable[None]],
    discover_source: Callable[[str], Awaitable[list[Offered]]],
    schema_version: str,
    schema_problem: Callable[[str | None], str | None],
    draining: Callable[[], bool],
) -> Starlette:
    """The API over what others have opened: it connects to nothing, starts nothing and closes nothing.

    Args:
        queue: where tasks are asked for and canceled.
        reader: tasks, logs and collections.
        probe_reader: the schema's version and the lags for `/readyz`, by a connection that requests cannot take away.
        tokens: what the database knows of tokens; `server.admin_token` counts beside them, without the database.
        catalogue: the catalogue of this moment; its `server.admin_token` counts from the next request on.
        config_problem: one line on why the newest configuration is not the running one, or None.
        reset_collection: `(source, collection)`, forgets a collection's bookmarks.
        test_source: `(source, collection or None)`, lets the connector try; raises SynclineError with its error, and is
            canceled when the client leaves.
        discover_source: `(source)`, asks the connector what there is to choose from; errors and cancellation likewise.
        schema_version: the migration that this release needs, for `/readyz` to tell.
        schema_problem: one line on why a database at this migration (None: at none) is not ready, or None.
        draining: whether a shutdown has begun.

    The access log is the API's own (structlog, `syncline.api`); a server's own would show the token of queries.
    """
    app = Starlette(
        routes=make_routes(),
        middleware=[Middleware(RequestFrame), Middleware(RequestLimits)],
        exception_handlers={HTTPException: _pass_on},
    )
    app.router.redirect_slashes = False
    app.state.openapi = openapi_text()
    app.state.services = Services(
        queue=queue,
        reader=reader,
        known_tokens=KnownTokens(tokens),
        database_state=SingleFlight(partial(look_at_database, probe_reader)),
        catalogue=catalogue,
        config_problem=config_problem,
        reset_collection=reset_collection,
        trials=Trials(),
        test_source=test_source,
        discover_source=discover_source,
        schema_version=schema_version,
        schema_problem=schema_problem,
        draining=draining,
    )
    return app


async def _pass_on(_request: Request, error: Exception) -> Response:
    """What the router refuses is answered where every other error is: in the frame."""
    raise error
