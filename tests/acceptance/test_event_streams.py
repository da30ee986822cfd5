"""Streams of events from `syncline api`, and clients that leave them lying."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.acceptance.cluster import TOKEN, Cluster
from tests.acceptance.wire import AUTHORITY, wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.acceptance.wire import Wire

CONFIG = f"""
server: {{admin_token: {TOKEN}}}
sources:
  load: {{type: synthetic, destinations: [nowhere], collections: [quick]}}
destinations:
  nowhere: {{type: none}}
"""
# 20 MB: more than a connection holds while nobody reads.
EVENTS = """
INSERT INTO syncline.events (task, version, type, at, status, attempt, data)
SELECT syncline.uuid7(syncline.clock(), NULL), 1, 'TaskScheduled', syncline.clock(), 'SCHEDULED', 0,
       jsonb_build_object('source', 's', 'collection', 'c', 'note', repeat('x', 1000))
FROM generate_series(1, 20000)
"""


@pytest.fixture
def cluster(database_url: str, tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path, CONFIG, database_url) as cluster:
        yield cluster


async def follow(client: Wire, after: str) -> None:
    request = f"GET /api/v1/events?after={after} HTTP/1.1\r\nAccept: text/event-stream\r\n"
    await client.send(request.encode(), AUTHORITY, b"\r\n")
    assert await client.read(1), "the stream is under way"


async def test_a_client_that_does_not_read_holds_up_no_drain_and_no_other_client(
    cluster: Cluster, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(EVENTS)
    api = cluster.api(bounds={"app.bootstrap.api._DRAIN_SECONDS": 1})
    async with wire(api.address) as lazy, wire(api.address) as attentive:
        await follow(lazy, "0")
        await follow(attentive, "now")
        stopping = asyncio.create_task(asyncio.to_thread(api.process.stop))
        assert (await attentive.closed()).endswith(b"0\r\n\r\n"), "its stream has come to its end"
        assert await stopping == 0


async def test_a_quiet_stream_says_now_and_then_where_it_is(cluster: Cluster) -> None:
    api = cluster.api(bounds={"app.api.operations.events._QUIET_SECONDS": 0.1})
    async with wire(api.address) as client:
        await follow(client, "now")
        said = b""
        while said.count(b"\nid: ") < 5:
            said += await client.read(65_536)
    assert b"data: " not in said
    assert b"event: " not in said
