"""Many at once, and very much to read: through a server process of its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import asyncpg
import httpx
import orjson
import pytest

from tests.integration.api.serving import TOKEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.api.serving import ServerProcess

ROWS = 200_000
MEMORY = 24 * 1024 * 1024  # bytes, where all rows at once would take hundreds of millions
HEADERS = {"X-Admin-Token": TOKEN}

TASK_ROWS = """
INSERT INTO syncline.tasks (task, source, collection, source_type, trigger, priority, max_attempts, status, attempt,
                            failures, rows, created_at, finished_at, version)
SELECT syncline.uuid7(at), 'load', 'quick', 'synthetic', 'api', 1, 3, 'SUCCESS', 1, 0, 0, at, at, 3
FROM generate_series(1, $1::integer) AS n
CROSS JOIN LATERAL (SELECT timestamptz '2020-01-01Z' + n * interval '1 second' AS at) AS t
"""
LOG_ROWS = """
INSERT INTO syncline.log_events (task, attempt, line, at, level, message)
SELECT $1, 1, n, timestamptz '2020-01-01Z', 'info', repeat('x', 150) FROM generate_series(1, $2::integer) AS n
"""


async def task_with_a_log(client: httpx.AsyncClient, database_url: str, lines: int) -> str:
    answer = await client.post("/api/v1/tasks", params={"source": "load", "collection": "quick"})
    id_: str = answer.json()["task_id"]
    owner = await asyncpg.connect(database_url)
    await owner.execute(LOG_ROWS, id_[-36:], lines)
    await owner.close()
    return id_


async def counted(client: httpx.AsyncClient, path: str, mark: bytes) -> int:
    """How often `mark` is in the answer, which must be a whole JSON document."""
    count, last = 0, b""
    async with client.stream("GET", path) as answer:
        assert answer.status_code == 200
        async for chunk in answer.aiter_bytes():
            joined = last + chunk
            count += joined.count(mark)
            last = joined[1 - len(mark) :]  # too short to hold a whole one
    assert last.endswith(b"}]}")
    return count


async def read_into(received: bytearray, chunks: AsyncIterator[bytes]) -> None:
    async for chunk in chunks:
        received += chunk


async def test_200_posts_at_once_make_one_task(server: ServerProcess) -> None:
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(base_url=server.url, headers=HEADERS, limits=limits, timeout=60) as client:
        answers = await asyncio.gather(
            *(client.post("/api/v1/tasks", params={"source": "load", "collection": "quick"}) for _ in range(200))
        )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 199}
    assert len({answer.json()["task_id"] for answer in answers}) == 1


async def test_lists_and_logs_of_any_length_take_no_memory(server: ServerProcess, database_url: str) -> None:
    async with httpx.AsyncClient(base_url=server.url, headers=HEADERS, timeout=60) as client:
        id_ = await task_with_a_log(client, database_url, ROWS)
        owner = await asyncpg.connect(database_url)
        await owner.execute(TASK_ROWS, ROWS)
        await owner.execute("ANALYZE syncline.tasks")
        await owner.close()
        before = server.peak_memory()
        tasks = "/api/v1/tasks?source=load&start=2020-01-01T00:00:00Z&end=2025-01-01T00:00:00Z"
        assert await counted(client, tasks, b'"created_at":') == ROWS
        assert await counted(client, f"/api/v1/tasks/{id_}/logs", b'"time":') == ROWS
        assert server.peak_memory() - before < MEMORY


async def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(server: ServerProcess, database_url: str) -> None:
    async with httpx.AsyncClient(base_url=server.url, headers=HEADERS, timeout=60) as client:
        id_ = await task_with_a_log(client, database_url, 80_000)
        owner = await asyncpg.connect(database_url)
        received = bytearray()
        async with client.stream("GET", f"/api/v1/tasks/{id_}/logs") as answer:
            chunks = answer.aiter_bytes()
            received += await anext(chunks)
            await owner.execute("ALTER TABLE syncline.log_events RENAME TO gone")
            with pytest.raises(httpx.RemoteProtocolError):
                await read_into(received, chunks)
        await owner.close()
        assert (await client.get("/livez")).status_code == 200
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(received)
