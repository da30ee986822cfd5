"""Who may ask, what may be asked, and what is said to those who ask wrongly."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import asyncpg
import pytest
import structlog

from app.bootstrap.schema_version import head
from app.config.reader import load_catalogue
from tests.integration.api.serving import TOKEN

if TYPE_CHECKING:
    import httpx

    from tests.integration.api.serving import OpenedApi

TASKS = "/api/v1/tasks"


REFUSED = {
    "message": "Admin token does not match",
    "error": "send the catalogue's server.admin_token, or a token from 'syncline token create', in the header "
    "X-Admin-Token or the query parameter 'token'",
}


@pytest.fixture
def stranger(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client that sends no token of its own accord."""
    del client.headers["X-Admin-Token"]
    return client


@pytest.mark.parametrize("path", [TASKS, "/api/v1", "/api/v1/", "/api/v1/unknown", "/api/v1/tasks/x/y/z"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "HEAD"])
async def test_everything_below_the_base_asks_for_the_token_first(
    stranger: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await stranger.request(method, path)
    assert answer.status_code == 401
    if method != "HEAD":
        assert answer.json() == REFUSED


async def test_probes_of_load_balancers_need_no_token(stranger: httpx.AsyncClient) -> None:
    pong = await stranger.get("/ping")
    assert (pong.status_code, pong.text) == (200, "pong")
    for method in ("HEAD", "OPTIONS"):
        assert (await stranger.request(method, "/ping")).is_success
    options = await stranger.options(TASKS)
    assert (options.status_code, options.content, options.headers["Allow"]) == (204, b"", "GET, HEAD, POST, OPTIONS")
    assert (await stranger.options("/api/v1/unknown")).status_code == 404


@pytest.mark.parametrize("given", [b"", b"wrong", TOKEN.encode() + b"x", "ключ".encode(), b"\xff\xfe", b"\xe9"])
async def test_a_wrong_token_is_401_whatever_its_bytes(stranger: httpx.AsyncClient, given: bytes) -> None:
    quoted = "".join(f"%{byte:02x}" for byte in given)
    for answer in (
        await stranger.get("/api/v1/sources", headers={b"X-Admin-Token": given}),
        await stranger.get(f"/api/v1/sources?token={quoted}"),
    ):
        assert (answer.status_code, answer.json()) == (401, REFUSED)


async def test_header_or_query_alone_is_enough(stranger: httpx.AsyncClient) -> None:
    right, wrong = {"X-Admin-Token": TOKEN}, {"X-Admin-Token": "wrong"}
    assert (await stranger.get("/api/v1/sources", headers=right)).status_code == 200
    assert (await stranger.get(f"/api/v1/sources?token={TOKEN}")).status_code == 200
    assert (await stranger.get(f"/api/v1/sources?token={TOKEN}", headers=wrong)).status_code == 200
    assert (await stranger.get("/api/v1/sources?token=wrong", headers=right)).status_code == 200


async def test_without_a_configured_token_nobody_may_ask(client: httpx.AsyncClient, api: OpenedApi) -> None:
    api.surroundings.catalogue = load_catalogue("{}", {})
    for headers in ({}, {"X-Admin-Token": ""}, {"X-Admin-Token": TOKEN}):
        answer = await client.get("/api/v1/sources?token=", headers=headers)
        assert (answer.status_code, answer.json()["message"]) == (401, "admin_token must be configured")
        assert answer.json()["error"].startswith("set server.admin_token in the catalogue, or create a token with ")


async def test_a_new_token_counts_from_the_next_request_on(client: httpx.AsyncClient, api: OpenedApi) -> None:
    catalogue = api.surroundings.catalogue
    server = catalogue.server.model_copy(update={"admin_token": "schlüssel+/="})
    api.surroundings.catalogue = replace(catalogue, server=server)
    assert (await client.get("/api/v1/sources")).status_code == 401
    assert (await client.get("/api/v1/sources", params={"token": "schlüssel+/="})).status_code == 200


async def test_the_token_is_in_no_log_and_no_answer(client: httpx.AsyncClient, api: OpenedApi) -> None:
    with structlog.testing.capture_logs() as logs:
        answers = [
            await client.get(f"/api/v1/sources?token={TOKEN}&Token={TOKEN}&source=load"),
            await client.get(f"/api/v1/unknown?%74oken={TOKEN}"),
            await client.get(f"{TASKS}?source=load&start={TOKEN}&token={TOKEN}"),
        ]
        api.surroundings.source_test_error = ZeroDivisionError(f"a fault of the program over {TOKEN}")
        answers.append(await client.post(f"/api/v1/sources/test?token={TOKEN}", json={"source": "load"}))
    assert [answer.status_code for answer in answers] == [200, 404, 400, 500]
    assert all(TOKEN not in answer.text for answer in answers)
    requests = [entry for entry in logs if entry["event"] == "request"]
    assert [entry["status"] for entry in requests] == [200, 404, 400, 500]
    assert requests[0]["path"] == "/api/v1/sources"
    assert requests[0]["parameters"] == {"source": "load"}
    assert TOKEN not in str(logs)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/tasks%3Ftoken={token}", "/api/v1/tasks?token=***"),
        ("/tasks/x;token={token}", "/api/v1/tasks/x;token=***"),
        ("/tasks/x;token={quoted}", "/api/v1/tasks/x;token=***"),
        ("/tasks/x;token={twice}", "***"),
        ("/tasks/x;token={thrice}", "***"),
        ("/tasks?source={quoted}&collection=c", "/api/v1/tasks"),
        ("/tasks?source=load&collection={twice}", "/api/v1/tasks"),
        ("/tasks?source={quoted}&start=2020-01-01T00:00:00Z&end={quoted}", "/api/v1/tasks"),
    ],
)
@pytest.mark.parametrize("token", [TOKEN, "schlüssel+/=' \\\""])
async def test_a_token_in_the_wrong_place_is_not_shown(
    stranger: httpx.AsyncClient, api: OpenedApi, token: str, path: str, shown: str
) -> None:
    server = api.surroundings.catalogue.server.model_copy(update={"admin_token": token})
    api.surroundings.catalogue = replace(api.surroundings.catalogue, server=server)
    quoted = everything_quoted(token)
    twice, thrice = quote(quoted), quote(quote(quoted))
    with structlog.testing.capture_logs() as logs:
        for method in ("GET", "POST"):
            path_ = path.format(token=quote(token, safe="-"), quoted=quoted, twice=twice, thrice=thrice)
            answer = await stranger.request(method, f"/api/v1{path_}", headers={b"X-Admin-Token": token.encode()})
            assert answer.status_code in (400, 404, 405)
            assert not is_within(token, answer.text)
    assert [entry["path"] for entry in logs] == [shown, shown]
    assert not is_within(token, str(logs))


