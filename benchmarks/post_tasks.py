"""POST /tasks over 32 persistent connections, compared with a bare starlette application that does one INSERT for each.

Every POST names another collection, so that each is a new task (201: four rows and an event in one statement);
a second pass requests the same again (200: the active task's id). No worker runs. Both servers have the same options of
uvicorn, uvloop, httptools and the same number of connections to the database.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.bare_api import CONNECTIONS as DATABASE_CONNECTIONS
from benchmarks.product import Api, Product, catalogue, free_port
from benchmarks.programs import Program, run
from benchmarks.report import OURS, Figure, Goal, Report
from benchmarks.run import Size, main
from benchmarks.server import Server, durable_server, settle
from tests.servers.postgres import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

REQUESTS: Final = Size(full=10_000, small=1_000)
REPETITIONS: Final = Size(full=3, small=1)
WARMING: Final = 500
CONNECTIONS: Final = 32
BARE: Final = "bare starlette + asyncpg"


def measure() -> Report:
    sides: dict[str, Callable[[Server, Path], AbstractContextManager[Api]]] = {OURS: _ours, BARE: _bare}
    created: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    repeated: list[dict[str, Any]] = []
    with durable_server() as server:
        for _ in range(REPETITIONS.value):
            for side, start in sides.items():
                with tempfile.TemporaryDirectory() as name, start(server, Path(name)) as api:
                    created[side].append(_post(api, Path(name), expected=201))
                    if side == OURS:
                        repeated.append(_post(api, Path(name), expected=200))
                print(f"{side}: {_rates(created[side])[-1]:,.0f}/s", flush=True)
    rates = Figure("new task (201)", "requests/s", {side: _rates(runs) for side, runs in created.items()})
    return Report(
        name="post_tasks",
        title="POST /tasks",
        settings={
            "requests": REQUESTS.value,
            "connections": CONNECTIONS,
            "connections to the database": DATABASE_CONNECTIONS,
            **server.settings,
        },
        figures=[
            rates,
            Figure("new task (201), p99", "ms", {side: [run["p99"] for run in runs] for side, runs in created.items()}),
            Figure("active task again (200)", "requests/s", {OURS: _rates(repeated)}),
            Figure(
                "CPU of the client",
                "% of a core",
                {side: [100 * run["cpu"] / run["seconds"] for run in runs] for side, runs in created.items()},
            ),
        ],
        goals=[Goal("≥ 0.5 × bare starlette + asyncpg with one INSERT", rates.ratio(BARE), 0.5, "at least")],
    )


@contextmanager
def _ours(server: Server, directory: Path) -> Iterator[Api]:
    with server.database(migrated=True) as url:
        product = Product(directory, url)
        product.write_catalogue(catalogue(WARMING + REQUESTS.value))
        with product.api() as api:
            _warm(api, directory, url)
            yield api


@contextmanager
def _bare(server: Server, directory: Path) -> Iterator[Api]:
    port = free_port()
    with server.database() as url:
        command = [sys.executable, "-m", "benchmarks.bare_api", url, str(port)]
        with Program(command, output=directory / "bare.log", environment={"PYTHONPATH": str(ROOT)}) as program:
            api = Api(program, port)
            program.wait_for("the bare API", api.is_ready)
            _warm(api, directory, url)
            yield api


def _warm(api: Api, directory: Path, url: str) -> None:
    _load(api, directory, 0, WARMING)
    settle(url)


def _post(api: Api, directory: Path, *, expected: int) -> dict[str, Any]:
    answer = _load(api, directory, WARMING, WARMING + REQUESTS.value)
    if answer["statuses"] != {str(expected): REQUESTS.value}:
        raise RuntimeError(f"expected {REQUESTS.value} × {expected}, got {answer['statuses']}")
    return answer


def _load(api: Api, directory: Path, first: int, last: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.load", *map(str, (api.port, CONNECTIONS, first, last))]
    printed = run(command, output=directory / "load.log", environment={"PYTHONPATH": str(ROOT)})
    answer: dict[str, Any] = json.loads(printed)
    return answer


def _rates(runs: list[dict[str, Any]]) -> list[float]:
    return [REQUESTS.value / run["seconds"] for run in runs]


if __name__ == "__main__":
    main(measure)
