"""The least that an API can do for a GET: starlette, asyncpg, and the statements that Syncline's reader sends for it.

python -m benchmarks.bare_reads DATABASE_URL PORT

The statements and their values are learned once, when the server starts; each request sends them and writes the rows of
the last one as JSON. The connections have the settings of Syncline's own.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

import orjson
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from app.store.address import DatabaseAddress
from app.store.database import Pool, open_pool
from app.store.reads import Reader
from benchmarks.bare_api import CONNECTIONS
from benchmarks.product import LOOPBACK
from benchmarks.requests import requests

if TYPE_CHECKING:
    from starlette.requests import Request

Statement = tuple[str, tuple[Any, ...]]


class _Learning:
    """A pool that notes what is sent."""

    def __init__(self, pool: Pool) -> None:
        self.sent: list[Statement] = []
        self._pool = pool

    async def fetch(self, statement: str, *values: object) -> list[Any]:
        self.sent.append((statement, values))
        return await self._pool.fetch(statement, *values)

    async def fetchrow(self, statement: str, *values: object) -> Any:
        self.sent.append((statement, values))
        return await self._pool.fetchrow(statement, *values)


async def serve(url: str, port: int) -> None:
    async with open_pool(DatabaseAddress.of(url), name="bare", size=CONNECTIONS) as pool:
        known: dict[str, list[Statement]] = {}
        for gets in requests(url).values():
            for get in gets:
                learning = _Learning(pool)
                await get.read(Reader(cast("Pool", learning)))
                known[get.target] = learning.sent

        async def answer(request: Request) -> Response:
            query = request.scope["query_string"].decode()
            path = request.scope["path"].removeprefix("/api/v1")
            rows: list[Any] = []
            for statement, values in known[f"{path}?{query}" if query else path]:
                rows = await pool.fetch(statement, *values)
            return Response(orjson.dumps([dict(row) for row in rows], default=str), media_type="application/json")

        async def ready(_: Request) -> Response:
            return Response()

        app = Starlette(routes=[Route("/readyz", ready), Route("/{path:path}", answer)])
        options = {"log_config": None, "access_log": False, "server_header": False, "lifespan": "off"}
        await uvicorn.Server(uvicorn.Config(app, host=LOOPBACK, port=port, **options)).serve()  # type: ignore[arg-type]


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2])))
