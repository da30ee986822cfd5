"""Who an event says has caused it: the token of the request, or the user whom a trusted proxy names; and the note."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest

from app.domain.api_token import TokenScope, make_token
from app.store.leases import Leases
from app.store.queue import TaskQueue
from app.store.tokens import TokenAdmin
from tests.harness import FOREVER
from tests.integration.api.serving import CATALOGUE, TOKEN, server_process

if TYPE_CHECKING:
    from tests.integration.api.serving import OpenedApi

TASKS, BACKFILL = "/api/v1/tasks", "/api/v1/sources/backfill"
QUICK = {"source": "load", "collection": "quick"}
MARCH = {"from": "2024-03-01T00:00:00Z", "to": "2024-04-01T00:00:00Z"}
ADMIN = {"kind": "token", "name": "admin"}
ALICE = {"kind": "proxy", "name": "alice"}
USER = {"X-User": "alice"}
# Where the client in this process seems to be.
HERE = "127.0.0.0/8"


def trust(api: OpenedApi, *proxies: str) -> None:
    """Let these proxies name users in the header X-User."""
    server = api.surroundings.catalogue.server
    new = type(server).model_validate({"admin_token": TOKEN, "user_header": "X-User", "trusted_proxies": proxies})
    api.surroundings.catalogue = replace(api.surroundings.catalogue, server=new)


async def last_cause(client: httpx.AsyncClient) -> dict[str, Any]:
    """What the last event says about its cause."""
    [*_, event] = (await client.get("/api/v1/events")).json()["events"]
    return {name: value for name, value in event["data"]["details"].items() if name in {"who", "note"}}


async def test_the_configured_token_is_called_admin(client: httpx.AsyncClient) -> None:
    await client.post(TASKS, params=QUICK)
    assert await last_cause(client) == {"who": ADMIN}


@pytest.mark.parametrize("name", ["nightly jobs", "Zoë", ""])
async def test_a_token_of_the_database_goes_by_its_name_or_its_id(
    client: httpx.AsyncClient, database_url: str, name: str
) -> None:
    connection = await asyncpg.connect(database_url)
    made = await TokenAdmin(connection).create(name, TokenScope.RUN, None)
    await connection.close()
    await client.post(TASKS, params=QUICK, headers={"X-Admin-Token": made.text})
    assert await last_cause(client) == {"who": {"kind": "token", "name": name or made.id}}
    assert made.text[-64:] not in (await client.get("/api/v1/events")).text


async def test_of_two_tokens_the_wider_one_counts(client: httpx.AsyncClient, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    admin = TokenAdmin(connection)
    reads, runs = [(await admin.create(scope, scope, None)).text for scope in (TokenScope.READ, TokenScope.RUN)]
    await connection.close()
    await client.post(TASKS, params=QUICK | {"token": runs}, headers={"X-Admin-Token": reads})
    assert (await last_cause(client))["who"]["name"] == "run"


async def test_every_request_that_causes_an_event_is_recorded_with_its_note(
    client: httpx.AsyncClient, api: OpenedApi
) -> None:
    trust(api, HERE)
    task_id = (await client.post(TASKS, params=QUICK | {"note": "one"}, headers=USER)).json()["task_id"]
    assert await last_cause(client) == {"who": ALICE, "note": "one"}
    await client.post(f"{TASKS}/{task_id}/cancel", params={"note": "two\r\nlines"}, headers=USER)
    assert await last_cause(client) == {"who": ALICE, "note": "two\nlines"}
    answer = await client.post(BACKFILL, json=QUICK | MARCH | {"note": "three"}, headers=USER)
    assert await last_cause(client) == {"who": ALICE, "note": "three"}
    # A backfill is never enough, so another task is to follow it.
    again = await client.post(TASKS, params=QUICK | {"note": "four", "again": "true"}, headers=USER)
    assert again.json() == answer.json()
    assert await last_cause(client) == {"who": ALICE, "note": "four"}


async def test_pauses_and_resets_are_recorded_with_their_notes(client: httpx.AsyncClient, api: OpenedApi) -> None:
    trust(api, HERE)
    for action, body in (("pause", QUICK), ("resume", QUICK), ("pause", {"source": "load"}), ("clear_cache", QUICK)):
        answer = await client.post(f"/api/v1/sources/{action}", json=body | {"note": f"{action} it"}, headers=USER)
        assert answer.status_code == 200
        assert await last_cause(client) == {"who": ALICE, "note": f"{action} it"}
    shown = (await client.get("/api/v1/sources")).json()["sources"]
    assert [(one["paused_by"], one["pause_note"]) for one in shown if one["id"] == "load"] == [("alice", "pause it")]


async def test_a_pause_that_cancels_says_why_in_the_cancellation(client: httpx.AsyncClient, api: OpenedApi) -> None:
    await client.post(TASKS, params=QUICK)
    worker = await Leases(api.pool).register(host="h", pid=1, release="0", slots=1, length=FOREVER)
    await TaskQueue(api.pool).claim(worker, 1)
    pause = {"source": "load", "cancel": True, "note": "the shop is down"}
    assert (await client.post("/api/v1/sources/pause", json=pause)).json()["canceled"]
    assert await last_cause(client) == {"who": ADMIN, "note": "the shop is down"}


async def test_requests_that_change_nothing_are_not_recorded(client: httpx.AsyncClient, api: OpenedApi) -> None:
    task_id = (await client.post(TASKS, params=QUICK)).json()["task_id"]
    await client.post(TASKS, params=QUICK | {"note": "the same again"})
    await client.post(f"{TASKS}/{task_id}/cancel")
    await client.post(f"{TASKS}/{task_id}/cancel", params={"note": "it has ended already"})
    assert await api.pool.fetchval("SELECT count(*) FROM syncline.events") == 2
    assert await last_cause(client) == {"who": ADMIN}


async def test_only_a_trusted_proxy_names_users(client: httpx.AsyncClient, api: OpenedApi) -> None:
    trust(api, "10.0.0.0/8")
    await client.post(TASKS, params=QUICK, headers=USER | {"X-Forwarded-For": "10.0.0.1"})
    assert await last_cause(client) == {"who": ADMIN}


async def test_the_header_is_no_token(client: httpx.AsyncClient, api: OpenedApi) -> None:
    trust(api, HERE)
    for token in ("wrong", make_token().text):
        answer = await client.post(TASKS, params=QUICK, headers=USER | {"X-Admin-Token": token})
        assert answer.status_code == 401
    assert await api.pool.fetchval("SELECT count(*) FROM syncline.events") == 0


async def test_a_proxy_that_names_nobody_leaves_the_token_its_name(client: httpx.AsyncClient, api: OpenedApi) -> None:
    trust(api, HERE)
    await client.post(TASKS, params=QUICK, headers={"X-User": ""})
    assert await last_cause(client) == {"who": ADMIN}


async def test_what_is_no_name_is_a_400_that_has_done_nothing(client: httpx.AsyncClient, api: OpenedApi) -> None:
    trust(api, HERE)
    twice = [("X-User", "alice"), ("X-User", "bob")]
    answer = await client.post(TASKS, params=QUICK, headers=twice)
    assert (answer.status_code, answer.json()) == (
        400,
        {
            "message": "Error reading 'X-User' header",
            "error": "the proxy must send the user's name: it was sent 2 times; let the proxy replace what its "
            "clients send",
        },
    )
    assert await api.pool.fetchval("SELECT count(*) FROM syncline.events") == 0
    # Who has no token learns nothing of it.
    del client.headers["X-Admin-Token"]
    assert (await client.get("/api/v1/sources", headers=twice)).status_code == 401
    assert (await client.get("/readyz", headers=twice)).status_code == 200


@pytest.mark.parametrize("note", ["x" * 1001, "a\tb", "\x1b[2J", "a\u202eb"])
async def test_a_note_that_cannot_be_kept_is_a_400_that_has_done_nothing(
    client: httpx.AsyncClient, api: OpenedApi, note: str
) -> None:
    task_id = (await client.post(TASKS, params=QUICK)).json()["task_id"]
    before = await api.pool.fetchval("SELECT count(*) FROM syncline.events")
    where = "query parameter"
    for answer, kind in (
        (await client.post(TASKS, params={"source": "a", "collection": "b_c", "note": note}), where),
        (await client.post(f"{TASKS}/{task_id}/cancel", params={"note": note}), where),
        (await client.post(BACKFILL, json={"source": "a", "collection": "b_c", "note": note} | MARCH), "field"),
    ):
        assert (answer.status_code, answer.json()) == (
            400,
            {
                "message": f"Error parsing 'note' {kind}",
                "error": "'note' must be at most 1000 characters, without control characters other than line breaks",
            },
        )
    assert await api.pool.fetchval("SELECT count(*) FROM syncline.events") == before


async def test_the_longest_note_fits_into_a_url(client: httpx.AsyncClient) -> None:
    note = "\U0001f4dd" * 1000
    answer = await client.post(TASKS, params=QUICK | {"note": note})
    assert answer.status_code == 201
    assert await last_cause(client) == {"who": ADMIN, "note": note}


@pytest.mark.parametrize("note", ["", None])
async def test_an_empty_note_is_none(client: httpx.AsyncClient, note: str | None) -> None:
    answer = await client.post(BACKFILL, json=QUICK | MARCH | {"note": note})
    assert answer.status_code == 201
    assert await last_cause(client) == {"who": ADMIN}


async def test_a_note_may_not_be_a_number(client: httpx.AsyncClient) -> None:
    assert (await client.post(BACKFILL, json=QUICK | MARCH | {"note": 1})).status_code == 400


async def test_a_token_in_a_note_or_a_name_is_masked(client: httpx.AsyncClient, api: OpenedApi) -> None:
    trust(api, HERE)
    other = make_token().text
    headers = {"X-User": f"me {TOKEN}"}
    await client.post(TASKS, params=QUICK | {"note": f"with {TOKEN} and {other}"}, headers=headers)
    assert await last_cause(client) == {"who": {"kind": "proxy", "name": "me ***"}, "note": "with *** and ***"}


@pytest.mark.parametrize(
    ("proxy", "who"), [("127.0.0.1", ALICE), ("10.9.9.9", ADMIN)], ids=["the peer", "another address"]
)
def test_the_peer_is_the_connections_whatever_headers_say(
    database_url: str, monkeypatch: pytest.MonkeyPatch, proxy: str, who: dict[str, str]
) -> None:
    """By default, uvicorn takes the address from the headers of a proxy on the same machine."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    keys = f"admin_token: {TOKEN}, user_header: x-user, trusted_proxies: {proxy}"
    catalogue = CATALOGUE.replace(f"admin_token: {TOKEN}", keys)
    forged = USER | {"X-Admin-Token": TOKEN, "X-Forwarded-For": "10.9.9.9", "Forwarded": "for=10.9.9.9"}
    with server_process(database_url, catalogue) as server:
        httpx.post(f"{server.url}{TASKS}", params=QUICK, headers=forged)
        page = httpx.get(f"{server.url}/api/v1/events", headers={"X-Admin-Token": TOKEN}).json()
    assert page["events"][0]["data"]["details"]["who"] == who
