"""GETs over a long history, compared with the same statements behind a bare starlette, and with a short history.

A task, lists, and pages of logs, with 10,000,000 tasks, 40,000,000 events and 60,000,000 log lines, or less if the disk
is too small, and with 10,000 tasks. Both have many weeks of partitions. Four servers answer in turn: `syncline api` and
the bare one, over each of the histories, with the same options of uvicorn and the same settings of the connections to
the database.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg

from benchmarks.bare_api import CONNECTIONS as DATABASE_CONNECTIONS
from benchmarks.history import COLLECTIONS_OF_A_SOURCE, SOURCES, histories
from benchmarks.product import TOKEN, Api, Product, free_port
from benchmarks.programs import Program, run
from benchmarks.report import OURS, Figure, Goal, Report
from benchmarks.requests import requests
from benchmarks.run import Size, main
from benchmarks.server import SETTINGS
from tests.servers.postgres import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG: Final = Size(full=10_000_000, small=20_000)
SHORT: Final = Size(full=10_000, small=10_000)
REQUESTS: Final = Size(full=1000, small=100)
REPETITIONS: Final = Size(full=4, small=1)
CONNECTIONS: Final = 4
_COUNTS: Final = "SELECT (SELECT count(*) FROM syncline.events), (SELECT count(*) FROM syncline.log_events)"
BARE: Final = "bare starlette + asyncpg"
OURS_SHORT: Final = f"{OURS}, short history"
BARE_SHORT: Final = f"{BARE}, short history"


def measure() -> Report:
    with histories() as made, tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        tasks = made.possible(LONG.value)
        short, long = made.database(SHORT.value), made.database(tasks)
        with psycopg.connect(long) as connection:
            counts = connection.execute(_COUNTS).fetchone()
        assert counts is not None
        sides = {
            OURS: stack.enter_context(_ours(Path(name) / "long", long)),
            BARE: stack.enter_context(_bare(Path(name) / "long", long)),
            OURS_SHORT: stack.enter_context(_ours(Path(name) / "short", short)),
            BARE_SHORT: stack.enter_context(_bare(Path(name) / "short", short)),
        }
        gets_of = {OURS: requests(long), OURS_SHORT: requests(short)}
        gets_of |= {BARE: gets_of[OURS], BARE_SHORT: gets_of[OURS_SHORT]}
        figures, goals = [], []
        for kind in gets_of[OURS]:
            paths = {side: [f"/api/v1{get.target}" for get in gets[kind]] for side, gets in gets_of.items()}
            runs = _in_turn(kind, sides, paths, Path(name))
            rates = Figure(kind, "requests/s", {side: [run["rate"] for run in own] for side, own in runs.items()})
            p95 = Figure(f"{kind}, p95", "ms", {side: [run["p95"] for run in own] for side, own in runs.items()})
            figures += [rates, p95]
            goals += [
                Goal(f"{kind}: ≥ 0.65 × bare", rates.ratio(BARE), 0.65, "at least"),
                Goal(f"{kind}: p95 < 20 ms", p95.median(), 20, "at most"),
                Goal(
                    f"{kind}: costs ≤ 1.1 × what it costs with {SHORT.value:,} tasks",
                    1 / rates.ratio(OURS_SHORT),
                    1.1,
                    "at most",
                ),
            ]
    return Report(
        name="reads",
        title=f"Reads with {tasks:,} tasks",
        settings={
            "tasks": tasks,
            "events": counts[0],
            "log lines": counts[1],
            "tasks of the short history": SHORT.value,
            "requests a run": REQUESTS.value,
            "connections": CONNECTIONS,
            "connections to the database": DATABASE_CONNECTIONS,
            **SETTINGS,
        },
        figures=figures,
        goals=goals,
        notes=[f"The disk has room for {tasks:,} of {LONG.value:,} tasks."] if tasks < LONG.value else [],
    )


def _in_turn(
    kind: str, sides: dict[str, Api], paths: dict[str, list[str]], directory: Path
) -> dict[str, list[dict[str, Any]]]:
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for number in range(REPETITIONS.value + 1):
        for side, api in sides.items():
            measured = _load(api, paths[side], directory)
            if number:  # the first turn fills the caches
                runs[side].append(measured)
            print(f"{kind}, {side}: {measured['rate']:,.0f}/s", flush=True)
    return runs


def _load(api: Api, paths: list[str], directory: Path) -> dict[str, Any]:
    file = directory / "paths"
    file.write_text("\n".join(paths))
    numbers = (api.port, CONNECTIONS, REQUESTS.value)
    command = [sys.executable, "-m", "benchmarks.get_load", *map(str, numbers), str(file)]
    measured: dict[str, Any] = json.loads(
        run(command, output=directory / "load.log", environment={"PYTHONPATH": str(ROOT)})
    )
    if measured["statuses"] != {"200": REQUESTS.value}:
        raise RuntimeError(f"expected {REQUESTS.value} × 200, got {measured['statuses']}")
    return measured | {"rate": REQUESTS.value / measured["seconds"]}


@contextmanager
def _ours(directory: Path, url: str) -> Iterator[Api]:
    directory.mkdir(exist_ok=True)
    product = Product(directory, url)
    collections = [f"collection_{number}" for number in range(COLLECTIONS_OF_A_SOURCE)]
    source = {"type": "synthetic", "destinations": ["nowhere"], "collections": collections}
    product.write_catalogue(
        {
            "server": {"admin_token": TOKEN},
            "destinations": {"nowhere": {"type": "none"}},
            "sources": {f"source_{number}": source for number in range(SOURCES)},
        }
    )
    with product.api() as api:
        yield api


@contextmanager
def _bare(directory: Path, url: str) -> Iterator[Api]:
    directory.mkdir(exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.bare_reads", url, str(port)]
    with Program(command, output=directory / "bare.log", environment={"PYTHONPATH": str(ROOT)}) as program:
        api = Api(program, port)
        program.wait_for("the bare API", api.is_ready)
        yield api


if __name__ == "__main__":
    main(measure)
