"""What is done to all collections that a filter takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.ui.visitors import OURS, shown

if TYPE_CHECKING:
    import httpx

    from tests.harness import Store


async def act(visitor: httpx.AsyncClient, name: str, filter_: str, note: str = "") -> httpx.Response:
    form = {"act": f"{name} 2", "q": filter_, "note": note, "back": f"/?q={filter_}"}
    return await visitor.post("/all", data=form, headers=OURS)


async def test_each_action_is_for_those_that_it_can_concern(visitor: httpx.AsyncClient, store: Store) -> None:
    page = (await visitor.get("/?q=source:load")).text
    assert ("Run 2<" in page, "Pause 2<" in page, "Cancel" in page, "Resume" in page) == (True, True, False, False)
    answer = await act(visitor, "run", "source:load", "prices")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?q=source:load")
    rows = await store.pool.fetch("SELECT data FROM syncline.events WHERE type = 'TaskScheduled'")
    assert {(row["data"]["source"], row["data"]["collection"], row["data"]["note"]) for row in rows} == {
        ("load", "quick", "prices"),
        ("load", "slow", "prices"),
    }
    await shown(visitor, "/?q=source:load", "Cancel 2<")
    await act(visitor, "cancel", "collection:slow")
    await act(visitor, "pause", "source:load")
    page = await shown(visitor, "/?q=source:load", "Resume 2<")
    assert "Cancel 1<" in page
    await act(visitor, "resume", "source:load")
    await shown(visitor, "/?q=source:load", "Pause")


async def test_a_filter_that_is_not_understood_concerns_nothing(visitor: httpx.AsyncClient, store: Store) -> None:
    for name, filter_, why in (
        ("run", "sorce:load", "did you mean &#39;source&#39;"),
        ("run", "source:load source:a", "stands there twice"),
        ("run", " ", "give a filter"),
        ("drop", "source:load", "give one of run, cancel"),
    ):
        answer = await act(visitor, name, filter_)
        assert (answer.status_code, why in answer.text) == (400, True), answer.text
    assert await store.pool.fetchval("SELECT count(*) FROM syncline.events") == 0


async def test_more_than_was_shown_is_not_touched(visitor: httpx.AsyncClient, store: Store) -> None:
    form = {"act": "run 1", "q": "source:load", "back": "/"}
    answer = await visitor.post("/all", data=form, headers=OURS)
    assert (answer.status_code, "by now it would be 2 collections" in answer.text) == (409, True)
    assert await store.pool.fetchval("SELECT count(*) FROM syncline.events") == 0
