"""Whose a collection is, and what to do if it fails: beside each error, and in the filters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from app.domain.events import TASK_FAILED
from app.domain.task import Status
from tests.integration.api.serving import TOKEN
from tests.integration.ui.visitors import log_in, opened, shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from tests.harness import Store

CATALOGUE = f"""
server: {{admin_token: {TOKEN}}}
sources:
  shop:
    type: synthetic
    destinations: [nowhere]
    schedule: "@daily"
    owner: data team
    labels: [gold]
    runbook: 'https://wiki.example.com/?a=1&b="<b>'''
    collections:
      - {{name: orders, labels: ["it's pii"], description: "what <b>was</b> sold"}}
      - {{name: users, owner: "<i>crm"}}
      - {{name: items, owner: none, runbook: none}}
destinations:
  nowhere: {{type: none}}
"""
RUNBOOK = (
    '<a href="https://wiki.example.com/?a=1&amp;b=&#34;&lt;b&gt;&#39;" target="_blank" '
    'rel="noopener noreferrer">Runbook</a>'
)


@pytest.fixture
async def visitor(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(database_url, catalogue=CATALOGUE) as client:
        await log_in(client)
        yield client


async def fail(store: Store, *collections: str, error: str = "no space") -> str:
    """The id of the last of their tasks, which have failed."""
    worker = await store.worker()
    for collection in collections:
        claim = await store.claimed(worker, collection, source="shop", max_attempts=1)
        await store.end(worker, claim, type_=TASK_FAILED, status=Status.FAILED, error=error)
    return claim.task_id


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("owner:data", {"orders"}),
        ("owner:CRM", {"users"}),
        ("label:gold", {"orders", "users", "items"}),
        ("label:pii", {"orders"}),
        ("label:goldit", set()),
        ('label:"it\'s pii" owner:data', {"orders"}),
    ],
)
@pytest.mark.parametrize("page", ["/", "/timeline"])
async def test_owners_and_labels_are_looked_for(
    visitor: httpx.AsyncClient, page: str, typed: str, found: set[str]
) -> None:
    text = (await visitor.get(page, params={"q": typed})).text
    assert set(re.findall(r"<small>shop /</small> (\w+)", text)) == found


async def test_a_failed_task_says_whom_to_ask_and_where_to_read(visitor: httpx.AsyncClient, store: Store) -> None:
    page = (await visitor.get(f"/tasks/{await fail(store, 'orders')}")).text
    [notice] = re.findall(r'<div class="notice bad".*?</div>', page, re.DOTALL)
    assert "no space" in notice
    assert "<bdi>data team</bdi>" in notice
    assert RUNBOOK in notice
    assert "what &lt;b&gt;was&lt;/b&gt; sold" in page
    [link] = re.findall(r'href="([^"]*)">it&#39;s pii</a>', page)
    assert "shop /</small> orders" in (await visitor.get(link)).text
    page = (await visitor.get(f"/tasks/{await fail(store, 'items')}")).text
    assert "Runbook" not in page


async def test_failures_say_it_once_if_it_is_the_same_for_all(visitor: httpx.AsyncClient, store: Store) -> None:
    await fail(store, "orders")
    page = await shown(visitor, "/failures", "1 cause needs attention")
    assert page.count(RUNBOOK) == 1
    await fail(store, "users", "items")
    page = await shown(visitor, "/failures", "Run all 3 again")
    assert page.count(RUNBOOK) == 2
    assert "<bdi>&lt;i&gt;crm</bdi>" in page