async def test_a_request_id_with_the_token_is_replaced(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        for given in (TOKEN, f"x{TOKEN}.y"):
            answer = await client.get("/api/v1/sources", headers={"X-Request-Id": given})
            assert re.fullmatch("[0-9a-f]{16}", answer.headers["X-Request-Id"])
    assert TOKEN not in str(logs)


def everything_quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


def is_within(token: str, text: str) -> bool:
    """Whether `text` has the token, as it stands or as JSON, Python or a URL of any depth writes it."""
    while text != unquote(text):
        text = unquote(text)
    return any(form in text for form in (token, json.dumps(token)[1:-1], repr(token)[1:-1]))


async def test_a_500_has_an_id_that_is_in_the_log_and_nothing_else(client: httpx.AsyncClient, api: OpenedApi) -> None:
    api.surroundings.source_test_error = ZeroDivisionError("secret")
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        answer = await client.post("/api/v1/sources/test", json={"source": "load"})
    id_ = answer.headers["X-Request-Id"]
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal server error", "error": id_})
    failed = next(entry for entry in logs if entry["event"] == "request.failed")
    assert failed["request_id"] == id_
    assert "ZeroDivisionError" in failed["exception"]


async def test_a_plain_request_id_of_the_client_comes_back(client: httpx.AsyncClient) -> None:
    answer = await client.get("/livez", headers={"X-Request-Id": "trace-1.a_b"})
    assert answer.headers["X-Request-Id"] == "trace-1.a_b"
    for odd in ("a b", "ä", "x" * 65, ""):
        answer = await client.get("/livez", headers={b"X-Request-Id": odd.encode()})
        assert answer.headers["X-Request-Id"] not in (odd, "")


@pytest.mark.parametrize("path", ["/", "/unknown", "/api", "/api/v2/tasks", "/api/v1/unknown", "//api/v1/tasks"])
async def test_an_unknown_path_is_404_in_the_shape_of_errors(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"http://syncline{path}")
    assert (answer.status_code, answer.json()["message"]) == (404, "Not Found")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (TASKS, "GET, HEAD, POST, OPTIONS"),
        (f"{TASKS}/x", "GET, HEAD, OPTIONS"),
        (f"{TASKS}/x/cancel", "POST, OPTIONS"),
        ("/api/v1/sources/test", "POST, OPTIONS"),
        ("/readyz", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_wrong_method_is_405_and_told_which_are_right(
    client: httpx.AsyncClient, path: str, allowed: str
) -> None:
    for method in ("DELETE", "PATCH", "BREW", "METHOD_NOT_ALLOWED", "SERVICES"):
        answer = await client.request(method, path)
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
        assert answer.json() == {"message": "Method Not Allowed", "error": f"Allowed methods: {allowed}"}
    options = await client.options(path)
    assert (options.status_code, options.headers["Allow"]) == (204, allowed)


async def test_a_trailing_slash_means_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{TASKS}/", params={"source": "load", "collection": "quick"})
    assert answer.status_code == 201
    assert (await client.get(f"{TASKS}/{answer.json()['task_id']}/")).status_code == 200


async def test_head_is_get_without_a_body(client: httpx.AsyncClient) -> None:
    list_ = f"{TASKS}?source=load&start=2020-01-01T00:00:00Z&end=2030-01-01T00:00:00Z"
    for path in (list_, "/api/v1/sources", "/livez", "/readyz"):
        answer = await client.head(path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")


async def test_requests_that_are_too_large_are_refused(client: httpx.AsyncClient) -> None:
    async def chunks() -> Any:
        for _ in range(70):
            yield b" " * 1024

    address = "/api/v1/sources/test"
    assert (await client.get(f"{TASKS}?source={'x' * 17_000}")).status_code == 414
    assert (await client.get(TASKS, headers={"X-Long": "x" * 20_000})).status_code == 431
    assert (await client.post(address, content=b" " * 70_000)).status_code == 413
    assert (await client.post(address, content=chunks())).status_code == 413
    answer = await client.post(TASKS, content=b" " * 70_000)
    assert (answer.status_code, answer.json()) == (
        413,
        {"message": "Request is too large", "error": "body must not exceed 65536 bytes"},
    )


async def test_ready_tells_what_is_wrong_without_being_unready_for_rejected_sources(
    client: httpx.AsyncClient, api: OpenedApi
) -> None:
    api.surroundings.config_problem = "line 3 is no YAML"
    answer = await client.get("/readyz", params={"token": TOKEN})
    assert answer.status_code == 200
    document = answer.json()
    assert (document["status"], document["database"], document["draining"]) == ("ready", "ok", False)
    assert document["projection_lag_seconds"] == {"daily_collection_stats": 0}
    assert [one["id"] for one in document["rejected"]] == ["broken"]
    assert document["rejected"][0]["problems"]
    assert document["config_problem"] == "line 3 is no YAML"
    for token in ({}, {"token": "wrong"}, {"token": "syncline_ffffffffffffffff_0"}):
        answer = await client.get("/readyz", params=token, headers={"X-Admin-Token": ""})
        document = answer.json()
        assert (answer.status_code, document["rejected"]) == (200, [{"id": "broken", "problems": []}])
        assert (
            document["config_problem"]
            == "the newest version cannot be used: see the log, or send a token with this request"
        )
    api.surroundings.draining = True
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["error"]) == (503, "this process is shutting down")
    assert (await client.get("/livez")).status_code == 200


@pytest.mark.parametrize(
    ("found", "status", "state"),
    [
        ("0001", 503, "at version 0001"),
        (None, 503, "not created yet"),
        (head(), 200, None),
        ("of_the_next_release", 200, None),
    ],
)
async def test_an_older_schema_is_unready_and_a_newer_one_is_not(
    client: httpx.AsyncClient, database_url: str, found: str | None, status: int, state: str | None
) -> None:
    owner = await asyncpg.connect(database_url)
    if found is None:
        await owner.execute("DROP TABLE syncline.alembic_version")
    else:
        await owner.execute("UPDATE syncline.alembic_version SET version_num = $1", found)
    await owner.close()
    answer = await client.get("/readyz")
    error = (
        f"the database schema is {state}, but this release needs {head()}: run 'syncline migrate'" if state else None
    )
    assert (answer.status_code, answer.json().get("error")) == (status, error)


async def test_without_the_database_every_answer_is_503(client: httpx.AsyncClient, api: OpenedApi) -> None:
    api.pool.terminate()
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (503, "unreachable")
    for answer in (
        await client.get("/api/v1/sources"),
        await client.get(f"{TASKS}?source=load&start=2020-01-01T00:00:00Z&end=2030-01-01T00:00:00Z"),
        await client.post(TASKS, params={"source": "load", "collection": "quick"}),
    ):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json() == {
            "message": "Database is not ready",
            "error": "PostgreSQL does not answer; try again",
        }
    assert (await client.get("/livez")).json() == {"status": "ok"}
