"""Clients that are slow, wasteful or wrong, against `syncline api`: each is refused, and nobody else notices."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
import pytest

from app.api.http.connection import LARGEST_HEAD, MOST_PIPELINED
from app.api.http.limits import LARGEST_BODY
from tests.acceptance.cluster import TOKEN, Cluster, wait_until
from tests.acceptance.wire import AUTHORITY, PATIENCE_SECONDS, Answer, wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.acceptance.cluster import Api
    from tests.acceptance.wire import Wire

CONFIG = f"""
server: {{admin_token: {TOKEN}}}
sources:
  load: {{type: synthetic, destinations: [nowhere], collections: [quick]}}
destinations:
  nowhere: {{type: none}}
"""
# The real command with less patience than it has, so that the tests need not wait for it.
IMPATIENT = {
    "app.api.http.connection.REQUEST_SECONDS": 1.0,
    "app.api.http.connection.UNREAD_SECONDS": 1.0,
    "app.api.http.connection.MOST_CONNECTIONS": 150,
}
MEMORY = 48 * 1024 * 1024  # bytes: what any crowd of these may cost, where they send hundreds of millions

LOG_LINES = """
INSERT INTO syncline.log_events (task, attempt, line, at, level, message)
SELECT right(%s, 36)::uuid, 1, n, now(), 'info', repeat('x', 1000) FROM generate_series(1, %s) AS n
"""
TRIAL = b"POST /api/v1/sources/test HTTP/1.1\r\n" + AUTHORITY


@pytest.fixture(scope="module")
def cluster(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("api"), CONFIG, module_database_url) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> Api:
    """The command, more patient than these tests: who waits until an unread answer is given up is not served."""
    return cluster.api(bounds={"app.api.http.connection.UNREAD_SECONDS": 10 * PATIENCE_SECONDS})


@pytest.fixture(scope="module")
def impatient(cluster: Cluster) -> Api:
    return cluster.api(bounds=IMPATIENT)


@pytest.fixture(scope="module")
def log(api: Api, module_database_url: str) -> str:
    """The path of a log of 20 MB: more than a connection holds while nobody reads."""
    task_id = api.run("load", "quick")
    with psycopg.connect(module_database_url) as connection:
        connection.execute(LOG_LINES, [task_id, 20_000])
    return f"/api/v1/tasks/{task_id}/logs"


async def answered(api: Api, *parts: bytes) -> Answer:
    """What a client hears that sends this on a connection of its own."""
    async with wire(api.address) as client:
        with suppress(ConnectionError):  # it may have heard enough
            await client.send(*parts)
        return await client.answer()


@asynccontextmanager
async def beside(client: Wire, data: bytes) -> AsyncIterator[None]:
    """Meanwhile send `data`, byte by byte."""

    async def drip() -> None:
        for byte in data:
            await client.send(bytes([byte]))
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    yield
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)


async def is_served(api: Api, target: str = "/api/v1/sources") -> None:
    """Another client is answered. How soon is the machine's business; a client that is waited for first is ours."""
    async with wire(api.address) as client:
        assert (await client.request("GET", target)).status == 200


def assert_refused(answer: Answer, status: int) -> None:
    """The refusal has this status and the shape of all errors."""
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert list(answer.document) == ["message", "error"]


async def test_a_head_that_comes_byte_by_byte_is_given_up(impatient: Api) -> None:
    async def drip() -> Answer:
        async with (
            wire(impatient.address) as client,
            beside(client, b"GET /livez HTTP/1.1\r\n" + b"X-Slow: 1\r\n" * 50),
        ):
            return await client.answer()

    slow = [asyncio.create_task(drip()) for _ in range(50)]
    await is_served(impatient)
    for answer in await asyncio.gather(*slow):
        assert_refused(answer, 408)


async def test_a_second_request_that_does_not_come_is_given_up_as_well(impatient: Api) -> None:
    async with wire(impatient.address) as client:
        assert (await client.request("GET", "/livez")).status == 200
        await client.send(b"GET /livez HTTP/1.1\r\nX-Slow")
        assert_refused(await client.answer(), 408)
        assert await client.closed() == b""


@pytest.mark.parametrize("body", [b"Content-Length: 100\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"])
async def test_a_body_that_never_comes_is_given_up(impatient: Api, body: bytes) -> None:
    assert_refused(await answered(impatient, TRIAL, body), 408)


