"""How fast recorded Singer messages arrive: `python benchmarks/loading.py postgresql://… [rows] [repetitions]`.

The same messages go one after another through the parser alone, to `none`, to PostgreSQL (append, upsert into a
filled table) and to DuckDB, several times in turn, so that every path meets the same machine. Prints median rows/s.
The schema `syncline_benchmark` of the database is dropped before and afterwards.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from app.attempt.copying import Pass, Place, Report
from app.attempt.outbox import Outbox
from app.connectors.destinations import make_destination
from app.connectors.options import SingerOptions
from app.connectors.passes import Fence
from app.connectors.sources.singer import SingerSource
from app.connectors.sources.singer.messages import parsed
from app.domain.attempt_protocol import AttemptJob, CollectionJob

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = "syncline_benchmark"


def main(url: str, rows: int = 200_000, repetitions: int = 3) -> None:
    with tempfile.TemporaryDirectory() as directory:
        recorded = record(Path(directory), rows)
        paths: dict[str, Callable[[int], float]] = {
            "parse only": lambda _: parse(recorded),
            "none": lambda n: load(recorded, {"type": "none"}, key=False, number=n),
            "postgres append": lambda n: load(recorded, postgres(url), key=False, number=n),
            "postgres upsert": lambda n: load(recorded, postgres(url), key=True, number=n),
            "duckdb append": lambda n: load(recorded, duckdb(recorded, "append"), key=False, number=n),
            "duckdb upsert": lambda n: load(recorded, duckdb(recorded, "upsert"), key=True, number=n),
        }
        seconds: dict[str, list[float]] = {name: [] for name in paths}
        for number in range(repetitions + 1):
            for name, run in paths.items():
                taken = run(number)
                if number:  # the first turn fills the tables
                    seconds[name].append(taken)
        for name, taken_by in seconds.items():
            print(f"{name:16} {rows / statistics.median(taken_by):>10,.0f} rows/s")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE".encode())


def record(directory: Path, rows: int) -> Path:
    """A file of messages of eight columns, as a tap would write them."""
    text, moment = {"type": ["null", "string"]}, {"type": ["null", "string"], "format": "date-time"}
    properties = {"id": {"type": "integer"}, "name": text, "city": text, "at": moment, "price": {"type": "number"}}
    properties |= {"count": {"type": ["null", "integer"]}, "active": {"type": "boolean"}, "note": text}
    path = directory / "messages.jsonl"
    with path.open("w") as file:
        schema = {"type": "SCHEMA", "stream": "made", "schema": {"properties": properties}, "key_properties": []}
        file.write(json.dumps(schema) + "\n")
        for number in range(rows):
            made = {"id": number, "name": f"name {number}", "city": "Genève", "at": "2024-02-29T12:00:00.5+00:00"}
            made |= {"price": number / 8, "count": None, "active": True, "note": "x" * 20}
            file.write(json.dumps({"type": "RECORD", "stream": "made", "record": made}) + "\n")
            if number % 10_000 == 0:
                file.write(json.dumps({"type": "STATE", "value": {"id": number}}) + "\n")
    return path


def parse(recorded: Path) -> float:
    started = time.perf_counter()
    with recorded.open("rb") as lines:
        for line in lines:
            parsed(line)
    return time.perf_counter() - started


def load(recorded: Path, options: dict[str, Any], *, key: bool, number: int) -> float:
    """Seconds of one whole pass, connecting and the tap (`cat`) included."""
    name = f"{options['type']}_{'upsert' if key else 'append'}"
    collection = CollectionJob(
        name="made",
        type="made",
        table_name=name,
        start_date="2020-01-01",
        sync_mode="incremental",
        primary_key=["id"] if key else None,
    )
    catalog = {"streams": [{"tap_stream_id": "made", "stream": "made", "schema": {}}]}
    command = ["sh", "-c", 'cat "$0"', str(recorded)]
    job = AttemptJob(
        task=str(uuid.UUID(int=number)),
        task_id="made",
        attempt=1,
        source=name,
        source_type="singer",
        source_config={},
        collection=collection,
        destinations={},
        generation=0,
        data_dir=str(recorded.parent),
    )
    fence = Fence(task=job.task, task_id="made", attempt=1, source=name, collection="made", generation=0)
    with tempfile.TemporaryDirectory(dir=recorded.parent) as work, Path("/dev/null").open("wb") as sink:
        started = time.perf_counter()
        outbox = Outbox(sink.fileno())
        destination = make_destination(name, options, fence=fence, work_dir=Path(work), log=lambda *_: None)
        place = Place(name, destination, destination.open())
        tap = SingerOptions(command=tuple(command), catalog=catalog)
        source = SingerSource(tap, job, work_dir=Path(work), log=lambda *_: None)
        Pass(source, [place], bookmark=place.position.bookmark, report=Report(outbox)).run()
        destination.close()
        return time.perf_counter() - started


def postgres(url: str) -> dict[str, Any]:
    return {"type": "postgres", "url": url, "schema": SCHEMA}


def duckdb(recorded: Path, name: str) -> dict[str, Any]:
    return {"type": "duckdb", "path": str(recorded.with_name(f"{name}.duckdb"))}


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
