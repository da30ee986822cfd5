"""The feed: how fast a consumer reads it by pages, and what consumers that wait for new events cost PostgreSQL.

A consumer asks one API replica for pages of 10,000 events, and decodes each with orjson: it asks for the next page
before it decodes one, or afterwards. Another one decodes with the standard library. Then one consumer, and then a
hundred, follow the feed of a replica while events are appended, and pg_stat_statements counts what the replica sends.
"""

from __future__ import annotations

import json
import re
import socket
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
import psycopg

from benchmarks.history import histories
from benchmarks.product import TOKEN, Api, Product, catalogue
from benchmarks.report import OURS, Figure, Goal, Report
from benchmarks.run import Size, main
from benchmarks.server import COUNTING_STATEMENTS, SETTINGS, Server, durable_server
from benchmarks.statements import EVENTS_A_SECOND, statements_a_second

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.client import HTTPConnection, HTTPResponse

TASKS: Final = Size(full=100_000, small=10_000)
PAGE: Final = 10_000
REPETITIONS: Final = Size(full=5, small=1)
CONSUMERS: Final = (1, 100)
WINDOW_SECONDS: Final = Size(full=30, small=5)
_PATIENCE_SECONDS: Final = 30.0
_AHEAD: Final = f"{OURS}, asked ahead"
_IN_TURN: Final = f"{OURS}, in turn"
_JSON: Final = f"{OURS}, in turn, json"
_NEXT: Final = re.compile('<(.+)>; rel="next"')


def measure() -> Report:
    with histories() as made, tempfile.TemporaryDirectory() as name:
        product = Product(Path(name), made.database(TASKS.value))
        product.write_catalogue(catalogue(1))
        with product.api() as api:
            rates = _rates(api)
    with durable_server(COUNTING_STATEMENTS) as server:
        statements = {str(consumers): [_statements_a_second(server, consumers)] for consumers in CONSUMERS}
    pages = Figure("pages of 10,000 events, decoded", "events/s", rates)
    waiting = Figure("statements of a replica, by live consumers", "1/s", statements)
    one, many = (str(consumers) for consumers in CONSUMERS)
    return Report(
        name="feed",
        title="The feed of events",
        settings={
            "tasks of the history": TASKS.value,
            "window (s)": WINDOW_SECONDS.value,
            "events/s meanwhile": EVENTS_A_SECOND,
            **SETTINGS,
        },
        figures=[pages, waiting],
        goals=[
            Goal("pages, asked ahead: ≥ 100,000 events/s", pages.median(_AHEAD), 100_000, "at least"),
            Goal("pages, in turn: ≥ 100,000 events/s", pages.median(_IN_TURN), 100_000, "at least"),
            Goal(
                "100 live consumers: ≤ 1.1 × the statements of one",
                waiting.median(many) / waiting.median(one),
                1.1,
                "at most",
            ),
        ],
    )


def _rates(api: Api) -> dict[str, list[float]]:
    """Events a second from the first to the last page, of each consumer in turn."""
    consumers: dict[str, Callable[[], int]] = {
        _AHEAD: lambda: _read_ahead(api),
        _IN_TURN: lambda: _read_in_turn(api, orjson.loads),
        _JSON: lambda: _read_in_turn(api, json.loads),
    }
    rates: dict[str, list[float]] = {name: [] for name in consumers}
    counts = set()
    for _ in range(REPETITIONS.value):
        for name, read in consumers.items():
            began = time.monotonic()
            events = read()
            rates[name].append(events / (time.monotonic() - began))
            counts.add(events)
    if len(counts) > 1:
        raise RuntimeError(f"consumers have read different numbers of events: {sorted(counts)}")
    return rates


def _read_in_turn(api: Api, decode: Callable[[bytes], Any]) -> int:
    """Read all events as a consumer that decodes a page before it asks for the next one."""
    events, after, more = 0, "0", True
    with api.client() as client:
        while more:
            _ask(client, f"?limit={PAGE}&after={after}")
            page = decode(client.getresponse().read())
            events += len(page["events"])
            after, more = page["next"], page["more"]
    return events


def _read_ahead(api: Api) -> int:
    """Read all events as a consumer that decodes a page while the server makes the next one."""
    events, more = 0, True
    with api.client() as client:
        _ask(client, f"?limit={PAGE}&after=0")
        while more:
            answer = client.getresponse()
            document, link = answer.read(), _NEXT.fullmatch(answer.headers.get("Link", ""))
            if link:
                _ask(client, link[1])
            page = orjson.loads(document)
            events += len(page["events"])
            more = link is not None
    return events


def _ask(client: HTTPConnection, query: str) -> None:
    client.request("GET", f"/api/v1/events{query}", headers={"X-Admin-Token": TOKEN})


def _statements_a_second(server: Server, consumers: int) -> float:
    """What a replica sends while that many consumers follow, and events are appended."""
    with (
        tempfile.TemporaryDirectory() as name,
        server.database(migrated=True) as url,
        psycopg.connect(server.url, autocommit=True) as counting,
        psycopg.connect(url, autocommit=True) as writing,
        ExitStack() as stack,
    ):
        product = Product(Path(name), url)
        product.write_catalogue(catalogue(1))
        api = stack.enter_context(product.api())
        followers = [stack.enter_context(_following(api)) for _ in range(consumers)]
        rate = statements_a_second(counting, writing, url, seconds=WINDOW_SECONDS.value)
        for follower in followers:
            follower.wait_for(WINDOW_SECONDS.value * EVENTS_A_SECOND)
        return rate


class _Follower(threading.Thread):
    """A consumer that counts the events of its stream."""

    def __init__(self, answer: HTTPResponse) -> None:
        super().__init__(daemon=True)
        self._answer = answer
        self._came = threading.Condition()
        self._events = 0

    def run(self) -> None:
        with suppress(OSError, ValueError):  # the connection is closed at the end
            for line in self._answer:
                if line.startswith(b"data: "):
                    with self._came:
                        self._events += 1
                        self._came.notify()

    def wait_for(self, events: int) -> None:
        with self._came:
            if not self._came.wait_for(lambda: self._events >= events, timeout=_PATIENCE_SECONDS):
                raise RuntimeError(f"a consumer has only {self._events} of {events} events")


@contextmanager
def _following(api: Api) -> Iterator[_Follower]:
    with api.client() as client:
        client.request("GET", "/api/v1/events", headers={"X-Admin-Token": TOKEN, "Accept": "text/event-stream"})
        answer = client.getresponse()
        if answer.status != HTTPStatus.OK:
            raise RuntimeError(f"a stream was answered with {answer.status}: {answer.read()!r}")
        follower = _Follower(answer)
        follower.start()
        try:
            yield follower
        finally:
            # Closing alone would wait for the thread that reads.
            client.sock.shutdown(socket.SHUT_RDWR)
            follower.join()


if __name__ == "__main__":
    main(measure)