async def test_a_body_whose_request_was_answered_before_is_given_up(impatient: Api) -> None:
    async with wire(impatient.address) as client:
        await client.send(b"GET /livez HTTP/1.1\r\nHost: syncline\r\nContent-Length: 100\r\n\r\n{")
        assert (await client.answer()).status == 200
        assert await client.closed() == b""


@pytest.mark.parametrize("noise", [b"", b"\r\n"])
async def test_a_connection_without_a_request_is_closed(impatient: Api, noise: bytes) -> None:
    async with wire(impatient.address) as client, beside(client, noise * 100):
        assert await client.closed() == b""


async def test_an_answer_that_is_not_read_is_given_up(impatient: Api, log: str) -> None:
    def given_up() -> int:
        return impatient.process.text.count('"status": 200, "complete": false')

    before, memory = given_up(), impatient.process.memory()
    async with AsyncExitStack() as stack:
        for _ in range(20):
            client = await stack.enter_async_context(wire(impatient.address))
            await client.send(f"GET {log} HTTP/1.1\r\n".encode(), AUTHORITY, b"\r\n")
        await is_served(impatient)
        await asyncio.to_thread(wait_until, "all are given up", lambda: given_up() == before + 20)
        # A page of lines, a few times over; all of them would be ten times as much.
        assert impatient.process.memory() - memory < 20 * 8 * 1024 * 1024


async def test_answers_that_are_not_read_hold_up_nobody(api: Api, log: str) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(20):
            client = await stack.enter_async_context(wire(api.address))
            await client.send(f"GET {log} HTTP/1.1\r\n".encode(), AUTHORITY, b"\r\n")
            assert await client.read(1), "the answer is under way"
        await is_served(api)
        await is_served(api, "/readyz")


async def test_an_answer_that_is_read_slowly_arrives_whole(impatient: Api, log: str) -> None:
    async with wire(impatient.address) as client:
        await client.send(f"GET {log} HTTP/1.1\r\n".encode(), AUTHORITY, b"Connection: close\r\n\r\n")
        received = bytearray()
        while chunk := await client.read(1 << 20):
            received += chunk
            await asyncio.sleep(0.02)
    assert received.count(b'"line":') == 20_000
    assert received.endswith(b"]}\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "head",
    [
        [b"GET /livez HTTP/1.1\r\nX-Long: ", *[b"x" * 65_536] * 160],
        [b"GET /livez HTTP/1.1\r\n", *[b"X-Many: xxxxxxxxxxxxxxxx\r\n" * 2_500] * 160],
        [b"GET /", *[b"x" * 65_536] * 160],
        [b"GET /livez?", *[b"x=y&" * 16_384] * 160],
    ],
    ids=["one", "many", "path", "query"],
)
async def test_heads_of_10_megabytes_are_refused_and_not_kept(api: Api, head: list[bytes]) -> None:
    memory = api.process.memory()
    answers = await asyncio.gather(*(answered(api, *head) for _ in range(10)), return_exceptions=True)
    heard = [answer for answer in answers if isinstance(answer, Answer)]
    assert heard
    for answer in heard:
        assert_refused(answer, 431)
    assert all(isinstance(answer, Answer | ConnectionError | asyncio.IncompleteReadError) for answer in answers)
    assert api.process.memory() - memory < MEMORY
    await is_served(api)


