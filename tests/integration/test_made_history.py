"""The long pasts that benchmarks run on are pasts that the service could have had."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg

import benchmarks.history
from app.projections import rebuild_all, verify
from benchmarks.history import fill, let_time_pass
from tests.harness import opened
from tests.history.reading import read_history
from tests.history.rules import check

if TYPE_CHECKING:
    import pytest

    from app.store.database import Pool

SPAN = timedelta(days=40)
TASKS = 1200


async def test_a_made_history_breaks_no_rule_and_its_projections_verify(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmarks.history, "_TASKS_AT_ONCE", 350)
    let_time_pass(empty_database_url, SPAN)
    fill(empty_database_url, TASKS, span=SPAN)
    async with opened(empty_database_url) as pool:
        counts = await rebuild_all(pool)
        assert await verify(pool) == []
        assert (counts["tasks"], counts["collections"]) == (TASKS, 400)
        assert await _kinds(pool) == {"AttemptFailed", "BookmarkSaved", "TaskCanceled", "TaskFailed", "TaskSucceeded"}
    with psycopg.connect(empty_database_url) as connection:
        weeks = connection.execute("SELECT count(DISTINCT tableoid) FROM syncline.log_events").fetchone()
    assert weeks
    assert weeks[0] >= SPAN // timedelta(days=7)
    assert check(read_history(empty_database_url)) == []


async def _kinds(pool: Pool) -> set[str]:
    rows = await pool.fetch(
        "SELECT DISTINCT type FROM syncline.events WHERE type NOT IN ('TaskScheduled', 'TaskStarted')"
    )
    return {row["type"] for row in rows}
