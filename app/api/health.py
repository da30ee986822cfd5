"""Whether the process lives, and whether it can serve."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, Final, Literal, NamedTuple

import asyncpg
from starlette.responses import Response

from app.api.answers import JsonAnswer
from app.api.documents import Done, Readiness, present
from app.api.operation import Endpoint, Operation
from app.api.sources import rejected_documents
from app.domain.errors import DatabaseReadOnlyError
from app.store.database import UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from app.store.reads import Reader

# Shorter than the patience of whoever probes, so that it hears the reason instead of nothing.
_DATABASE_SECONDS: Final = 3.0
_DATABASE_PROBLEMS: Final = {
    "unreachable": "PostgreSQL does not answer",
    "read-only": str(DatabaseReadOnlyError()),
}


class DatabaseState(NamedTuple):
    """Whether the database serves, at which migration it is and how far projections lag; None without a schema."""

    database: Literal["ok", "read-only", "unreachable"]
    version: str | None = None
    lags: dict[str, float] | None = None


async def look_at_database(reader: Reader) -> DatabaseState:
    """The state of the database behind `reader`, within three seconds."""
    try:
        async with asyncio.timeout(_DATABASE_SECONDS):
            await reader.require_writable()
            version = await reader.schema_version()
            lags = await reader.projection_lags() if version else None
            return DatabaseState("ok", version, lags)
    except DatabaseReadOnlyError:
        return DatabaseState("read-only")
    except UNREACHABLE:
        return DatabaseState("unreachable")
    except asyncpg.PostgresError:
        return DatabaseState("ok")


class Liveness(Endpoint):
    """`/livez`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation(id="livez", summary="The process lives", scope=None, answers={200: Done})
    }

    async def get(self, _request: Request) -> Response:
        return JsonAnswer({"status": "ok"})


class Ready(Endpoint):
    """`/readyz`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation(
            id="readyz",
            scope=None,
            summary="The process can serve: the database takes writes, its schema is new enough, no shutdown has begun",
            answers={200: Readiness, 503: Readiness},
        )
    }

    async def get(self, _request: Request) -> Response:
        services = self.services
        database, version, lags = await services.database_state()
        draining = services.draining()
        reason = (
            "this process is draining"
            if draining
            else _DATABASE_PROBLEMS.get(database) or services.schema_problem(version)
        )
        return JsonAnswer(
            present(
                status="not ready" if reason else "ready",
                message="Not ready" if reason else None,
                error=reason,
                database=database,
                schema_version=version,
                expected_schema_version=services.schema_version,
                draining=draining,
                projection_lag_seconds=lags,
                rejected=rejected_documents(services.catalogue()),
                config_problem=services.config_problem(),
            ),
            status_code=HTTPStatus.SERVICE_UNAVAILABLE if reason else HTTPStatus.OK,
        )


class OpenApi(Endpoint):
    """`/openapi.json`."""

    async def get(self, request: Request) -> Response:
        return Response(request.app.state.openapi, media_type="application/json")