async def test_a_head_below_the_largest_is_told_the_finer_limits(api: Api) -> None:
    long = b"x" * (LARGEST_HEAD // 2)
    assert_refused(await answered(api, b"GET /livez?", long, b" HTTP/1.1\r\nHost: syncline\r\n\r\n"), 414)
    assert_refused(await answered(api, b"GET /livez HTTP/1.1\r\nX: ", long, b"\r\n\r\n"), 431)


async def test_a_crowd_of_large_bodies_is_refused_and_not_kept(api: Api) -> None:
    memory = api.process.memory()
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    chunked = [TRIAL, b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 80]
    announced = [TRIAL, f"Content-Length: {80 * 65_536}\r\n\r\n".encode(), *[b" " * 65_536] * 80]
    answers = await asyncio.gather(*(answered(api, *parts) for parts in (chunked, announced) for _ in range(25)))
    for answer in answers:
        assert_refused(answer, 413)
        assert answer.document["error"] == f"body must not exceed {LARGEST_BODY} bytes"
    assert api.process.memory() - memory < MEMORY
    await is_served(api)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"\0" * 100,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\n\r\n",
        b"POST /api/v1/sources/test HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/sources/test HTTP/1.1\r\nContent-Length: 9x\r\n\r\n",
        b"POST /api/v1/sources/test HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /api/v1/sources/test HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/v1/sources/test HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /livez HTTP/1.1\r\nHeader with spaces : x\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_a_400(api: Api, garbage: bytes) -> None:
    assert_refused(await answered(api, garbage), 400)


async def test_garbage_behind_a_request_ends_the_connection_and_no_other(api: Api) -> None:
    async with wire(api.address) as client:
        await client.send(
            b"GET /livez HTTP/1.1\r\nHost: syncline\r\nContent-Length: 2\r\n\r\n{}{}{}\0\0 garbage\r\n\r\n"
        )
        assert b"HTTP/1.1 400 Bad Request" in await client.closed()
    await is_served(api)


async def test_pipelined_requests_are_answered_in_order_and_not_without_end(api: Api) -> None:
    one = b"GET /api/v1/tasks/%d HTTP/1.1\r\n" + AUTHORITY + b"\r\n"
    async with wire(api.address) as client:
        await client.send(b"".join(one % number for number in range(MOST_PIPELINED)))
        for number in range(MOST_PIPELINED):
            assert (await client.answer()).document["error"] == f"Task [{number}] doesn't exist"
    memory = api.process.memory()
    async with wire(api.address) as client:
        with suppress(ConnectionError):
            await client.send(*[one % 0 * 100] * 1000)
        assert b"HTTP/1.1 400 Bad Request" in await client.closed()
    assert api.process.memory() - memory < MEMORY


async def test_whoever_would_rather_speak_another_protocol_is_answered_in_this_one(api: Api) -> None:
    async with wire(api.address) as client:
        for protocol in ("websocket", "h2c", "websocket"):
            answer = await client.request("GET", "/api/v1/sources", "Connection: Upgrade", f"Upgrade: {protocol}")
            assert answer.status == 200
    assert "pgrade" not in api.process.text


async def test_a_thousand_idle_connections_disturb_nobody(api: Api) -> None:
    memory = api.process.memory()
    async with AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(wire(api.address)) for _ in range(1000)]
        for client in idle[::2]:
            await client.send(b"GET /livez HTTP/1.1\r\nX-Idle: ")
        for _ in range(20):
            await is_served(api)
        await is_served(api, "/readyz")
        # Nobody has waited for one of them to be given up: the first is still being listened to.
        await idle[0].send(b"no longer\r\n\r\n")
        assert (await idle[0].answer()).status == 200
        assert api.process.memory() - memory < MEMORY


async def test_connections_without_end_are_refused_at_the_door(impatient: Api) -> None:
    most = IMPATIENT["app.api.http.connection.MOST_CONNECTIONS"]
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(wire(impatient.address)) for _ in range(int(most) + 20)]
        refused = await asyncio.gather(*(client.closed() for client in clients))
        texts = [text for text in refused if text]
        assert len(texts) >= 20
        assert all(text.startswith(b"HTTP/1.1 503 Service Unavailable") for text in texts)
        assert all(b"retry-after: 1\r\n" in text for text in texts)
    await is_served(impatient)


async def test_500_polls_a_second_are_all_answered(api: Api) -> None:
    task = f"/api/v1/tasks/{api.run('load', 'quick')}"
    rate, seconds, connections = 500, 3, 20
    async with wire(api.address) as client:
        tag = (await client.request("GET", task)).headers["etag"]
    began = asyncio.get_running_loop().time()

    async def poll(first: int) -> list[int]:
        statuses = []
        async with wire(api.address) as client:
            for number in range(first, rate * seconds, connections):
                await asyncio.sleep(began + number / rate - asyncio.get_running_loop().time())
                statuses.append((await client.request("GET", task, f"If-None-Match: {tag}")).status)
        return statuses

    statuses = [status for each in await asyncio.gather(*map(poll, range(connections))) for status in each]
    took = asyncio.get_running_loop().time() - began
    assert statuses == [304] * rate * seconds
    assert took < 3 * seconds, "far behind the clients"
