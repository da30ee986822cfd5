"""How fast recorded Singer messages are loaded: by the parser alone, into nothing, into PostgreSQL and into DuckDB.

All sides load the messages of one file; in the next turn those of another, with the same keys and other values, so that
an upsert has to write every row again. The first turn is not counted: it fills the tables. Each run has to read every
record, and to write it if there is something to write to.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
import uuid
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app.attempt.copying import Pass
from app.attempt.report import Report as AttemptReport
from app.attempt.sink import Sink, close
from app.attempt.worker_pipe import WorkerPipe
from app.attempt.writing import Writing
from app.connectors.contract.passes import Fence
from app.connectors.contract.standing import Standing
from app.connectors.making import make_destination
from app.connectors.sources.singer.messages import parse_message
from app.connectors.sources.singer.options import SingerOptions, SingerParameters
from app.connectors.sources.singer.source import SingerSource
from app.domain.attempt_protocol import SourceJob
from app.domain.collection import CollectionJob
from benchmarks.report import OURS, Figure, Report
from benchmarks.run import Size, is_wanted, main
from benchmarks.server import durable_server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RECORDS: Final = Size(full=200_000, small=10_000)
REPETITIONS: Final = Size(full=3, small=1)
PARSER: Final = "parser alone"
_RECORDS_A_STATE: Final = 10_000
_SCHEMA: Final = "loaded"


def measure() -> Report:
    with durable_server() as server, server.database() as url, tempfile.TemporaryDirectory() as name:
        recorded = [record(Path(name, f"{price}.jsonl"), RECORDS.value, price=price) for price in (1, 2)]
        ways = {side: way for side, way in _ways(Path(name), url).items() if is_wanted(side)}
        runs: dict[str, list[float]] = {side: [] for side in ways}
        for turn in range(REPETITIONS.value + 1):
            for side, seconds in ways.items():
                rate = RECORDS.value / seconds(recorded[turn % 2])
                if turn:
                    runs[side].append(rate)
                    print(f"{side}: {rate:,.0f} records/s", flush=True)
        return Report(
            name="loading",
            title="Records from a Singer tap into a destination",
            settings={
                "records": RECORDS.value,
                "columns": 8,
                "records for each state": _RECORDS_A_STATE,
                **server.settings,
            },
            figures=[Figure("one pass, from the start of the tap to the last commit", "records/s", runs)],
        )


def _ways(directory: Path, url: str) -> dict[str, Callable[[Path], float]]:
    """By side, what takes the seconds of one run."""
    postgres = {"type": "postgres", "url": url, "schema": _SCHEMA}
    duckdb = {"type": "duckdb", "path": str(directory / "loaded.duckdb")}
    ours = partial(load, records=RECORDS.value)
    return {
        PARSER: parse,
        f"{OURS}, into nothing": partial(ours, {"type": "none"}, key=False),
        f"{OURS}, postgres append": partial(ours, postgres, key=False),
        f"{OURS}, postgres upsert": partial(ours, postgres, key=True),
        f"{OURS}, duckdb append": partial(ours, duckdb, key=False),
        f"{OURS}, duckdb upsert": partial(ours, duckdb, key=True),
    }


def record(path: Path, rows: int, *, price: float, key: Sequence[str] = ()) -> Path:
    """A file of messages of eight columns, as a tap would write them."""
    text, moment = {"type": ["null", "string"]}, {"type": ["null", "string"], "format": "date-time"}
    properties = {"id": {"type": "integer"}, "name": text, "city": text, "at": moment, "price": {"type": "number"}}
    properties |= {"count": {"type": ["null", "integer"]}, "active": {"type": "boolean"}, "note": text}
    with path.open("w") as file:
        schema = {"type": "SCHEMA", "stream": "made", "schema": {"properties": properties}, "key_properties": list(key)}
        file.write(json.dumps(schema) + "\n")
        for number in range(1, rows + 1):
            made = {"id": number, "name": f"name {number}", "city": "Genève", "at": "2024-02-29T12:00:00.5+00:00"}
            made |= {"price": price + number / 8, "count": None, "active": True, "note": "x" * 20}
            file.write(json.dumps({"type": "RECORD", "stream": "made", "record": made}) + "\n")
            if number % _RECORDS_A_STATE == 0 or number == rows:
                file.write(json.dumps({"type": "STATE", "value": {"id": number}}) + "\n")
    return path


def parse(recorded: Path) -> float:
    started = time.perf_counter()
    with recorded.open("rb") as lines:
        for line in lines:
            parse_message(line)
    return time.perf_counter() - started


def load(options: dict[str, Any], recorded: Path, *, key: bool, records: int) -> float:
    """Seconds of one whole pass over so many `records`, connecting and the tap (`cat`) included."""
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
    job = SourceJob(
        source=name,
        source_type="singer",
        source_config={},
        collection=collection,
        data_dir=str(recorded.parent),
    )
    fence = Fence(
        task=str(uuid.UUID(int=time.time_ns())),  # a destination refuses a task that is older than its last one
        task_id="made",
        attempt=1,
        claim=1,
        source=name,
        collection="made",
        generation=0,
        standing=Standing("made", "made"),
    )
    pipe = WorkerPipe(os.open(os.devnull, os.O_WRONLY))
    with tempfile.TemporaryDirectory(dir=recorded.parent) as work, closing(pipe):
        started = time.perf_counter()
        destination = make_destination(name, options, fence=fence, work_dir=Path(work), log=lambda *_: None)
        sink = Sink(name, destination, destination.open())
        tap = SingerOptions(command=tuple(command), catalog=catalog)
        source = SingerSource(tap, SingerParameters(), job, work_dir=Path(work), log=lambda *_: None)
        report = AttemptReport(pipe)
        bookmark = sink.position.bookmark
        Pass([sink], bookmark=bookmark, writing=Writing.of(job), report=report).run(source.read(bookmark))
        close([sink])
        seconds = time.perf_counter() - started
    written = 0 if options["type"] == "none" else records
    if (report.records_read, report.rows_written) != (records, written):
        raise RuntimeError(f"{name}: {report.records_read} records were read, {report.rows_written} were written")
    return seconds


if __name__ == "__main__":
    main(measure)
