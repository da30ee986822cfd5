"""The hot statements stay ordered index scans, with the pool's settings, on big tables after churn."""

from __future__ import annotations

import itertools
import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from app.store.log_search import BEFORE_ALL_LINES
from app.store.queries import load_statements
from app.store.queue import schedule_tasks
from app.store.reads import Reader
from app.store.task_lists import TaskFilter
from tests.harness import a_task, ending

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness import Store

LONG_AGO, LATER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
# No UUIDv7 is that old.
BEFORE_IDS = datetime(1, 1, 1, tzinfo=UTC)
# Read in their order until enough is found; every other index is for looking something up.
ORDERED = {"collections_ready", "schedules_due"}
ACTIVE = {None, "collections"}
BIG = {"collections", "tasks", "events", "log_events", "schedules", "fire_times"}
QUEUE, STREAMS, LOG, LOG_SEARCH, READS, SCHEDULES, LEASES, FEED, RECENT, STATISTICS, WORKERS = (
    load_statements(f"{name}.sql")
    for name in (
        "queue",
        "streams",
        "log",
        "log_search",
        "reads",
        "schedules",
        "leases",
        "feed",
        "recent_tasks",
        "statistics",
        "workers",
    )
)


# The tasks that came before the active ones.
ENDED = """
INSERT INTO syncline.tasks
SELECT ended.* FROM syncline.all_tasks t CROSS JOIN generate_series(1, {each}) n
CROSS JOIN LATERAL (SELECT t.created_at - n * interval '1 min' AS at) AS a
CROSS JOIN LATERAL jsonb_populate_record(NULL::syncline.tasks, to_jsonb(t) || jsonb_build_object(
  'task', syncline.uuid7(at), 'created_at', at, 'finished_at', at, 'status', 'SUCCESS'
)) ended
"""


async def seed(store: Store) -> UUID:
    """20,000 queued tasks of which 3,000 have come and gone, a log, schedules; the statistics know of it."""
    worker = await store.worker()
    for part in range(20):
        await schedule_tasks(store.pool, [a_task(f"c{part}_{number}") for number in range(1000)])
    for _ in range(3):
        claims = await store.queue.claim(worker, 1000)
        await store.queue.end_attempts(worker, [ending(claim, line=1) for claim in claims])
    claim = await store.claim(worker)
    await store.admin.execute(
        "INSERT INTO syncline.log_events SELECT $1, 1, n, now(), 'info', 'line ' || n FROM generate_series(2, 20000) n",
        claim.task,
    )
    await store.admin.execute(
        "INSERT INTO syncline.schedules SELECT 's', 'c' || n, 't', 3, '@daily', 'UTC', 'latest', NULL,"
        " now() + n * interval '1 s', NULL, true, now(), NULL FROM generate_series(-100, 20000) n"
    )
    await store.admin.execute("ANALYZE")
    return claim.task


# A task that reports its progress for a long time.
MANY_EVENTS = """
INSERT INTO syncline.events (task, version, type, at, status, attempt, data)
SELECT $1, n, 'ProgressReported', now(), 'RUNNING', 1, '{}' FROM generate_series(3, 20000) n
"""


def nodes(plan: Any) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


async def plan_of(store: Store, statement: str, values: list[str]) -> list[dict[str, Any]]:
    """The generic plan, made in a connection of the pool: EXPLAIN EXECUTE asks the plan cache as asyncpg does."""
    given = f" ({', '.join(values)})" if values else ""
    async with store.pool.acquire() as connection:
        await connection.execute(f"PREPARE explained AS {statement}")
        try:
            explained = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE explained{given}")
        finally:
            await connection.execute("DEALLOCATE explained")
    return list(nodes(json.loads(explained)[0]["Plan"]))


async def executed(store: Store, statement: str, *values: object) -> list[dict[str, Any]]:
    """The plan of a statement, with what its nodes have read. What it has changed is undone."""
    async with store.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            explained = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values)
        finally:
            await transaction.rollback()
    return list(nodes(json.loads(explained)[0]["Plan"]))


