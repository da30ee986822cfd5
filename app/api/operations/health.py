"""Whether the process is alive, and whether it can serve."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, Final

import asyncpg
from starlette.responses import Response

from app.api.documents.fields import Done, drop_none
from app.api.documents.health import Readiness
from app.api.documents.sources import rejected_documents
from app.api.http.answers import JsonAnswer
from app.api.http.authentication import check_tokens
from app.api.http.errors import LOGIN_REFUSED, RefusedError
from app.api.http.operation import Endpoint, Operation
from app.domain.errors import DatabaseReadOnlyError, SynclineError
from app.store.database import UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request


_DATABASE_PROBLEMS: Final = {
    "unreachable": "PostgreSQL does not answer",
    "refused": LOGIN_REFUSED,
    "read-only": str(DatabaseReadOnlyError()),
    "moved": "the database has moved to a server with lower transaction IDs: run 'syncline migrate'",
}


# Problems name paths and hosts.
_FOR_OTHERS: Final = "the newest version cannot be used: see the log, or send a token with this request"
_TOKEN_SECONDS: Final = 1.0


class Liveness(Endpoint):
    """`/livez`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation(id="livez", summary="Check that the process is alive", scope=None, answers={200: Done})
    }

    async def get(self, _request: Request) -> Response:
        return JsonAnswer({"status": "ok"})


class Ping(Endpoint):
    """`/ping`: the same for load balancers that Jitsu Classic was behind."""

    async def get(self, _request: Request) -> Response:
        return Response("pong", media_type="text/plain")


class Ready(Endpoint):
    """`/readyz`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation(
            id="readyz",
            scope=None,
            summary="Check that the process can serve: writable database, recent schema, no shutdown under way",
            answers={200: Readiness, 503: Readiness},
        )
    }

    async def get(self, request: Request) -> Response:
        services = self.services
        told = await _has_token(request)
        database, version, lags = await services.database_state()
        draining, problem = services.draining(), services.config_problem()
        reason = (
            "this process is shutting down"
            if draining
            else _DATABASE_PROBLEMS.get(database) or services.schema_problem(version)
        )
        return JsonAnswer(
            drop_none(
                status="not ready" if reason else "ready",
                message="Not ready" if reason else None,
                error=reason,
                database=database,
                schema_version=version,
                expected_schema_version=services.schema_version,
                draining=draining,
                projection_lag_seconds=lags,
                rejected=[one if told else one | {"problems": []} for one in rejected_documents(services.catalogue())],
                config_problem=problem if told or not problem else _FOR_OTHERS,
                pages=services.pages,
            ),
            status_code=HTTPStatus.SERVICE_UNAVAILABLE if reason else HTTPStatus.OK,
        )


async def _has_token(request: Request) -> bool:
    """Whether a token of the request is valid, as far as that can be found out soon."""
    try:
        async with asyncio.timeout(_TOKEN_SECONDS):
            await check_tokens(request.scope)
    except (*UNREACHABLE, asyncpg.PostgresError, SynclineError, RefusedError):
        return False
    return True


class OpenApi(Endpoint):
    """`/openapi.json`."""

    async def get(self, request: Request) -> Response:
        return Response(request.app.state.openapi, media_type="application/json")
