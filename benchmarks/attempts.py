"""Whole syncs through a worker: how many a second, how soon one alone has succeeded, and what they hold in memory.

A sync loads ten synthetic records into a table of PostgreSQL that is there already. The previous release does the same
in the same way; dlt and Meltano do it with a program for each sync. Last comes a whole sync with `tap-postgres`.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import taps
from benchmarks.attempt_memory import megabytes_of_all, megabytes_of_each
from benchmarks.peer_queues import PREVIOUS
from benchmarks.pickup import percentile
from benchmarks.product import Product, catalogue, names
from benchmarks.programs import held
from benchmarks.releases import LAST, THIS, Release, post, succeeded, sync, until_succeeded
from benchmarks.report import OURS, Figure, Goal, Report
from benchmarks.run import Size, is_wanted, main
from benchmarks.server import Server, durable_server, settle
from benchmarks.singer_peers import TAP
from benchmarks.sync_peers import AT_ONCE, PEERS_IN_TURN, RECORDS, check_tables, missing, syncs_a_second

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPConnection

    from benchmarks.programs import Program

COLLECTIONS: Final = Size(full=200, small=20)
ALONE: Final = Size(full=100, small=10)
TOGETHER: Final = Size(full=50, small=5)
SYNCS_OF_PEERS: Final = {"dlt": Size(full=40, small=3), "meltano run": Size(full=20, small=2)}
REPETITIONS: Final = Size(full=3, small=1)
SLOTS: Final = 8
TIMES_AS_MANY: Final = {PREVIOUS.name: 12, "dlt": 25, "meltano run": 50}
MOST_MILLISECONDS: Final = {50: 60, 99: 150}
MOST_MEGABYTES: Final = 15
MOST_IDLE_MEGABYTES: Final = 120
_PAUSE_SECONDS: Final = 0.03
_SETTLING_SECONDS: Final = 3.0
_RATE, _MEMORY, _IDLE = "syncs", "memory of an attempt (PSS)", "worker and its attempt servers, idle (PSS)"

Runs = dict[str, list[float]]


def measure() -> Report:
    left_out = [] if (why := PREVIOUS.missing()) is None else [why]
    releases = [each for each in (THIS, LAST) if is_wanted(each.name) and not (each is LAST and left_out)]
    peers = [peer for peer in PEERS_IN_TURN if is_wanted(peer.name) and missing(peer) is None]
    left_out += [why for peer in PEERS_IN_TURN if (why := missing(peer))]
    runs: dict[str, Runs] = defaultdict(lambda: defaultdict(list))
    with durable_server() as server:
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            url = stack.enter_context(server.database_over_tcp())
            services = {each.name: stack.enter_context(each.product(server)) for each in releases}
            # The first turn makes the tables, and is not counted.
            for turn in range(REPETITIONS.value + 1):
                for side, product in services.items():
                    _keep(turn, side, runs, turn_of(product))
                for peer in peers:
                    rate = syncs_a_second(peer, url, directory, SYNCS_OF_PEERS[peer.name].value)
                    _keep(turn, peer.name, runs, {_RATE: rate})
        for _ in range(REPETITIONS.value):
            for each in releases:
                _keep(1, each.name, runs, {_MEMORY: memory_of(server, each)})
        units = {_RATE: "1/s", _MEMORY: "MB", _IDLE: "MB"}
        figures = [Figure(_title(what), units.get(what, "ms"), dict(by_side)) for what, by_side in runs.items()]
        goals = list(goals_of(runs))
        if (why := TAP.missing()) is None:
            tap = taps.measured(
                server, [side for side in (taps.ALONE, OURS) if is_wanted(side)], repetitions=REPETITIONS.value
            )
            figures += [Figure(f"tap-postgres, {each.what}", each.unit, each.runs) for each in tap]
            goals += [Goal(f"tap-postgres, {g.text}", g.measured, g.bound, g.kind) for g in taps.goals_of(*tap)]
        else:
            left_out.append(why)
    return Report(
        name="attempts",
        title="Whole syncs, each an attempt",
        settings={
            "records of a sync": RECORDS,
            "pool.size": SLOTS,
            "syncs at once of a peer": AT_ONCE,
            "syncs one alone": ALONE.value,
            **({PREVIOUS.name: PREVIOUS.version()} if LAST in releases else {}),
            **{package.name: package.version() for peer in peers for package in peer.packages},
            **server.settings,
        },
        figures=figures,
        goals=goals,
        notes=list(dict.fromkeys(left_out)),
    )


def turn_of(product: Product) -> dict[str, float]:
    """Starts the release's worker and API, and measures its syncs and what it holds in memory afterwards."""
    product.write_catalogue(_catalogue(product, COLLECTIONS.value, SLOTS))
    with product.registered_worker() as worker:
        with product.api() as api, api.client() as client:
            time.sleep(_SETTLING_SECONDS)
            sync(client, *names(0))
            settle(product.url)
            alone = [1000 * sync_alone(client, number % COLLECTIONS.value) for number in range(ALONE.value)]
            rate = rate_of(product, worker, client)
        check_tables(product.url, [("loaded", "_".join(names(number))) for number in range(COLLECTIONS.value)])
        # Without the API, which would share memory with the worker.
        time.sleep(_SETTLING_SECONDS)
        idle = megabytes_of_all(worker)
        worker.stop()
    return {_RATE: rate, **{_alone(share): percentile(alone, share) for share in MOST_MILLISECONDS}, _IDLE: idle}


