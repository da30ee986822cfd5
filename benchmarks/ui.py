"""The pages over a long history: what an answer takes, when a page is usable in Chromium, and what open pages cost.

1,000,000 tasks of 10,000 collections, which all have a schedule, and a task with a log of 1,000,000 lines. Between two
requests lies more than a second, so that nothing which pages share is left. Then one page, and then fifty, renew
themselves as a browser's do while events are appended; pg_stat_statements counts what the replica sends meanwhile.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import psycopg
from playwright.sync_api import sync_playwright

from benchmarks.history import BUSY_COLLECTIONS, BUSY_SOURCE, SOURCES, Histories, Shape, histories
from benchmarks.product import LOOPBACK, TOKEN, Api, Product
from benchmarks.report import Figure, Goal, Report
from benchmarks.run import Size, main
from benchmarks.server import SETTINGS
from benchmarks.statements import EVENTS_A_SECOND, statements_a_second

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from http.client import HTTPConnection, HTTPResponse

    from playwright.sync_api import Page

TASKS: Final = Size(full=1_000_000, small=10_000)
COLLECTIONS: Final = Size(full=10_000, small=400)
LINES: Final = Size(full=1_000_000, small=10_000)
REPETITIONS: Final = Size(full=10, small=2)
OPEN_PAGES: Final = 50
WINDOW_SECONDS: Final = Size(full=30, small=6)
MOST_MS: Final = 200
MOST_MS_IN_A_BROWSER: Final = 1000
_PACE_SECONDS: Final = 2.0
# What pages share is kept for a second.
_PAUSE_SECONDS: Final = 1.1
_LONG_AGO: Final = timedelta(days=40)
_OF_BROWSERS: Final = {"Sec-Fetch-Site": "same-origin"}
_FIRE_TIMES: Final = """
    INSERT INTO syncline.fire_times (source, collection, fire_time, outcome, misfire, reason, task, worker, decided_at)
    SELECT source, collection, at, CASE WHEN mod(nth, 50) = 0 THEN 'skipped' ELSE 'started' END, 'latest',
           CASE WHEN mod(nth, 50) = 0 THEN 'overlap' END,
           CASE WHEN mod(nth, 50) > 0 THEN tasks[1 + mod(nth, cardinality(tasks))] END, gen_random_uuid(), at
    FROM (
      SELECT source, collection, array_agg(task ORDER BY task DESC) AS tasks FROM syncline.tasks
      WHERE task >= syncline.uuid7_floor(syncline.clock() - interval '30 days') GROUP BY source, collection
    ) AS run
    CROSS JOIN LATERAL (SELECT source = 'source_0' AND substr(collection, 12)::integer < %(busy)s) AS is_busy (busy)
    CROSS JOIN LATERAL generate_series(
      date_trunc('hour', syncline.clock()) - CASE WHEN busy THEN interval '30 days' ELSE interval '7 days' END,
      syncline.clock(),
      CASE WHEN busy THEN interval '5 minutes' ELSE interval '1 hour' END
    ) WITH ORDINALITY AS fire (at, nth)
    ORDER BY at
    ON CONFLICT DO NOTHING
"""
_WRITTEN: Final = """
    SELECT count(*), EXISTS (SELECT FROM syncline.workers WHERE state = 'active') FROM syncline.schedules
"""
_TASK_WITH: Final = """
    SELECT source || '_' || collection || '_' || task FROM syncline.tasks WHERE status = %s ORDER BY task DESC LIMIT 1
"""
_TASK_WITH_LONG_LOG: Final = """
    SELECT source || '_' || collection || '_' || task FROM syncline.tasks
    WHERE task = (SELECT task FROM syncline.log_events GROUP BY task ORDER BY count(*) DESC LIMIT 1)
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """Pages by what people look at; a path may differ from one request to the next, so that nothing is remembered."""

    paths: dict[str, Callable[[int], str]]

    @property
    def live(self) -> list[str]:
        """Those of now, which renew themselves."""
        return [path(0) for path in self.paths.values() if not path(0).startswith("/at/")]


