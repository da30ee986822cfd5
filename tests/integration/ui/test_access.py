"""Who gets to see the pages, and who may do what there."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib import resources
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from app.domain.api_token import TokenScope
from app.domain.events import TASK_FAILED
from app.domain.task import Status
from app.store.tokens import TokenAdmin
from app.ui.routes import ACTIONS as ACTIONS_OF_PAGES
from tests.harness import until
from tests.integration.api.serving import TOKEN
from tests.integration.ui.visitors import OURS, log_in, opened, shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.harness import Store

ACTIONS_OF_ADMINS = ("reset", "set-bookmark")
ACTIONS = tuple(name for name in ACTIONS_OF_PAGES if name not in ACTIONS_OF_ADMINS)


@pytest.fixture
async def visitor(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who has not logged in."""
    async with opened(database_url) as client:
        yield client


@pytest.fixture
async def prefixed(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(database_url, prefix="/tools/syncline") as client:
        yield client


async def test_the_token_goes_into_a_cookie_that_only_the_pages_read(visitor: httpx.AsyncClient) -> None:
    refused = await visitor.get("/", follow_redirects=False)
    assert (refused.status_code, refused.headers["location"]) == (303, "/login?next=/")
    wrong = await log_in(visitor, "wrong")
    assert (wrong.status_code, wrong.cookies) == (401, httpx.Cookies())
    logged_in = await log_in(visitor)
    assert (logged_in.status_code, logged_in.headers["location"]) == (303, "/?q=x")
    assert logged_in.headers["set-cookie"].endswith("; HttpOnly; Max-Age=2592000; Path=/; SameSite=strict")
    assert (await visitor.get("/")).status_code == 200
    assert (await visitor.get("/api/v1/sources")).status_code == 401
    await visitor.post("/logout", headers=OURS)
    assert (await visitor.get("/")).status_code == 303


async def test_cookies_of_others_are_no_concern_of_ours(visitor: httpx.AsyncClient) -> None:
    [name] = (await log_in(visitor)).cookies
    for other in ("a,b=c", "x[y]=1", "=", f"{name}=", "\xff=\xff", "a b"):
        headers = {b"Cookie": f"{other}; {name}={TOKEN}".encode("latin-1")}
        assert (await visitor.get("/", headers=headers)).status_code == 200


async def test_over_https_no_other_host_can_set_the_cookie_or_get_it(visitor: httpx.AsyncClient) -> None:
    headers = {**OURS, "Origin": "https://syncline.example.com"}
    answer = await visitor.post("/login", data={"token": TOKEN}, headers=headers)
    name, _, rest = answer.headers["set-cookie"].partition("=")
    assert re.fullmatch("__Host-syncline-[0-9a-f]{8}", name)
    assert rest.endswith("; HttpOnly; Max-Age=2592000; Path=/; SameSite=strict; Secure")


async def test_two_installations_on_one_host_do_not_log_each_other_out(
    visitor: httpx.AsyncClient, module_database_url: str
) -> None:
    """Cookies belong to a host, whatever the port."""
    with psycopg.connect(module_database_url) as connection:
        # Databases of tests are copies of one.
        connection.execute("UPDATE syncline.digest_key SET key = sha256('another')")
    await log_in(visitor)
    async with opened(module_database_url) as other:
        other.cookies = visitor.cookies
        assert (await other.get("/")).status_code == 303
        await log_in(other)
        visitor.cookies = other.cookies
        assert (await visitor.get("/")).status_code == 200
        await other.post("/logout", headers=OURS)
        visitor.cookies = other.cookies
        assert (await other.get("/")).status_code == 303
        assert (await visitor.get("/")).status_code == 200


@pytest.mark.parametrize("next_", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere", "", "/a\r\nb"])
async def test_a_login_leads_only_to_our_pages(visitor: httpx.AsyncClient, next_: str) -> None:
    answer = await visitor.post("/login", data={"token": TOKEN, "next": next_}, headers=OURS)
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://[x"},
        {},
    ],
)
async def test_an_action_of_another_site_is_refused(
    visitor: httpx.AsyncClient, store: Store, headers: dict[str, str]
) -> None:
    await log_in(visitor)
    for action in (*ACTIONS, *ACTIONS_OF_ADMINS, "logout", "login"):
        answer = await visitor.post(f"/{action}", data={"source": "load", "collection": "quick"}, headers=headers)
        assert answer.status_code == 403
    assert await store.pool.fetchval("SELECT count(*) FROM syncline.events") == 0


