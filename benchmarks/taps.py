"""A whole sync of `tap-postgres` into PostgreSQL, compared with the tap alone, and with Meltano and target-postgres.

Meltano runs with the target's defaults, and with the settings with which the target is fastest.

Every side starts the same tap with the same table, in the same server. The first sync copies all rows, the second one
finds nothing new. Syncline's worker and API run, and a sync is measured as a client of the API sees it.
"""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
import yaml

from benchmarks.attempt import ran
from benchmarks.product import TOKEN
from benchmarks.releases import THIS, sync
from benchmarks.report import OURS, Figure, Goal, Report
from benchmarks.run import Size, is_wanted, main
from benchmarks.server import durable_server, settle
from benchmarks.singer_peers import (
    MELTANO,
    TAP,
    TARGET,
    TARGET_AT_ITS_FASTEST,
    Package,
    format_settings,
    meltano_project,
    postgres_settings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from http.client import HTTPConnection

    from benchmarks.product import Product
    from benchmarks.server import Server

ROWS: Final = Size(full=200_000, small=2_000)
REPETITIONS: Final = Size(full=3, small=1)
ALONE: Final = "tap-postgres alone"
PEER: Final = "meltano run"
FASTEST: Final = "meltano run at its fastest"
MOST_TIMES_THE_TAP: Final = 1.15
MOST_TIMES_THE_IDLE_TAP: Final = 1.1
FASTER_THAN_MELTANO: Final = 2
_SETTLING_SECONDS: Final = 2.0
_STREAM: Final = "public-made"
_COUNTS: Final = "SELECT count(*), count(DISTINCT id) FROM {}"
_MADE: Final = """
CREATE TABLE public.made AS SELECT
  n::bigint AS id, 'name ' || n AS name, 'Genève' AS city, '2024-02-29Z'::timestamptz + n * '1s'::interval AS at,
  (1.5 + n / 8.0)::numeric(12, 3) AS price, NULLIF(n % 100, 0)::integer AS count, n % 2 = 0 AS active,
  repeat('x', 20) AS note
FROM generate_series(1, $1) AS n;
ALTER TABLE public.made ADD PRIMARY KEY (id);
CREATE INDEX ON public.made (at);
"""


def measure() -> Report:
    needed: dict[str, tuple[Package, ...]] = {ALONE: (TAP,), OURS: (TAP,), PEER: (TAP, TARGET, MELTANO)}
    needed[FASTEST] = needed[PEER]
    missing = {side: why for side, packages in needed.items() for each in packages if (why := each.missing())}
    if OURS in missing:
        raise RuntimeError(missing[OURS])
    with durable_server() as server:
        sides = [side for side in needed if side not in missing and is_wanted(side)]
        figures = measured(server, sides, repetitions=REPETITIONS.value)
        return Report(
            name="taps",
            title="A whole sync of tap-postgres into PostgreSQL",
            settings={
                "rows": ROWS.value,
                **{each.name: each.version() for each in (TAP, TARGET, MELTANO) if not each.missing()},
                FASTEST: format_settings(TARGET_AT_ITS_FASTEST),
                **server.settings,
            },
            figures=figures,
            goals=list(goals_of(*figures)),
            notes=list(dict.fromkeys(missing.values())),
        )


def measured(server: Server, sides: Sequence[str], *, repetitions: int) -> list[Figure]:
    """Seconds of the sync that copies all rows, and of the one that finds nothing new."""
    whole: dict[str, list[float]] = {side: [] for side in sides}
    nothing: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(repetitions):
        with server.database_over_tcp() as url, tempfile.TemporaryDirectory() as name, ExitStack() as stack:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(_MADE.replace("$1", str(ROWS.value)).encode())
            synced = Synced(url, Path(name), stack.enter_context(THIS.product(server)), stack)
            settle(url)
            for side in sides:
                way = synced.ways()[side]
                whole[side].append(way())
                nothing[side].append(way())
                print(f"{side}: {whole[side][-1]:.2f} s, then {nothing[side][-1]:.2f} s", flush=True)
    return [Figure("all rows", "s", whole), Figure("nothing new", "s", nothing)]


class Synced:
    """One source database, and what each side has done with it so far; `product` is Syncline's."""

    def __init__(self, url: str, directory: Path, product: Product, stack: ExitStack) -> None:
        self._url = url
        self._directory = directory
        self._product = product
        self._stack = stack
        self._config: dict[str, Any] = {**postgres_settings(url), "filter_schemas": ["public"], "stream_maps": {}}
        self._state: Path | None = None
        self._client: HTTPConnection | None = None

    def ways(self) -> dict[str, Callable[[], float]]:
        """By side, what syncs and takes the seconds."""
        return {
            ALONE: self._alone,
            OURS: self._ours,
            PEER: lambda: self._meltano("meltano", {}),
            FASTEST: lambda: self._meltano("fastest", TARGET_AT_ITS_FASTEST),
        }

    def _alone(self) -> float:
        """Into a file: the tap writes as fast as it can, and its last state is there for the second run."""
        config, catalog, output = (self._directory / name for name in ("config.json", "catalog.json", "output.jsonl"))
        config.write_text(json.dumps(self._config))
        tap = [TAP.command("tap-postgres"), "--config", str(config)]
        if not catalog.exists():
            self._run(f"{shlex.join([*tap, '--discover'])} > {catalog}")
            catalog.write_text(json.dumps(_incremental(json.loads(catalog.read_text()))))
        state = [] if self._state is None else ["--state", str(self._state)]
        seconds = self._run(f"exec {shlex.join([*tap, '--catalog', str(catalog), *state])} > {output}")
        states = [line for line in output.read_text().splitlines() if '"STATE"' in line]
        self._state = self._directory / "state.json"
        self._state.write_text(json.dumps(json.loads(states[-1])["value"]))
        return seconds

    def _ours(self) -> float:
        """From the request until the API says that it has succeeded."""
        self._client = self._client or self._started()
        seconds = sync(self._client, "made", "made")
        self._check("loaded")
        return seconds

    def _started(self) -> HTTPConnection:
        """A worker and an API that are ready."""
        collection = {"name": "made", "type": _STREAM, "sync_mode": "incremental", "cursor_field": "at"}
        source = {
            "type": "singer",
            "destinations": ["warehouse"],
            "config": {"command": [TAP.command("tap-postgres")], "config": self._config},
            "collections": [{**collection, "primary_key": ["id"]}],
        }
        self._product.write_catalogue(
            {
                "server": {"admin_token": TOKEN},
                "destinations": {"warehouse": {"type": "postgres", "url": self._url, "schema": "loaded"}},
                "sources": {"made": source},
            }
        )
        api = self._stack.enter_context(self._product.api())
        self._stack.enter_context(self._product.registered_worker())
        time.sleep(_SETTLING_SECONDS)
        return self._stack.enter_context(api.client())

    def _meltano(self, schema: str, settings: Mapping[str, Any]) -> float:
        """`settings` are the target's."""
        project = self._directory / schema
        if not project.exists():
            project.mkdir()
            target = {**postgres_settings(self._url), "default_target_schema": schema, **settings}
            (project / "meltano.yml").write_text(yaml.safe_dump(meltano_project(self._extractor(), target)))
        command = [MELTANO.command("meltano"), "--cwd", str(project), "run", "tap-postgres", "target-postgres"]
        seconds = ran(command, None, environment=MELTANO.environment).seconds
        self._check(schema)
        return seconds

    def _extractor(self) -> dict[str, Any]:
        return {
            "name": "tap-postgres",
            "namespace": "tap_postgres",
            "executable": TAP.command("tap-postgres"),
            "capabilities": ["catalog", "discover", "state"],
            "config": self._config,
            "select": [f"{_STREAM}.*"],
            "metadata": {_STREAM: {"replication-method": "INCREMENTAL", "replication-key": "at"}},
        }

    def _check(self, schema: str) -> None:
        """All rows, each once; peers name tables as they like."""
        with psycopg.connect(self._url) as connection:
            tables = connection.execute(
                "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) FROM information_schema.tables "
                "WHERE table_schema = %s AND table_name LIKE '%%made'",
                [schema],
            ).fetchall()
            counts = [connection.execute(_COUNTS.format(table).encode()).fetchone() for (table,) in tables]
        if (ROWS.value, ROWS.value) not in counts:
            raise RuntimeError(f"{schema} does not have all rows: {dict(zip(tables, counts, strict=True))}")

    def _run(self, script: str) -> float:
        return ran([shutil.which("sh") or "sh", "-c", script], None, environment=TAP.environment).seconds


def _incremental(catalog: dict[str, Any]) -> dict[str, Any]:
    for stream in catalog["streams"]:
        selected = stream["tap_stream_id"] == _STREAM
        stream |= {"replication_method": "INCREMENTAL", "replication_key": "at"}
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = selected
            if not entry["breadcrumb"]:
                entry["metadata"] |= {"replication-method": "INCREMENTAL", "replication-key": "at"}
    return catalog


def goals_of(whole: Figure, nothing: Figure) -> list[Goal]:
    goals = []
    if {OURS, ALONE} <= whole.runs.keys():
        ratios = whole.ratio(ALONE), nothing.ratio(ALONE)
        goals.append(
            Goal(f"all rows: ≤ {MOST_TIMES_THE_TAP} × the tap alone", ratios[0], MOST_TIMES_THE_TAP, "at most")
        )
        bound = MOST_TIMES_THE_IDLE_TAP
        goals.append(Goal(f"nothing new: ≤ {bound} × the tap alone", ratios[1], bound, "at most"))
    for peer in (PEER, FASTEST):
        if {OURS, peer} <= whole.runs.keys():
            text = f"all rows: ≥ {FASTER_THAN_MELTANO} × as fast as {peer}"
            goals.append(Goal(text, 1 / whole.ratio(peer), FASTER_THAN_MELTANO, "at least"))
    return goals


if __name__ == "__main__":
    main(measure)
