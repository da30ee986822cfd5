"""The log of a task on its page, and as a file."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from app.domain.task import log_prefix, task_id

if TYPE_CHECKING:
    import httpx

    from tests.harness import Store

LINES = """
INSERT INTO syncline.log_events (task, attempt, line, at, level, message)
SELECT $1, 1, n, syncline.clock(), CASE WHEN n % 100 = 0 THEN 'warn' ELSE 'info' END,
       to_char(n, '"page <"FM0000"> read"')
FROM generate_series(1, 1200) AS n
"""
LINE = "INSERT INTO syncline.log_events VALUES ($1, 1, $2, syncline.clock(), 'info', $3)"
LINE_BYTES = len("page <0001> read")


@pytest.fixture
async def path(store: Store) -> str:
    """The page of a task that has logged 1,200 lines so far, after 'Running task...'."""
    claim = await store.claimed(await store.worker(), "quick", source="load")
    await store.admin.execute(LINES, claim.task)
    return f"/tasks/{task_id('load', 'quick', claim.task)}"


async def numbers(visitor: httpx.AsyncClient, path: str) -> tuple[list[int], str]:
    page = (await visitor.get(path)).text
    return [int(number) for number in re.findall(r"page &lt;(\d+)&gt; read", page)], page


def linked(page: str, text: str) -> str:
    found = re.search(rf'href="([^"]+)"[^>]*>{text}<', page)
    assert found is not None, text
    return found[1].replace("&amp;", "&")


async def test_a_long_log_is_read_from_its_end_part_by_part(visitor: httpx.AsyncClient, path: str) -> None:
    shown, page = await numbers(visitor, path)
    assert shown == [*range(701, 1201)]
    assert "The last lines" not in page
    shown, page = await numbers(visitor, linked(page, "Earlier lines"))
    assert shown == [*range(201, 701)]
    shown, page = await numbers(visitor, linked(page, "Earlier lines"))
    assert shown == [*range(1, 201)]
    assert "Running task..." in page
    assert "Earlier lines" not in page
    shown, _ = await numbers(visitor, linked(page, "The last lines"))
    assert shown[-1] == 1200


async def test_lines_are_looked_for_in_all_of_it(visitor: httpx.AsyncClient, path: str) -> None:
    assert (await numbers(visitor, f"{path}?find=PAGE+%3C0011%3E"))[0] == [11]
    assert (await numbers(visitor, f"{path}?find=page&level=warn"))[0] == [*range(100, 1201, 100)]
    assert (await numbers(visitor, f"{path}?find=%25"))[0] == []
    assert "that have <bdi>&lt;script&gt;</bdi>" in (await numbers(visitor, f"{path}?find=%3Cscript%3E%00"))[1]


# The line that exceeds the bound of bytes is looked at as well.
@pytest.mark.parametrize(
    ("bound", "at_once"), [(("_MOST_LOOKED_AT", 700), 700), (("_MOST_BYTES", 6000), 6000 // LINE_BYTES + 1)]
)
async def test_a_rare_line_is_looked_for_step_by_step(
    visitor: httpx.AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch, bound: tuple[str, int], at_once: int
) -> None:
    name, most = bound
    monkeypatch.setattr(f"app.store.log_search.{name}", most)
    looked_at = []
    shown, page = await numbers(visitor, f"{path}?find=%3C0001%3E")
    while not shown:
        assert "No matches so far." in page
        told = re.search(r"(\d+) lines searched back to \S+Z; older lines may match", page)
        assert told is not None
        looked_at.append(int(told[1]))
        shown, page = await numbers(visitor, linked(page, "Search further back"))
    assert shown == [1]
    assert "searched back" not in page
    assert "Search further back" not in page
    assert looked_at == [at_once] * (1200 // at_once)


async def test_only_what_is_shown_of_a_line_is_looked_for(visitor: httpx.AsyncClient, store: Store) -> None:
    claim = await store.claimed(await store.worker(), "quick", source="load")
    prefix = log_prefix(claim.task_id)
    for line, message in enumerate(("reading", "quick as ever", f"after {prefix}"), start=1):
        await store.admin.execute(LINE, claim.task, line, prefix + message)
    path = f"/tasks/{claim.task_id}"
    for text, lines in (("QUICK", ["quick as ever", f"after {prefix}"]), ("reading", ["reading"]), ("] reading", [])):
        page = (await visitor.get(path, params={"find": text})).text
        assert re.findall("<span>([^<]*)</span></div>", page) == lines


async def test_a_line_of_a_program_shows_and_is_found_by_its_name(visitor: httpx.AsyncClient, store: Store) -> None:
    claim = await store.claimed(await store.worker(), "quick", source="load")
    by_tap = LINE.replace("$3)", "$3, 'tap-<shop>')")
    await store.admin.execute(by_tap, claim.task, 1, "10 rows")
    await store.admin.execute(LINE, claim.task, 2, "11 rows")
    path = f"/tasks/{claim.task_id}"
    page = (await visitor.get(path)).text
    assert "<span><i>tap-&lt;shop&gt;</i> 10 rows</span></div>" in page
    assert "<span>11 rows</span></div>" in page
    found = (await visitor.get(path, params={"find": "TAP-<SHOP> 10"})).text
    assert re.findall(r"(\d+) rows</span></div>", found) == ["10"]


async def test_all_of_it_is_a_file(visitor: httpx.AsyncClient, path: str) -> None:
    text = await visitor.get(f"{path}/log.txt")
    lines = text.text.splitlines()
    assert len(lines) == 1201
    assert re.fullmatch(r"\S+Z info  page <0001> read", lines[1])
    assert re.fullmatch(r'attachment; filename="[-0-9a-f]{36}\.log"', text.headers["content-disposition"])
    documents = [json.loads(line) for line in (await visitor.get(f"{path}/log.jsonl")).text.splitlines()]
    assert [each["line"] for each in documents] == [*range(1201)]
    assert documents[100].keys() == {"time", "message", "level", "system", "attempt", "line"}
    assert (await visitor.get("/tasks/none/log.txt")).status_code == 404