def measure() -> Report:
    with histories(counts_statements=True) as made, tempfile.TemporaryDirectory() as name:
        shape = Shape(COLLECTIONS.value // SOURCES, TASKS.value, LINES.value)
        url = made.database(TASKS.value, shape)
        product = Product(Path(name), url)
        product.write_catalogue(_catalogue(shape))
        _schedule(product, url, shape)
        shown = _pages(url)
        with product.api() as api:
            server = _time_answers(api, shown)
            browser = _time_in_browser(api, shown)
            statements = _count_statements(made, url, api, shown)
    answers = Figure("until the whole answer is there", "ms", server)
    usable = Figure("until it is usable in Chromium", "ms", browser)
    waiting = Figure("statements of a replica, by open pages", "1/s", statements)
    one, many, each, all_kinds = statements
    return Report(
        name="ui",
        title="The pages",
        settings={
            "tasks": TASKS.value,
            "collections": shape.collections,
            "lines of the long log": LINES.value,
            "window (s)": WINDOW_SECONDS.value,
            "events/s meanwhile": EVENTS_A_SECOND,
            **SETTINGS,
        },
        figures=[answers, usable, waiting],
        goals=[
            *(_goal(answers, page, "answered", MOST_MS) for page in server),
            *(_goal(usable, page, "usable", MOST_MS_IN_A_BROWSER) for page in browser),
            *(_goal_of_many(waiting, more, fewer) for fewer, more in ((one, many), (each, all_kinds))),
        ],
    )


def _goal(figure: Figure, page: str, what: str, most: float) -> Goal:
    return Goal(f"{page}: {what} in ≤ {most:,} ms", figure.median(page), most, "at most")


def _goal_of_many(figure: Figure, more: str, fewer: str) -> Goal:
    ratio = figure.median(more) / figure.median(fewer)
    return Goal(f"{more}: ≤ 1.1 × the statements of {fewer}", ratio, 1.1, "at most")


def _catalogue(shape: Shape) -> dict[str, Any]:
    def source(number: int) -> dict[str, Any]:
        collections = [
            {
                "name": f"collection_{each}",
                "schedule": "*/5 * * * *" if number == 0 and each < BUSY_COLLECTIONS else "0 * * * *",
            }
            for each in range(shape.collections_of_a_source)
        ]
        return {
            "type": "synthetic",
            "destinations": ["nowhere"],
            "owner": f"team {number}",
            "labels": ["nightly"] if number % 2 else [],
            "collections": collections,
        }

    return {
        "server": {"admin_token": TOKEN, "sync_tasks": {"pool": {"size": 1}}},
        "destinations": {"nowhere": {"type": "none"}},
        "sources": {f"source_{number}": source(number) for number in range(SOURCES)},
    }


def _schedule(product: Product, url: str, shape: Shape) -> None:
    """Let a worker write down the schedules, and write what became of the fire times before."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_FIRE_TIMES, {"busy": BUSY_COLLECTIONS})

        def are_written() -> bool:
            return connection.execute(_WRITTEN).fetchone() == (shape.collections, True)

        with product.worker() as worker:
            worker.wait_for("the schedules", are_written)
            worker.stop()
        connection.execute("VACUUM (ANALYZE) syncline.fire_times, syncline.schedules")


def _pages(url: str) -> Shown:
    with psycopg.connect(url) as connection:
        [(failed,)] = connection.execute(_TASK_WITH, ["FAILED"]).fetchall()
        [(long_log,)] = connection.execute(_TASK_WITH_LONG_LOG).fetchall()
    collection = urlencode({"source": BUSY_SOURCE, "collection": "collection_1"})
    begin = datetime.now(UTC) - _LONG_AGO

    def at(number: int) -> str:
        return f"/at/{begin - timedelta(seconds=number):%Y-%m-%dT%H:%M:%SZ}"

    last_page = COLLECTIONS.value - 50
    return Shown(
        {
            "overview": lambda _: "/",
            "overview, filtered": lambda _: f"/?{urlencode({'q': 'owner:team label:nightly state:failing'})}",
            "overview, last page": lambda _: f"/?from={last_page}",
            "overview, past": lambda number: f"{at(number)}",
            "timeline, 6 h": lambda _: "/timeline",
            "timeline, 30 days": lambda _: "/timeline?period=30d",
            "timeline, past": lambda number: f"{at(number)}/timeline",
            "failures, 30 days": lambda _: "/failures?since=30d",
            "failures, past": lambda number: f"{at(number)}/failures",
            "collection": lambda _: f"/collection?{collection}",
            "collection, past": lambda number: f"{at(number)}/collection?{collection}",
            "failed task": lambda _: f"/tasks/{quote(failed)}",
            "long log": lambda _: f"/tasks/{quote(long_log)}",
            "long log, a word that is not there": lambda _: (
                f"/tasks/{quote(long_log)}?{urlencode({'find': 'nowhere'})}"
            ),
            "events": lambda _: "/events",
            "events, of one source": lambda _: f"/events?{urlencode({'q': 'source:source_7'})}",
            "events, none that match": lambda _: f"/events?{urlencode({'q': 'by:nobody'})}",
            "events, past": lambda number: f"{at(number)}/events",
            "workers": lambda _: "/workers",
            "sources": lambda _: "/sources",
        }
    )


def _time_answers(api: Api, shown: Shown) -> dict[str, list[float]]:
    """Milliseconds of each request, by page."""
    runs: dict[str, list[float]] = {page: [] for page in shown.paths}
    with api.client() as client:
        headers = {"Cookie": _log_in(client)}
        for number in range(REPETITIONS.value + 1):
            for page, path in shown.paths.items():
                time.sleep(_PAUSE_SECONDS)
                began = time.perf_counter()
                client.request("GET", path(number), headers=headers)
                _read(client.getresponse(), path(number))
                if number:  # the first turn fills the caches
                    runs[page].append(1000 * (time.perf_counter() - began))
            print(*(f"{page}: {took[-1]:.0f} ms" for page, took in runs.items() if took), sep="\n", flush=True)
    return runs


def _time_in_browser(api: Api, shown: Shown) -> dict[str, list[float]]:
    """Milliseconds from the navigation to the end of the load event, by page."""
    runs: dict[str, list[float]] = {page: [] for page in shown.paths}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(base_url=f"http://{LOOPBACK}:{api.port}")
        page.goto("/login")
        page.fill("input[name=token]", TOKEN)
        page.press("input[name=token]", "Enter")
        page.wait_for_url("/")
        for number in range(REPETITIONS.value):
            for name, path in shown.paths.items():
                time.sleep(_PAUSE_SECONDS)
                runs[name].append(_usable_after(page, path(100 + number)))
        browser.close()
    return runs


def _usable_after(page: Page, path: str) -> float:
    page.goto(path, wait_until="load")
    page.wait_for_function("performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
    return float(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))


def _log_in(client: HTTPConnection) -> str:
    """The cookie of somebody who may do everything."""
    client.request("POST", "/login", urlencode({"token": TOKEN}), _OF_BROWSERS)
    answer = client.getresponse()
    answer.read()
    return str(answer.headers["Set-Cookie"]).partition(";")[0]


def _read(answer: HTTPResponse, path: str) -> None:
    body = answer.read()
    if answer.status != HTTPStatus.OK:
        raise RuntimeError(f"{path} was answered with {answer.status}: {body!r}")


def _count_statements(made: Histories, url: str, api: Api, shown: Shown) -> dict[str, list[float]]:
    live = shown.live
    open_pages = {
        "1 overview": ["/"],
        f"{OPEN_PAGES} overviews": ["/"] * OPEN_PAGES,
        f"{len(live)} different pages": live,
        f"{OPEN_PAGES} of these": [live[number % len(live)] for number in range(OPEN_PAGES)],
    }
    return {what: [_statements_a_second(made.server_url, url, api, paths)] for what, paths in open_pages.items()}


def _statements_a_second(server_url: str, url: str, api: Api, paths: Sequence[str]) -> float:
    """What the replica sends while these pages are open, and events are appended."""
    with (
        psycopg.connect(server_url, autocommit=True) as counting,
        psycopg.connect(url, autocommit=True) as writing,
        ExitStack() as stack,
    ):
        for path in paths:
            stack.enter_context(_opened(api, path))
        began, busy = time.monotonic(), api.program.cpu_seconds()
        rate = statements_a_second(counting, writing, url, seconds=WINDOW_SECONDS.value)
        share = (api.program.cpu_seconds() - busy) / (time.monotonic() - began)
        print(f"{len(paths)} open pages: {rate:.1f} statements/s, {100 * share:.0f} % of a core", flush=True)
        return rate


class _OpenPage(threading.Thread):
    """A page in a browser: told that something has happened, it asks again, at most every two seconds."""

    def __init__(self, stream: HTTPResponse, client: HTTPConnection, path: str, cookie: str) -> None:
        super().__init__(daemon=True)
        self._stream, self._client, self._path = stream, client, path
        self._headers = {"Cookie": cookie, "HX-Request": "true"}

    def run(self) -> None:
        asked = 0.0
        with suppress(OSError, ValueError):  # the connection is closed at the end
            for line in self._stream:
                if line.startswith(b"event: changed"):
                    time.sleep(max(0.0, asked + _PACE_SECONDS - time.monotonic()))
                    asked = time.monotonic()
                    self._client.request("GET", self._path, headers=self._headers)
                    _read(self._client.getresponse(), self._path)


@contextmanager
def _opened(api: Api, path: str) -> Iterator[None]:
    with api.client() as asking, api.client() as listening:
        cookie = _log_in(asking)
        listening.request("GET", "/live", headers={"Cookie": cookie})
        stream = listening.getresponse()
        if stream.status != HTTPStatus.OK:
            raise RuntimeError(f"a stream was answered with {stream.status}: {stream.read()!r}")
        page = _OpenPage(stream, asking, path, cookie)
        page.start()
        try:
            yield
        finally:
            # Closing alone would wait for the thread that reads.
            listening.sock.shutdown(socket.SHUT_RDWR)
            page.join()


if __name__ == "__main__":
    main(measure)
