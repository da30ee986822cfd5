"""Tokens of the database: what each scope may do, how soon one ends, what they cost, and where they are never seen."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import asyncpg
import pytest
import structlog

from app.api.http.known_tokens import MEMORY_SECONDS
from app.config.reader import load_catalogue
from app.domain.api_token import TokenScope, make_token
from app.store.tokens import TokenAdmin
from tests.harness import PATIENCE_SECONDS, until
from tests.integration.api.serving import TOKEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from tests.integration.api.serving import OpenedApi

QUICK = {"source": "load", "collection": "quick"}
SOURCES = "/api/v1/sources"
NO_MATCH = "Admin token does not match"
ENDED = {
    "message": NO_MATCH,
    "error": "the token is unknown, revoked or expired: create another with 'syncline token create'",
}

JUNE = "start=2020-06-01T00:00:00Z&end=2020-07-01T00:00:00Z"
# One request for each operation, and the scope that it needs. Those of `admin` come last.
REQUESTS = [
    ("GET", SOURCES, "read"),
    ("HEAD", SOURCES, "read"),
    ("GET", "/api/v1/tasks?source=load&start=2020-01-01T00:00:00Z&end=2030-01-01T00:00:00Z", "read"),
    ("GET", "/api/v1/tasks/{task_id}", "read"),
    ("GET", f"/api/v1/statistics/detailed?{JUNE}&granularity=day&type=pull", "read"),
    ("GET", "/api/v1/cluster", "read"),
    ("GET", "/api/v1/tasks/{task_id}/logs", "read"),
    ("POST", "/api/v1/tasks?source=load&collection=quick", "run"),
    ("POST", "/api/v1/tasks/{task_id}/cancel", "run"),
    ("POST", "/api/v1/sources/test", "admin"),
    ("POST", "/api/v1/sources/clear_cache", "admin"),
]


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[TokenAdmin]:
    connection = await asyncpg.connect(database_url)
    yield TokenAdmin(connection)
    await connection.close()


@pytest.fixture
def stranger(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client that sends no token of its own accord."""
    del client.headers["X-Admin-Token"]
    return client


def bearing(token: str) -> dict[str, str]:
    return {"X-Admin-Token": token}


async def lets_in(client: httpx.AsyncClient, token: str) -> bool:
    return (await client.get(SOURCES, headers=bearing(token))).status_code == 200


@pytest.mark.parametrize("scope", TokenScope)
async def test_a_scope_allows_its_requests_and_no_others(
    client: httpx.AsyncClient, office: TokenAdmin, scope: TokenScope
) -> None:
    task_id = (await client.post("/api/v1/tasks", params=QUICK)).json()["task_id"]
    token = (await office.create("", scope, None)).text
    for method, path, needed in REQUESTS:
        url = path.format(task_id=task_id)
        answer = await client.request(method, url, headers=bearing(token), json=QUICK if needed == "admin" else None)
        if scope.covers(TokenScope(needed)):
            assert answer.status_code in {200, 204}, (method, path)
        else:
            assert (answer.status_code, answer.json()) == (
                403,
                {
                    "message": "Token does not allow this",
                    "error": f"this needs a token with scope '{needed}'; the token given has scope '{scope}'",
                },
            )


async def test_a_refused_request_has_done_nothing(
    client: httpx.AsyncClient, api: OpenedApi, office: TokenAdmin
) -> None:
    token = (await office.create("", TokenScope.READ, None)).text
    assert (await client.post("/api/v1/tasks", params=QUICK, headers=bearing(token))).status_code == 403
    assert await api.pool.fetchval("SELECT count(*) FROM syncline.events") == 0


async def test_header_or_query_alone_is_enough_and_the_wider_one_counts(
    stranger: httpx.AsyncClient, office: TokenAdmin
) -> None:
    reads, runs = [(await office.create("", scope, None)).text for scope in (TokenScope.READ, TokenScope.RUN)]
    assert (await stranger.get(f"{SOURCES}?token={reads}")).status_code == 200
    assert (await stranger.get(f"{SOURCES}?token={reads}", headers=bearing("wrong"))).status_code == 200
    assert (await stranger.get(f"{SOURCES}?token=wrong", headers=bearing(reads))).status_code == 200
    for query, header in ((reads, runs), (runs, reads), (reads, TOKEN)):
        answer = await stranger.post("/api/v1/tasks", params=QUICK | {"token": query}, headers=bearing(header))
        assert answer.status_code in {200, 201}


async def test_what_only_looks_like_a_token_is_401(stranger: httpx.AsyncClient, office: TokenAdmin) -> None:
    made = await office.create("", TokenScope.ADMIN, None)
    forged = make_token().text
    swapped = f"syncline_{made.id}_{forged[-64:]}"
    for given in (made.text[:-1], made.text + "0", made.text.upper(), made.id, made.hash.hex()):
        answer = await stranger.get(SOURCES, headers=bearing(given))
        assert (answer.status_code, answer.json()["message"]) == (401, NO_MATCH)
        assert "X-Admin-Token" in answer.json()["error"]
    for given in (forged, swapped):
        answer = await stranger.get(SOURCES, headers=bearing(given))
        assert (answer.status_code, answer.json()) == (401, ENDED)