def bad_nodes(plan: list[dict[str, Any]], *, sort: bool = False) -> list[str]:
    """What may not be there: a scan of a whole big table, a bitmap, and unless allowed a sort.

    Nor a comparison of every given row with every other one: a thousand of them are a million.
    """
    return [
        f"{node['Node Type']} {node.get('Relation Name', '')}"
        for node in plan
        if (node["Node Type"] == "Seq Scan" and re.sub(r"_\d+$", "", node["Relation Name"]) in BIG)
        or node["Node Type"].startswith("Bitmap")
        or (node["Node Type"].startswith("Index") and "Index Cond" not in node and node["Index Name"] not in ORDERED)
        or (not sort and "Sort" in node["Node Type"])
        or (node["Node Type"] == "Nested Loop" and not any(map(looks_up, node["Plans"])))
    ]


def looks_up(plan: dict[str, Any]) -> bool:
    """Whether a side of a join finds its rows by an index."""
    return any("Index Cond" in node or "TID Cond" in node for node in nodes(plan))


async def test_the_hot_statements_are_ordered_index_scans(store: Store) -> None:
    task = f"'{await seed(store)}'"
    worker, array = f"'{await store.worker()}'", "'{x}'"
    tasks = "ARRAY['01a2069d-14b4-740c-80f3-a741fed537e7'::uuid]"
    one = "'{1}'"
    hour = "interval '1 hour'"
    interval = "ARRAY[interval '0']"
    lines = [one, one, one, array, array, array]
    statements = {
        "waiting_pools": (QUEUE, []),
        "waiting_since": (QUEUE, [task, "'unknown_since'"]),
        "active_tasks": (QUEUE, [array, array]),
        "held_attempts": (QUEUE, [worker]),
        "running_claims": (QUEUE, [worker, "false"]),
        "cancel_task": (QUEUE, [task, "false", "'{}'"]),
        "request_again": (QUEUE, ["'s'", "'c'", "'{}'"]),
        "end_attempts": (
            QUEUE,
            [worker, array, array, tasks, one, one, array, array, array, interval, "ARRAY['{}']", one, *lines, "false"],
        ),
        "save_bookmark": (STREAMS, [worker, "'s'", "'c'", task, "1", "'d'", "1", "'{}'", "0", "1", "2", "'{}'"]),
        "renewal_head": (STREAMS, [worker, "'s'", "'c'", task, "1", "1"]),
        "keep_renewed_config": (
            STREAMS,
            [worker, "'s'", "'c'", task, "1", "2", "1", "'source'", "'s'", *["'x'"] * 3, "0.5"],
        ),
        "schedule_tasks": (
            QUEUE,
            [array, array, array, array, one, "ARRAY[now()]", one, array, array, "'syncline'", "NULL"],
        ),
        "append_log": (LOG, [worker, array, array, tasks, one, one, one, one, one, *lines[2:], "true"]),
        "task_row": (READS, [task]),
        "waits_of": (READS, [tasks]),
        "source_is_known": (READS, ["'s'"]),
        "due_schedules": (SCHEDULES, [hour]),
        "seconds_until_next": (SCHEDULES, [hour, hour]),
        "busy_collections": (SCHEDULES, [array, array]),
        "undecided_fire_times": (SCHEDULES, [array, array, "ARRAY[now()]"]),
        "advance_schedules": (SCHEDULES, [array, array, "ARRAY[now()]", "ARRAY[now()]"]),
        "renew_lease": (LEASES, [worker, hour]),
    }
    bad = {
        name: found
        for name, (file, values) in statements.items()
        if (found := bad_nodes(await plan_of(store, file[name], values)))
    }
    assert bad == {}


@pytest.mark.parametrize("name", ["log_page", "log_tail"])
async def test_a_page_of_a_log_reads_neither_the_other_lines_nor_the_other_events_of_its_task(
    store: Store, name: str
) -> None:
    task = await seed(store)
    await store.admin.execute(MANY_EVENTS, task)
    await store.admin.execute("ANALYZE syncline.events")
    page = 50
    plan = await executed(store, READS[name], task, 1, 100, LONG_AGO, LATER, page)
    # Only the few events that are lines are sorted.
    assert bad_nodes(plan, sort=True) == []
    read = [node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in plan]
    # Of the events, the first hundred of the task, and those in the index.
    assert max(read) == 100
    assert sum(read) <= 3 * page + 3 * 100


