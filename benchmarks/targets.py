"""Recorded Singer messages into PostgreSQL: our side (parser and load) and `target-postgres`, on the same stream.

The target runs with its defaults, and with the settings with which it is fastest. All sides are whole processes,
measured from start to end; ours is an attempt whose tap is `cat`. Each turn has another stream with the same keys and
other values; the first one fills the table and is not counted.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.sql import SQL, Identifier

from benchmarks.attempt import Ended, attempted, job_of, ran
from benchmarks.loading import record
from benchmarks.report import OURS, Figure, Goal, Report
from benchmarks.run import Size, is_wanted, main
from benchmarks.server import durable_server
from benchmarks.singer_peers import TARGET, TARGET_AT_ITS_FASTEST, format_settings, postgres_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RECORDS: Final = Size(full=1_000_000, small=5_000)
REPETITIONS: Final = Size(full=3, small=1)
FASTER: Final = 4
MOST_MEGABYTES: Final = 150
FASTEST: Final = f"{TARGET.name} at its fastest"
_SCHEMA: Final = "loaded"


def measure() -> Report:
    with durable_server() as server, server.database_over_tcp() as url, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        streams = [record(directory / f"{price}.jsonl", RECORDS.value, price=price, key=["id"]) for price in (1, 2)]
        ways: dict[str, Callable[[Path], Ended]] = {OURS: lambda stream: ours(url, stream)}
        missing = TARGET.missing()
        if missing is None:
            ways[TARGET.name] = lambda stream: theirs(url, stream, schema="theirs", settings={})
            ways[FASTEST] = lambda stream: theirs(url, stream, schema="fastest", settings=TARGET_AT_ITS_FASTEST)
        runs: dict[str, list[Ended]] = {side: [] for side in ways if is_wanted(side)}
        for turn in range(REPETITIONS.value + 1):
            for side, found in runs.items():
                ended = ways[side](streams[turn % 2])
                print(f"{side}: {ended.seconds:.1f} s, {ended.megabytes:.0f} MB", flush=True)
                if turn:
                    found.append(ended)
        rates = {side: [RECORDS.value / each.seconds for each in found] for side, found in runs.items()}
        memory = {side: [each.megabytes for each in found] for side, found in runs.items()}
        figures = [Figure("upsert of all records", "records/s", rates), Figure("largest resident size", "MB", memory)]
        return Report(
            name="targets",
            title="Recorded Singer messages into PostgreSQL",
            settings={
                "records": RECORDS.value,
                "columns": 8,
                **({} if missing else {TARGET.name: TARGET.version(), FASTEST: format_settings(TARGET_AT_ITS_FASTEST)}),
                **server.settings,
            },
            figures=figures,
            goals=list(_goals(*figures)),
            notes=[missing] if missing else [],
        )


def ours(url: str, stream: Path) -> Ended:
    command = ["sh", "-c", 'cat "$0"', str(stream)]
    catalog = {"streams": [{"tap_stream_id": "made", "stream": "made", "schema": {}}]}
    job = job_of(
        "singer",
        {"command": command, "catalog": catalog},
        {"type": "postgres", "url": url, "schema": _SCHEMA},
        name="made",
        data_dir=stream.parent,
        sync_mode="incremental",
    )
    ended, finished = attempted(job)
    if (finished.records_read, finished.rows_written) != (RECORDS.value, RECORDS.value):
        raise RuntimeError(f"{finished.records_read} records were read, {finished.rows_written} were written")
    return ended


def theirs(url: str, stream: Path, *, schema: str, settings: Mapping[str, Any]) -> Ended:
    config = {**postgres_settings(url), "default_target_schema": schema, **settings}
    path = stream.parent / "target.json"
    path.write_text(json.dumps(config))
    ended = ran([TARGET.command("target-postgres"), "--config", str(path)], stream, environment=TARGET.environment)
    with psycopg.connect(url) as connection:
        row = connection.execute(SQL("SELECT count(*) FROM {}").format(Identifier(schema, "made"))).fetchone()
    if row != (RECORDS.value,):
        raise RuntimeError(f"{TARGET.name} has loaded {row} rows")
    return ended


def _goals(rate: Figure, memory: Figure) -> list[Goal]:
    goals = []
    if OURS in memory.runs:
        text = f"≤ {MOST_MEGABYTES} MB"
        goals.append(Goal(text, memory.median(), MOST_MEGABYTES, "at most"))
    for peer in (TARGET.name, FASTEST):
        if {OURS, peer} <= rate.runs.keys():
            ratio = rate.ratio(peer)
            goals.append(Goal(f"≥ {FASTER} × {peer}", ratio, FASTER, "at least"))
    return goals


if __name__ == "__main__":
    main(measure)