async def test_without_a_token_in_the_configuration_those_of_the_database_count(
    stranger: httpx.AsyncClient, api: OpenedApi, office: TokenAdmin
) -> None:
    token = (await office.create("", TokenScope.READ, None)).text
    api.surroundings.catalogue = load_catalogue("{}", {})
    assert await lets_in(stranger, token)
    answer = await stranger.get(SOURCES, headers=bearing("wrong"))
    assert (answer.status_code, answer.json()["message"]) == (401, "admin_token must be configured")
    # To configure one would help nobody whose own token has ended.
    over = await office.create("", TokenScope.READ, timedelta(milliseconds=1))
    answer = await stranger.get(SOURCES, headers=bearing(over.text))
    assert (answer.status_code, answer.json()) == (401, ENDED)


async def test_a_token_ends_when_it_is_revoked_or_over(stranger: httpx.AsyncClient, office: TokenAdmin) -> None:
    revoked = await office.create("", TokenScope.READ, None)
    over = await office.create("", TokenScope.READ, timedelta(milliseconds=1))
    lasting = await office.create("", TokenScope.READ, timedelta(days=1))
    assert await lets_in(stranger, revoked.text)
    assert not await lets_in(stranger, over.text)
    await office.revoke(revoked.id)

    async def is_out() -> bool:
        return not await lets_in(stranger, revoked.text)

    await until(is_out)
    assert await lets_in(stranger, lasting.text)


async def test_strangers_cost_the_database_one_statement_a_second_at_most(
    stranger: httpx.AsyncClient, api: OpenedApi
) -> None:
    began = asyncio.get_running_loop().time()
    for _ in range(10):
        forged = [make_token().text for _ in range(50)]
        answers = await asyncio.gather(
            *(
                stranger.get(f"{SOURCES}?token={one}&token={two}", headers=bearing(one))
                for one, two in zip(forged, forged, strict=True)
            )
        )
        assert {answer.status_code for answer in answers} == {401}
    took = asyncio.get_running_loop().time() - began
    assert 1 <= api.tokens.read <= 1 + took / MEMORY_SECONDS


async def test_the_configurations_token_asks_no_database_and_works_without_one(
    client: httpx.AsyncClient, api: OpenedApi
) -> None:
    assert (await client.get(SOURCES)).status_code == 200
    assert api.tokens.read == 0
    api.pool.terminate()
    assert (await client.get("/api/v1/unknown")).status_code == 404
    answer = await client.get("/api/v1/unknown", headers=bearing(make_token().text))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert (await client.get("/api/v1/unknown", headers=bearing("wrong"))).status_code == 401


async def test_a_use_is_noted_once_an_hour_and_never_waited_for(
    stranger: httpx.AsyncClient, api: OpenedApi, office: TokenAdmin, database_url: str
) -> None:
    made = await office.create("", TokenScope.READ, None)
    owner = await asyncpg.connect(database_url)
    async with owner.transaction(), asyncio.timeout(PATIENCE_SECONDS):
        await owner.execute("SELECT FROM syncline.api_tokens FOR UPDATE")
        assert await lets_in(stranger, made.text)
    await owner.execute("UPDATE syncline.api_tokens SET last_used_at = now() - interval '61 minutes'")
    await owner.close()

    async def is_noted() -> bool:
        assert await lets_in(stranger, made.text)
        [row] = await office.list()
        return bool(row["last_used_at"] and row["last_used_at"] > row["created_at"])

    await until(is_noted)
    noted = api.tokens.noted
    read = api.tokens.read

    async def is_read_again() -> bool:
        assert await lets_in(stranger, made.text)
        return api.tokens.read > read + 1

    await until(is_read_again)
    assert api.tokens.noted == noted


async def test_a_request_is_answered_while_the_use_of_its_token_is_being_noted(
    stranger: httpx.AsyncClient, api: OpenedApi, office: TokenAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await office.create("", TokenScope.READ, None)
    noted = asyncio.Event()
    begun: list[str] = []

    async def note_use(id_: str) -> None:
        begun.append(id_)
        await noted.wait()

    monkeypatch.setattr(api.tokens, "note_use", note_use)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await lets_in(stranger, made.text)
    noted.set()
    assert begun == [made.id]


async def test_a_token_of_the_database_is_in_no_log_no_answer_and_no_table(
    stranger: httpx.AsyncClient, api: OpenedApi, office: TokenAdmin, database_url: str
) -> None:
    token = (await office.create("", TokenScope.ADMIN, None)).text
    quoted = "".join(f"%{byte:02x}" for byte in token.encode())
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        answers = [
            await stranger.get(f"{SOURCES}?token={token}&source={token}"),
            await stranger.get(f"/api/v1/tasks/{token}?token={token}"),
            await stranger.get(f"/api/v1/tasks/{quote(quoted)}?token={quoted}"),
            await stranger.get(f"/api/v1/tasks?source={token}&start={token}&token={token}"),
            await stranger.get(SOURCES, headers=bearing(token) | {"X-Request-Id": token[:64]}),
            await stranger.get(f"/api/v1/tasks?source={quoted}&start=2020-01-01T00:00:00Z&end={quoted}"),
        ]
        api.surroundings.source_test_error = ZeroDivisionError(f"a fault of the program over {token}")
        answers.append(await stranger.post("/api/v1/sources/test", json=QUICK, headers=bearing(token)))
    assert [answer.status_code for answer in answers] == [200, 404, 404, 400, 200, 401, 500]
    texts = [*(answer.text for answer in answers), json.dumps(logs, default=str)]
    for text in texts:
        assert token not in text
        assert token[26:60] not in text
        assert quoted not in text
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("SELECT t::text FROM syncline.api_tokens t")
    await connection.close()
    assert len(rows) == 1
    assert token[-64:] not in rows[0][0]