@pytest.mark.parametrize(("text", "look_at"), [(None, 51), ("nowhere", 1000)])
async def test_a_search_in_a_log_reads_only_the_lines_that_it_looks_at(
    store: Store, text: str | None, look_at: int
) -> None:
    task = await seed(store)
    await store.admin.execute(MANY_EVENTS, task)
    await store.admin.execute("ANALYZE syncline.events")
    place, bounds = (1, 19_000), (51, None, text, 10**6, "")
    given = (*BEFORE_ALL_LINES, LONG_AGO, LATER, look_at, *place, *bounds)
    plan = await executed(store, LOG_SEARCH["lines_before"], task, *given)
    # How far it has come is joined to what was found.
    assert [node for node in bad_nodes(plan, sort=True) if not node.startswith("Nested Loop")] == []
    read = [node["Actual Rows"] for node in plan if node.get("Relation Name", "").startswith("log_events")]
    assert max(read) == look_at


# Positions that rise over the weeks of which there are partitions.
EVENTS_OF_SOME_WEEKS = """
INSERT INTO syncline.events (xid, task, version, type, at, status, attempt, data)
SELECT (n / 40 + 3)::text::xid8, syncline.uuid7(now() + n * interval '2 weeks' / 8000, NULL), 1, 'TaskScheduled', now(),
       'SCHEDULED', 0, '{"source": "s", "collection": "c"}'
FROM generate_series(0, 7999) n
"""


async def test_a_page_of_the_feed_reads_no_more_events_than_it_has(store: Store) -> None:
    await store.admin.execute(EVENTS_OF_SOME_WEEKS)
    await store.admin.execute("ANALYZE syncline.events")
    page = 50
    middle = await store.pool.fetchrow(
        "SELECT xid, task, version FROM syncline.events ORDER BY xid OFFSET 3990 LIMIT 1"
    )
    assert middle is not None
    is_event = True
    given = (*middle, page, page, None, None, None, is_event, 0)
    for statement, values in (("next_events", given), ("next_documents", (*given, {"TaskScheduled": ""}))):
        plan = await executed(store, FEED[statement], *values)
        read = [node["Actual Rows"] * node["Actual Loops"] for node in plan if node["Node Type"] == "Index Scan"]
        assert [node for node in bad_nodes(plan, sort=True) if not node.startswith("Nested Loop")] == []
        # The transactions of the page's first and last event, to their ends, and the next event of each week. The first
        # event of each task is among them.
        assert sum(read) <= page + 2 * 40 + 5
    last = await executed(store, FEED["last_event"], None)
    assert max(node["Actual Rows"] for node in last if node["Node Type"] == "Index Scan") <= 40 + 1


async def test_what_workers_run_is_found_without_reading_what_waits(store: Store) -> None:
    await seed(store)
    worker = await store.worker()
    await store.queue.claim(worker, 8)
    for statement, values in (("listed_workers", [100]), ("tasks_of_workers", [[worker], 5])):
        plan = await executed(store, WORKERS[statement], *values)
        [of_tasks] = [node for node in plan if node.get("Relation Name") == "collections"]
        assert of_tasks["Index Name"] == "collections_running"
        assert of_tasks["Actual Rows"] * of_tasks["Actual Loops"] <= 9


# One ends every minute; every other one has something to count, and each of a hundred sources has some.
MANY_ENDS = """
INSERT INTO syncline.tasks (task, source, collection, source_type, trigger, priority, max_attempts, status, attempt,
                            failures, rows, created_at, finished_at, version)
SELECT syncline.uuid7(at), 's' || mod(n / 2, 100), 'c', 't', 'api', 1, 3, 'SUCCESS', 1, 0, mod(n, 2), at, at, 3
FROM generate_series(0, 19999) AS n
CROSS JOIN LATERAL (SELECT timestamptz '2021-01-01 00:00+00' + n * interval '1 min' AS at) AS t
"""