async def test_an_older_browser_says_by_its_origin_that_it_is_ours(visitor: httpx.AsyncClient, store: Store) -> None:
    await log_in(visitor)
    form = {"source": "load", "collection": "quick", "note": "prices have changed", "back": "/?q=quick"}
    answer = await visitor.post("/run", data=form, headers={"Origin": "http://syncline"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/?q=quick")
    [data] = await store.pool.fetch("SELECT data FROM syncline.events")
    assert data["data"]["who"] == {"kind": "token", "name": "admin"}
    assert data["data"]["note"] == "prices have changed"


async def test_a_token_that_may_only_look_sees_no_action_and_can_carry_out_none(
    visitor: httpx.AsyncClient, store: Store
) -> None:
    token = await TokenAdmin(store.admin).create("a dashboard", TokenScope.READ, None)
    await log_in(visitor, token.text)
    page = await visitor.get("/")
    assert "load /" in page.text
    assert "a dashboard" in page.text
    assert "Run now" not in page.text
    assert token.text not in page.text
    for action in ACTIONS:
        answer = await visitor.post(f"/{action}", data={"source": "load", "collection": "quick"}, headers=OURS)
        assert answer.status_code == 403
        assert "this needs a token with scope &#39;run&#39;" in answer.text
    assert await store.pool.fetchval("SELECT count(*) FROM syncline.collections") == 0


async def test_a_token_that_may_run_cannot_reset_and_sees_no_values_of_the_source(
    visitor: httpx.AsyncClient, store: Store
) -> None:
    token = await TokenAdmin(store.admin).create("", TokenScope.RUN, None)
    await log_in(visitor, token.text)
    page = (await visitor.get("/collection?source=load&collection=quick")).text
    assert "Run now" in page
    assert "Backfill an interval" in page
    assert "Bookmarks" not in page
    assert "Reset" not in page
    for action in ACTIONS_OF_ADMINS:
        answer = await visitor.post(f"/{action}", data={"source": "load", "collection": "quick"}, headers=OURS)
        assert answer.status_code == 403
    assert await store.pool.fetchval("SELECT count(*) FROM syncline.events") == 0


async def test_a_cause_is_dealt_with_once_its_collections_succeed_again(
    visitor: httpx.AsyncClient, store: Store
) -> None:
    await log_in(visitor)
    worker = await store.worker()
    for collection in ("quick", "slow"):
        claim = await store.claimed(worker, collection, source="load", max_attempts=1)
        await store.end(worker, claim, type_=TASK_FAILED, status=Status.FAILED, error="no space after 3 files")
    page = (await visitor.get("/failures")).text
    assert "1 cause needs attention" in page
    assert "no space after # files" in page
    assert "Run all 2 again" in page
    claim = await store.claimed(worker, "quick", source="load")
    await store.end(worker, claim)
    page = await shown(visitor, "/failures", "works again")
    assert "Run again" in page
    claim = await store.claimed(worker, "slow", source="load")
    await store.end(worker, claim)
    page = await shown(visitor, "/failures", "Every failure is dealt with")
    assert "Run again" not in page


async def test_a_revoked_token_is_logged_out(visitor: httpx.AsyncClient, store: Store) -> None:
    admin = TokenAdmin(store.admin)
    token = await admin.create("", TokenScope.ADMIN, None)
    await log_in(visitor, token.text)
    await admin.revoke(token.id)

    async def refused() -> httpx.Response | None:
        answer = await visitor.get("/", headers={"HX-Request": "true"})
        return None if answer.status_code == 200 else answer

    fragment = await until(refused)  # known for a second
    # The whole page goes there, and not a part of it.
    assert (fragment.status_code, fragment.headers["hx-redirect"]) == (204, "/login?next=/")


async def test_what_is_refused_is_a_page_that_says_why(visitor: httpx.AsyncClient) -> None:
    await log_in(visitor)
    unknown = await visitor.post("/run", data={"source": "lod", "collection": "quick"}, headers=OURS)
    assert unknown.status_code == 404
    assert "Source [lod] doesn&#39;t exist" in unknown.text
    note = await visitor.post("/run", data={"source": "load", "collection": "quick", "note": "\x07"}, headers=OURS)
    assert (note.status_code, "&#39;note&#39; must have at most" in note.text) == (400, True)
    nul = await visitor.post("/resume", data={"source": "\0"}, headers=OURS)
    assert (nul.status_code, "must not have a NUL" in nul.text) == (400, True)
    large = await visitor.post("/run", content=b"x" * 70_000, headers=OURS)
    assert large.status_code == 413
    # Programs are answered as programs.
    assert (await visitor.get("/nothing")).json()["message"] == "Not Found"


async def test_pages_hold_nothing_that_could_run_elsewhere(visitor: httpx.AsyncClient) -> None:
    await log_in(visitor)
    for path in ("/", "/login", "/tasks/none"):
        page = await visitor.get(path)
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-store"
        assert " style=" not in page.text
        assert " onclick=" not in page.text
    script = await visitor.get("/static/syncline.js")
    assert (script.status_code, script.headers["x-content-type-options"]) == (200, "nosniff")


async def test_everything_is_below_the_prefix(prefixed: httpx.AsyncClient) -> None:
    prefix = "/tools/syncline"
    assert (await prefixed.get(prefix)).headers["location"] == f"{prefix}/login?next={prefix}"
    assert (await log_in(prefixed, path=prefix)).headers["location"] == f"{prefix}/?q=x"
    page = await prefixed.get(f"{prefix}/")
    assert page.status_code == 200
    for link in ("/static/syncline.css", "/live", "/run", "/logout"):
        assert f'"{prefix}{link}"' in page.text
    assert (await prefixed.get(f"{prefix}/static/syncline.css")).status_code == 200
    assert (await prefixed.get("/")).status_code == 404


def test_what_others_have_made_is_as_they_made_it() -> None:
    static = resources.files("app.ui") / "static"
    vendored = json.loads((static / "VENDOR.json").read_text())
    assert {each["file"] for each in vendored} == {
        each.name for each in static.iterdir() if each.name.endswith((".min.js", ".min.css"))
    }
    for each in vendored:
        digest = hashlib.sha512((static / each["file"]).read_bytes()).digest()
        assert each["integrity"] == f"sha512-{base64.b64encode(digest).decode()}", each["file"]
