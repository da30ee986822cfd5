"""The page of events: the feed, newest first, as the API sends it."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from app.domain.cause import NO_CAUSE, Actor, Cause
from app.domain.events import SOURCE_REJECTED
from app.store.redactions import Redactions
from app.ui.pages.events import LONGEST_DOCUMENT, MOST_ROWS
from tests.harness import a_task
from tests.integration.api.serving import TOKEN

if TYPE_CHECKING:
    from uuid import UUID

    import httpx

    from tests.harness import Store

ALICE = Cause(Actor("token", "Alice"), "prices were wrong")
FACT = """
INSERT INTO syncline.events (task, version, type, at, attempt, data)
SELECT syncline.uuid7(now()), 1, $1, now(), 0, $2 FROM generate_series(1, $3)
RETURNING task
"""


async def add_facts(store: Store, type_: str, data: dict[str, Any], number: int = 1) -> list[UUID]:
    return [row["task"] for row in await store.pool.fetch(FACT, type_, data, number)]


async def page_of(visitor: httpx.AsyncClient, path: str = "/events", **query: str) -> str:
    answer = await visitor.get(path, params=query or None)
    assert answer.status_code == 200
    return answer.text


def titles(page: str) -> list[str]:
    """What happened, to what."""
    rows = re.findall(r'<summary.*?><b>(.*?)</b>(.*?)</summary>.*?<td class="about-what">(.*?)</td>', page, re.DOTALL)
    return [" ".join(html.unescape(re.sub(r"<[^>]*>", "", " ".join(row))).split()) for row in rows]


def documents(page: str) -> list[Any]:
    return [json.loads(html.unescape(each)) for each in re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)]


def link(page: str, words: str) -> str | None:
    found = re.search(rf'<a href="([^"]*)"[^>]*>{words}</a>', page)
    return html.unescape(found[1]) if found else None


async def test_an_event_is_told_in_words_and_as_the_api_sends_it(visitor: httpx.AsyncClient, store: Store) -> None:
    worker = await store.worker()
    await store.queue.schedule(a_task("orders", "shop", cause=ALICE))
    claim = await store.claim(worker)
    await store.end(worker, claim)
    page = await page_of(visitor)
    about = f"shop / orders task {str(claim.task)[-12:]}"
    assert titles(page) == [
        f"Succeeded {about}",
        f"Attempt 1 started worker {str(worker)[-12:]} {about}",
        f"Requested by Alice: prices were wrong {about}",
    ]
    sent = (await visitor.get("/api/v1/events", headers={"X-Admin-Token": TOKEN})).json()["events"]
    assert documents(page) == sent[::-1]
    assert f'the newest is at <code class="copy">{sent[-1]["id"]}</code>' in page
    assert link(page, "everything as of then") == f"/at/{sent[-1]['id']}/"


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("type:scheduled", ["crm", "shop"]),
        ("type:task", ["shop", "crm", "shop"]),
        ("source:CR", ["crm"]),
        ("collection:users", ["crm"]),
        ("crm.users", ["crm"]),
        ("by:alice", ["shop"]),
        ("type:started source:crm", []),
    ],
)
async def test_the_filter_looks_in_one_thing_or_in_names(
    visitor: httpx.AsyncClient, store: Store, typed: str, found: list[str]
) -> None:
    await store.queue.schedule(a_task("orders", "shop", cause=ALICE))
    await store.schedule("users", "crm")
    await store.claim(await store.worker())
    page = await page_of(visitor, q=typed)
    assert [document["data"]["source"] for document in documents(page)] == found
    assert f'value="{html.escape(typed)}"' in page


async def test_a_task_is_found_by_its_id(visitor: httpx.AsyncClient, store: Store) -> None:
    tasks = [await store.schedule(f"c{number}") for number in range(3)]
    for typed in (f"task:{tasks[1]}", f"task:s_c1_{tasks[1]}"):
        [document] = documents(await page_of(visitor, q=typed))
        assert document["data"]["task_id"] == f"s_c1_{tasks[1]}"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"q": "typ:failed"}, "unknown qualifier 'typ'; did you mean 'type'?"),
        ({"q": "type:fialed"}, "unknown type of event 'fialed'; choose one of task.scheduled, "),
        ({"q": "task:5"}, "'task:' takes the id of a task, or the UUID at its end."),
        ({"before": "x"}, "The address names no place of the feed; these are the newest events."),
        ({"after": "1.2.3"}, "The address names no place of the feed; these are the newest events."),
    ],
)
async def test_what_is_not_understood_is_told_and_counts_for_nothing(
    visitor: httpx.AsyncClient, store: Store, query: dict[str, str], told: str
) -> None:
    await store.schedule()
    page = await page_of(visitor, **query)
    assert told in html.unescape(page)
    assert len(titles(page)) == 1


async def test_pages_lead_to_older_events_and_back(visitor: httpx.AsyncClient, store: Store) -> None:
    await add_facts(store, "CollectionReset", {"source": "shop", "collection": "orders"}, 2 * MOST_ROWS + 30)
    first = await page_of(visitor)
    assert (len(titles(first)), link(first, "Newer")) == (MOST_ROWS, None)
    second = await page_of(visitor, str(link(first, "Older")))
    third = await page_of(visitor, str(link(second, "Older")))
    assert (len(titles(second)), len(titles(third)), link(third, "Older")) == (MOST_ROWS, 30, None)
    seen = [each["id"] for page in (first, second, third) for each in documents(page)]
    assert len(set(seen)) == 2 * MOST_ROWS + 30
    # Back from the last page, there are as many again, and then the newest.
    assert documents(await page_of(visitor, str(link(third, "Newer")))) == documents(second)
    newest = await page_of(visitor, str(link(second, "Newer")))
    assert (documents(newest), link(newest, "Newer")) == (documents(first), None)
    assert documents(await page_of(visitor, str(link(third, "Newest")))) == documents(first)


async def test_a_rare_event_is_looked_for_step_by_step(
    visitor: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.store.feed._FIRST_LOOKED_AT", 1)
    monkeypatch.setattr("app.store.feed._MOST_LOOKED_AT", 30)
    await store.schedule("rare")
    await add_facts(store, "CollectionReset", {"source": "shop", "collection": "orders"}, 250)
    page = await page_of(visitor, q="rare")
    assert titles(page) == []
    assert re.search(r"Searched 131 events, back to \S+Z; older ones may match", page)
    page = await page_of(visitor, str(link(page, "Older")))
    assert len(titles(page)) == 1
    assert "older ones may match" not in page


async def test_progress_is_shown_to_whoever_asks_for_it(visitor: httpx.AsyncClient, store: Store) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker)
    await store.streams.report_progress(worker, [(claim, {"records_read": 1200, "bytes_read": 5, "share": 0.25})])
    page = await page_of(visitor)
    assert len(titles(page)) == 2
    assert "Reports of progress are left out" in page
    page = await page_of(visitor, str(link(page, "show them")))
    assert [each.partition(" s /")[0] for each in titles(page)] == ["1,200 rows read 25 %"]
    assert "Reports of progress" not in page


async def test_what_was_redacted_stays_so(visitor: httpx.AsyncClient, store: Store) -> None:
    task = await store.queue.schedule(a_task("orders", "shop", cause=ALICE))
    rejected = {"source": "shop", "problems": [{"path": "sources.shop", "message": "secret"}]}
    [fact] = await add_facts(store, SOURCE_REJECTED, rejected)
    redactions = Redactions(store.admin)
    await redactions.redact(f"shop_orders_{task[0]}", 1, ["who", "note"], NO_CAUSE)
    await redactions.redact(str(fact), 1, ["problems"], NO_CAUSE)
    page = await page_of(visitor)
    assert "Requested by [redacted]: [redacted] shop / orders" in " ".join(titles(page))
    assert "Its newest version is not used [redacted] shop" in titles(page)
    for text in ("Alice", "prices", "secret"):
        assert text not in page


async def test_names_and_texts_are_only_text(visitor: httpx.AsyncClient, store: Store) -> None:
    name = "<b>odd\u202e"
    await add_facts(store, "CollectionPaused", {"source": name, "note": "<script>\x1b[31m\u202e\nx"})
    page = await page_of(visitor)
    assert "<b>odd" not in page
    assert "<script>\x1b" not in page
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert "&lt;b&gt;odd\\u202e" in page


async def test_a_long_event_is_cut_and_that_is_told(visitor: httpx.AsyncClient, store: Store) -> None:
    await add_facts(store, "CollectionReset", {"source": "shop", "note": "x" * LONGEST_DOCUMENT}, 1)
    page = await page_of(visitor)
    assert re.search(r"\d{3} more characters are not shown", page)


async def test_of_a_moment_there_is_what_had_happened(visitor: httpx.AsyncClient, store: Store) -> None:
    await store.schedule("first")
    later = FACT.replace("now()", "now() + interval '1 hour'")
    await store.pool.fetch(later, "CollectionReset", {"source": "shop"}, 3)
    assert len(titles(await page_of(visitor))) == 4
    soon = datetime.now(UTC) + timedelta(seconds=30)
    page = await page_of(visitor, f"/at/{soon:%Y-%m-%dT%H:%M:%SZ}/events")
    assert len(titles(page)) == 1
    [document] = documents(page)
    page = await page_of(visitor, f"/at/{document['id']}/events")
    assert len(titles(page)) == 1


async def test_it_says_what_retention_has_removed(visitor: httpx.AsyncClient, store: Store) -> None:
    assert "Nothing has happened yet." in await page_of(visitor)
    await store.schedule()
    assert "Retention" not in await page_of(visitor)
    await store.admin.execute("UPDATE syncline.retention SET gone_upto = '5'")
    assert "Retention has removed what was up to position 5." in await page_of(visitor)
    assert "No event matches this filter here." in await page_of(visitor, q=quote("nobody"))