@pytest.mark.parametrize("is_analyzed", [False, True])
async def test_statistics_by_hour_read_only_the_tasks_of_these_hours_with_something_to_count(
    store: Store, *, is_analyzed: bool
) -> None:
    await store.admin.execute(MANY_ENDS)
    if is_analyzed:
        await store.admin.execute("ANALYZE syncline.tasks")
    start = datetime(2021, 1, 3, 8, tzinfo=UTC)
    for sources, rows in ((None, 500), (["s1", "s2"], 10)):
        values = (start, start + timedelta(minutes=1000), sources, "")
        found = await store.pool.fetch(STATISTICS["hours"], *values)
        assert sum(row["rows"] for row in found) == rows
        plan = await executed(store, STATISTICS["hours"], *values)
        assert bad_nodes(plan, sort=True) == []
        scans = [node for node in plan if node.get("Relation Name", "").startswith("tasks_")]
        read = [node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in scans]
        assert sum(read) == 500


async def test_statistics_by_day_read_only_these_days_of_each_collection(store: Store) -> None:
    await schedule_tasks(store.pool, [a_task(f"c{number}", f"s{number % 10}") for number in range(100)])
    await store.admin.execute(
        "INSERT INTO syncline.daily_collection_stats"
        " SELECT p.generation, date '2021-01-01' + n, c.source, c.collection, 1, 1, 0, 10, 0, 0"
        " FROM syncline.checkpoints p CROSS JOIN syncline.collections c CROSS JOIN generate_series(0, 499) n"
        " WHERE p.projection = 'daily_collection_stats' AND p.state = 'live'"
    )
    await store.admin.execute("ANALYZE")
    first = date(2021, 3, 1)
    for sources, collections in ((None, 100), (["s1", "s2"], 20)):
        values = (first, first + timedelta(days=7), sources, "")
        found = await store.pool.fetch(STATISTICS["days"], *values)
        assert [tuple(row) for row in found] == [
            (first + timedelta(days=n), 10 * collections, collections) for n in range(7)
        ]
        plan = await executed(store, STATISTICS["days"], *values)
        scans = [node for node in plan if node.get("Relation Name") == "daily_collection_stats"]
        assert scans
        read = [(node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in scans]
        assert sum(read) == 7 * collections


@pytest.mark.parametrize("name", ["events_before", "events_after"])
async def test_a_search_reads_only_the_events_that_it_looks_at(store: Store, name: str) -> None:
    await store.admin.execute(EVENTS_OF_SOME_WEEKS)
    await store.admin.execute("ANALYZE syncline.events")
    middle = await store.pool.fetchrow(
        "SELECT xid, task, version FROM syncline.events ORDER BY xid OFFSET 3990 LIMIT 1"
    )
    assert middle is not None
    look_at, limit, upto = 200, 50, 2**64 - 1
    for source, found in (("s", limit), ("nobody", look_at)):
        given = (*middle, upto, look_at, limit, None, [], source, None, None, [])
        plan = await executed(store, FEED[name], *given)
        assert [node for node in bad_nodes(plan, sort=True) if not node.startswith("Nested Loop")] == []
        read = [node["Actual Rows"] * node["Actual Loops"] for node in plan if node["Node Type"] == "Index Scan"]
        # The transactions of the first and the last, to their ends, the next event of each week; and the first event of
        # each task, as long as it looks for more.
        assert sum(read) <= look_at + 2 * 40 + 5 + found


@pytest.mark.parametrize("name", ["events_of_task_before", "events_of_task_after"])
async def test_a_search_in_a_task_reads_the_events_of_no_other(store: Store, name: str) -> None:
    await store.admin.execute(EVENTS_OF_SOME_WEEKS)
    task = await seed(store)
    await store.admin.execute(MANY_EVENTS, task)
    await store.admin.execute("ANALYZE syncline.events")
    place = (2**63, NO_ID_IS_LATER, 1) if name.endswith("before") else (1, task, 1)
    plan = await executed(store, FEED[name], *place, 2**64 - 1, 200, 50, None, [], None, None, None, [], task)
    # How far it has come is joined to what was found.
    assert [node for node in bad_nodes(plan, sort=True) if not node.startswith("Nested Loop")] == []
    read = [node["Actual Rows"] * node["Actual Loops"] for node in plan if node["Node Type"] == "Index Scan"]
    assert sum(read) <= 200 + 50 + 5


@pytest.mark.parametrize("pools", [["default"], ["default", "few", "none", "many"]])
async def test_a_claim_reads_only_the_first_tasks_of_each_of_its_pools(store: Store, pools: list[str]) -> None:
    await seed(store)
    for pool, tasks in (("few", 3), ("many", 900)):
        await schedule_tasks(store.pool, [a_task(f"{pool}{number}", pool=pool) for number in range(tasks)])
    worker = await store.worker()
    plan = await executed(store, QUEUE["claim_tasks"], worker, 5, [], [], [], pools, {})
    # It sorts the first five of each pool, and no more.
    assert bad_nodes(plan, sort=True) == []
    scans = [node for node in plan if node.get("Index Name") == "collections_ready"]
    assert all("pool" in node["Index Cond"] and "Sort" not in node["Node Type"] for node in scans)
    read = [node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0) for node in scans]
    assert sum(read) <= 1 + 5 * len(pools)
    assert max(node["Actual Rows"] for node in plan if "Sort" in node["Node Type"]) <= 5
    assert len(await store.queue.claim(worker, 5, pools=pools)) == 5


