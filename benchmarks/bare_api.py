"""The least that an API can do for a POST: starlette, asyncpg and one INSERT.

python -m benchmarks.bare_api DATABASE_URL PORT
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import asyncpg
import orjson
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.product import LOOPBACK

if TYPE_CHECKING:
    from starlette.requests import Request

CONNECTIONS = 16
_TABLE = """
    CREATE TABLE requested (
      task uuid PRIMARY KEY DEFAULT gen_random_uuid(), source text NOT NULL, collection text NOT NULL,
      at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
"""
_INSERT = "INSERT INTO requested (source, collection) VALUES ($1, $2) RETURNING task::text"


async def serve(url: str, port: int) -> None:
    async with asyncpg.create_pool(url, min_size=1, max_size=CONNECTIONS) as pool:
        await pool.execute(_TABLE)

        async def post(request: Request) -> Response:
            query = request.query_params
            task = await pool.fetchval(_INSERT, query["source"], query["collection"])
            return Response(orjson.dumps({"task_id": task}), 201, media_type="application/json")

        async def ready(_: Request) -> Response:
            return Response()

        app = Starlette(routes=[Route("/api/v1/tasks", post, methods=["POST"]), Route("/readyz", ready)])
        options = {"log_config": None, "access_log": False, "server_header": False, "lifespan": "off"}
        await uvicorn.Server(uvicorn.Config(app, host=LOOPBACK, port=port, **options)).serve()  # type: ignore[arg-type]


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2])))