def sync_alone(client: HTTPConnection, number: int) -> float:
    """Seconds from the request to the success of a sync, a while after the one before."""
    time.sleep(_PAUSE_SECONDS)
    return sync(client, *names(number))


def rate_of(product: Product, worker: Program, client: HTTPConnection) -> float:
    """Syncs a second of all collections, from the worker's release to the last success."""
    expected = succeeded(product.url) + COLLECTIONS.value
    with held([worker]):
        for number in range(COLLECTIONS.value):
            post(client, *names(number))
        began = time.time()
    return COLLECTIONS.value / (until_succeeded(worker, product.url, expected) - began)


def memory_of(server: Server, release: Release) -> float:
    """Megabytes of an attempt among many at once: the mean, because what they share is told apart by their number."""
    with release.product(server) as product:
        product.write_catalogue(_catalogue(product, TOGETHER.value, TOGETHER.value))
        megabytes = megabytes_of_each(product, TOGETHER.value)
    return sum(megabytes) / len(megabytes)


def _catalogue(product: Product, collections: int, slots: int) -> dict[str, object]:
    parameters = {"records": RECORDS, "log_lines": 0}
    destination = {"type": "postgres", "url": product.url, "schema": "loaded"}
    return catalogue(collections, parameters=parameters, slots=slots, destination=destination)


def _keep(turn: int, side: str, runs: dict[str, Runs], values: Mapping[str, float]) -> None:
    print(f"{side}: {', '.join(f'{what} {value:.3g}' for what, value in values.items())}", flush=True)
    for what, value in values.items():
        if turn:
            runs[what][side].append(value)


def _alone(share: int) -> str:
    return f"POST → SUCCESS of one alone, p{share}"


def _title(what: str) -> str:
    return {
        _RATE: f"{COLLECTIONS.value} syncs of {RECORDS} records into PostgreSQL",
        _MEMORY: f"memory of an attempt, {TOGETHER.value} at once (PSS)",
    }.get(what, what)


def goals_of(runs: Mapping[str, Runs]) -> list[Goal]:
    def ours(what: str) -> float:
        return Figure(what, "", dict(runs[what])).median()

    if OURS not in runs[_RATE]:
        return []
    rates = Figure(_RATE, "", dict(runs[_RATE]))
    goals = [
        Goal(f"≥ {times} × as many syncs a second as {side}", rates.ratio(side), times, "at least")
        for side, times in TIMES_AS_MANY.items()
        if side in rates.runs
    ]
    limits: dict[str, tuple[int, str]] = {_alone(share): (most, "ms") for share, most in MOST_MILLISECONDS.items()}
    limits |= {_MEMORY: (MOST_MEGABYTES, "MB"), _IDLE: (MOST_IDLE_MEGABYTES, "MB")}
    return goals + [
        Goal(f"{what} ≤ {most} {unit}", ours(what), most, "at most") for what, (most, unit) in limits.items()
    ]


if __name__ == "__main__":
    main(measure)