async def test_the_pools_that_have_tasks_are_found_without_reading_these(store: Store) -> None:
    await seed(store)
    await schedule_tasks(store.pool, [a_task(f"eu{number}", pool="eu") for number in range(500)])
    plan = await executed(store, QUEUE["waiting_pools"])
    assert bad_nodes(plan) == []
    scans = [node for node in plan if node.get("Index Name") == "collections_ready"]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in scans) == 2


class _GenericPlans:
    """A pool that keeps the generic plan of every statement that a reader sends."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.plans: list[list[dict[str, Any]]] = []

    async def fetch(self, statement: str, *values: object) -> list[Any]:
        self.plans.append(await plan_of(self._store, statement, [literal(value) for value in values]))
        return await self._store.pool.fetch(statement, *values)


def literal(value: object) -> str:
    return f"'{{{','.join(map(str, value))}}}'" if isinstance(value, list) else f"'{value}'"


class _Explaining:
    """A pool that keeps the plan of every statement that a reader sends."""

    def __init__(self, store: Store, options: str = "VERBOSE") -> None:
        self._pool = store.pool
        self._options = options
        self.plans: list[list[dict[str, Any]]] = []

    async def fetch(self, statement: str, *values: object) -> list[Any]:
        explained = await self._pool.fetchval(f"EXPLAIN (FORMAT JSON, {self._options}) {statement}", *values)
        self.plans.append(list(nodes(json.loads(explained)[0]["Plan"])))
        return await self._pool.fetch(statement, *values)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (TaskFilter("s", LONG_AGO, LATER), "source_created_at_task_idx"),
        (TaskFilter("s", LONG_AGO, LATER, collection="c1"), "source_collection_created_at_task_idx"),
        (TaskFilter("s", LONG_AGO, LATER, status="SUCCESS"), "source_created_at_task_idx"),
        (TaskFilter("s", LONG_AGO, LATER, limit=2), "source_collection_created_at_task_idx"),
    ],
    ids=["a source", "a collection", "a status", "the newest"],
)
async def test_the_pages_of_the_task_list_are_read_in_the_order_of_an_index(
    store: Store, wanted: TaskFilter, index: str
) -> None:
    await schedule_tasks(store.pool, [a_task(f"c{number}") for number in range(20)])
    await store.admin.execute(ENDED.format(each=200))
    await store.admin.execute("ANALYZE")
    explaining = _Explaining(store)
    pages = [page async for page in Reader(explaining).page_tasks(wanted)]  # type: ignore[arg-type]
    # Once for each page it is looked up which destinations cannot be reached, in a table of a few rows.
    of_tasks = [plan for plan in explaining.plans if all(node.get("Relation Name") != "outages" for node in plan)]
    assert len(of_tasks) >= len(pages)
    for plan in of_tasks:
        # The active tasks of a source are few, and sorted.
        assert bad_nodes(plan, sort=True) == []
        sorts = [node for node in plan if "Sort" in node["Node Type"]]
        assert wanted.limit > 0 or {child.get("Relation Name") for node in sorts for child in nodes(node)} <= ACTIVE
        assert [node for node in plan if index in node.get("Index Name", "")]


async def test_the_newest_of_each_collection_are_read_from_where_they_begin(store: Store) -> None:
    """Of two lower bounds an index may be walked from the wrong one: from the beginning of the history."""
    await schedule_tasks(store.pool, [a_task(f"c{number}") for number in range(3)])
    await store.admin.execute(ENDED.format(each=4000))
    await store.admin.execute("VACUUM ANALYZE syncline.tasks, syncline.collections")
    everything = await listed(Reader(store.pool))
    assert len(everything) == 12_003
    for limit in (3, 700, 5000):
        newest = [[row for row in everything if row["collection"] == f"c{number}"][-limit:] for number in range(3)]
        expected = sorted(itertools.chain(*newest), key=lambda row: (row["created_at"], row["task"]))
        assert await listed(Reader(store.pool), limit=limit) == expected
    explaining = _Explaining(store, "ANALYZE, BUFFERS")
    await listed(Reader(explaining), limit=3)  # type: ignore[arg-type]
    assert sum(plan[0]["Shared Hit Blocks"] + plan[0]["Shared Read Blocks"] for plan in explaining.plans) < 120


async def listed(reader: Reader, *, limit: int = 0) -> list[Any]:
    return await every_row(reader, TaskFilter("s", LONG_AGO, LATER, limit=limit))


async def every_row(reader: Reader, wanted: TaskFilter) -> list[Any]:
    return [row async for page in reader.page_tasks(wanted) for row in page]


@pytest.mark.parametrize("is_analyzed", [False, True])
async def test_a_list_of_collections_reads_no_tasks_of_other_ones(store: Store, *, is_analyzed: bool) -> None:
    """Also by a plan that was made while the week was empty."""
    await schedule_tasks(store.pool, [a_task(f"c{number}") for number in range(20)])
    if is_analyzed:
        await store.admin.execute(ENDED.format(each=200))
        await store.admin.execute("ANALYZE")
    for wanted in (
        TaskFilter("s", LONG_AGO, LATER, "c1"),
        TaskFilter("s", LONG_AGO, LATER, "c1", "SUCCESS"),
        TaskFilter("s", LONG_AGO, LATER, "c1", limit=2),
        TaskFilter("s", LONG_AGO, LATER, "c1", limit=1001),
        TaskFilter("s", LONG_AGO, LATER, limit=2),
    ):
        generic = _GenericPlans(store)
        await every_row(Reader(generic), wanted)  # type: ignore[arg-type]
        scans = [node for plan in generic.plans for node in plan if node.get("Relation Name", "").startswith("tasks_")]
        assert scans
        assert [node for node in scans if "(collection = " not in node["Index Cond"]] == []


# A partition a week, and four collections: `often` has a task every six hours, `weekly` one a week, `once` had one
# a year ago, and `before` had some then.
WEEKS = 60
MANY_WEEKS = """
DO $$
DECLARE
  last record;
  week timestamptz;
BEGIN
  SELECT * INTO last FROM syncline.partitions_of('tasks') WHERE low IS NULL;
  EXECUTE format('DROP TABLE syncline.%I', last.partition);
  week := last.high - interval '60 weeks';
  PERFORM syncline.create_like('tasks', 'tasks_next'), syncline.attach('tasks', 'tasks_next', NULL, week);
  WHILE week < last.high LOOP
    PERFORM syncline.create_like('tasks', 'tasks_next');
    PERFORM syncline.attach('tasks', 'tasks_next', week, week + interval '1 week');
    week := week + interval '1 week';
  END LOOP;
END $$;
INSERT INTO syncline.tasks (task, source, collection, source_type, trigger, priority, max_attempts, status, attempt,
                            failures, rows, created_at, finished_at, version)
SELECT syncline.uuid7(at), 's', c.name, 't', 'api', 1, 3, CASE mod(n, 50) WHEN 0 THEN 'FAILED' ELSE 'SUCCESS' END, 1,
       0, 0, at, at, 3
FROM (VALUES ('often', '6 h', 0, 1600), ('weekly', '1 week', 1, 58), ('once', '1 week', 52, 52),
             ('before', '6 h', 1500, 1520)) AS c (name, step, first, last)
CROSS JOIN LATERAL generate_series(first, last) AS n
CROSS JOIN LATERAL (SELECT now() - interval '10 min' - n * step::interval AS at) AS t;
INSERT INTO syncline.collections (source, collection, task, status, source_type, trigger, priority, max_attempts,
                                  run_at, version, attempt, failures, rows, created_at, cancel_requested, claim,
                                  changed_at, xid, consecutive_failures)
SELECT DISTINCT ON (collection) source, collection, task, status, source_type, trigger, priority, max_attempts,
       created_at, version, attempt, failures, rows, created_at, false, 1, finished_at, '3', 0
FROM syncline.tasks ORDER BY collection, task DESC;
"""


async def test_the_newest_tasks_are_looked_for_in_the_last_weeks_first(store: Store) -> None:
    await store.admin.execute(MANY_WEEKS)
    await store.admin.execute("VACUUM ANALYZE syncline.tasks, syncline.collections")
    often = TaskFilter("s", LONG_AGO, LATER, "often", limit=20)
    assert await weeks_read(store, often) <= 2
    # Only `once` and `before` are looked for everywhere: their first task, their last one, and what is between them.
    both = 2 * 3 * WEEKS
    assert await weeks_read(store, TaskFilter("s", LONG_AGO, LATER, limit=1)) <= both + 100
    assert await weeks_read(store, TaskFilter("s", LONG_AGO, LATER, "often")) >= WEEKS


NO_ID_IS_LATER = UUID(int=2**128 - 1)


@pytest.mark.parametrize(
    ("statement", "statuses", "more"),
    [
        ("newest_of_all", None, (None,)),
        ("newest_of_all", ["SUCCESS", "RUNNING"], (None,)),
        ("newest_without_success", ["FAILED"], (None, None)),
        ("newest_without_success", ["FAILED"], ("s", None)),
        ("newest_of_source", None, (LATER, "s")),
        ("newest_of_collection", None, (LATER, "s", "often")),
    ],
)
async def test_the_newest_tasks_of_many_collections_are_read_from_the_end(
    store: Store, statement: str, statuses: list[str] | None, more: tuple[object, ...]
) -> None:
    await store.admin.execute(MANY_WEEKS)
    await store.admin.execute("VACUUM ANALYZE syncline.tasks, syncline.collections")
    limit = 20
    plan = await executed(store, RECENT[statement], LONG_AGO, NO_ID_IS_LATER, limit, statuses, *more)
    # Of the heads, those of active tasks.
    assert {node for node in bad_nodes(plan, sort=True) if node != "Index Scan collections"} == set()
    of_tasks = [node for node in plan if node.get("Relation Name", "").startswith("tasks_") and "Actual Rows" in node]
    read = sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in of_tasks
    )
    # The first of each week, where they have to be merged.
    assert limit / 2 <= read <= 2 * limit + WEEKS


async def weeks_read(store: Store, wanted: TaskFilter) -> int:
    """How often a week with tasks was looked into."""
    explaining = _Explaining(store, "ANALYZE")
    await every_row(Reader(explaining), wanted)  # type: ignore[arg-type]
    today = f"tasks_{datetime.now(UTC) + timedelta(days=1):%Y%m%d}"
    weeks = [
        node["Actual Loops"]
        for plan in explaining.plans
        for node in plan
        if "tasks_20" <= node.get("Relation Name", "") < today and "Index Cond" in node
    ]
    return sum(weeks)


@pytest.mark.parametrize("status", [None, "SUCCESS", "FAILED", "RUNNING"])
@pytest.mark.parametrize("weeks_ago", [0, 3, 55])
async def test_the_newest_tasks_are_the_last_of_all(store: Store, status: str | None, weeks_ago: int) -> None:
    """Wherever they were found: each list is the ends of the whole one."""
    await store.admin.execute(MANY_WEEKS)
    reader = Reader(store.pool)
    await store.schedule("often")
    end = datetime.now(UTC) - timedelta(weeks=weeks_ago) if weeks_ago else LATER
    names = ("often", "weekly", "once", "before", "none")
    for start in (LONG_AGO, datetime.now(UTC) - timedelta(weeks=weeks_ago + 12)):
        everything = await every_row(reader, TaskFilter("s", start, end, status=status))
        for limit in (1, 3, 25, 1100):
            newest = {name: [row for row in everything if row["collection"] == name][-limit:] for name in names}
            expected = sorted(itertools.chain(*newest.values()), key=lambda row: (row["created_at"], row["task"]))
            assert await every_row(reader, TaskFilter("s", start, end, status=status, limit=limit)) == expected
            for name in names:
                wanted = TaskFilter("s", start, end, name, status, limit)
                assert await every_row(reader, wanted) == newest[name]


@pytest.mark.parametrize(("status", "table"), [("RUNNING", "collections"), ("FAILED", "tasks")])
async def test_where_a_status_is_asked_for_only_the_part_of_the_list_is_read_that_can_have_it(
    store: Store, status: str, table: str
) -> None:
    await schedule_tasks(store.pool, [a_task()])
    explaining = _Explaining(store)
    reader = Reader(explaining)  # type: ignore[arg-type]
    for limit in (0, 1):
        assert [page async for page in reader.page_tasks(TaskFilter("s", LONG_AGO, LATER, "c", status, limit))] == []
    for plan in explaining.plans:
        read = {re.sub(r"_(until_)?\d+$", "", node["Relation Name"]) for node in plan if "Relation Name" in node}
        assert read <= {table}


async def test_a_list_opens_no_week_before_its_interval(store: Store) -> None:
    await schedule_tasks(store.pool, [a_task()])
    await store.admin.execute(ENDED.format(each=3))
    explaining = _Explaining(store, "ANALYZE")
    reader = Reader(explaining)  # type: ignore[arg-type]
    next_week = datetime.now(UTC) + timedelta(days=8)
    assert [page async for page in reader.page_tasks(TaskFilter("s", next_week, LATER))] == []
    [plan] = explaining.plans
    ran = {node["Relation Name"] for node in plan if node.get("Actual Loops", 0) > 0 and "Relation Name" in node}
    assert not [name for name in ran if name.startswith("tasks_until")]
    everything = [
        row async for page in Reader(store.pool).page_tasks(TaskFilter("s", BEFORE_IDS, LATER)) for row in page
    ]
    assert len(everything) == 4


ARRAY, ONE, TASKS = "'{x}'", "'{1}'", "ARRAY['01a2069d-14b4-740c-80f3-a741fed537e7'::uuid]"
WORKER = "'01a2069d-14b4-740c-80f3-a741fed537e7'"
OF_MANY = {
    "schedule_tasks": [ARRAY] * 4 + [ONE, "ARRAY[now()]", ONE, ARRAY, ARRAY, "'syncline'", "NULL"],
    "active_tasks": [ARRAY, ARRAY],
    "append_log": [WORKER, ARRAY, ARRAY, TASKS, ONE, ONE, ONE, ONE, ONE, ONE, ARRAY, ARRAY, ARRAY, "true"],
}


@pytest.mark.parametrize("name", OF_MANY)
async def test_a_plan_that_was_made_in_an_empty_store_looks_up_each_collection(store: Store, name: str) -> None:
    plan = await plan_of(store, (QUEUE | LOG)[name], OF_MANY[name])
    [lookup] = [node for node in plan if node.get("Index Name") == "collections_pkey"]
    assert "source" in lookup["Index Cond"]
    assert "collection" in lookup["Index Cond"]
