"""A whole sync of `tap-postgres` into PostgreSQL, compared with the tap alone, and with Meltano and target-postgres.

Meltano runs with the target's defaults, and with the settings with which the target is fastest.

Every side starts the same tap with the same table, in the same server. The first sync copies all rows, the second one
finds nothing new.
"""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
import yaml
from psycopg.conninfo import conninfo_to_dict

from benchmarks.attempt import Ended, attempted, job_of, ran
from benchmarks.report import OURS, Figure, Goal, Report
from benchmarks.run import Size, is_wanted, main
from benchmarks.server import durable_server, settle
from benchmarks.singer_peers import MELTANO, TAP, TARGET, TARGET_AT_ITS_FASTEST, Package, format_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROWS: Final = Size(full=200_000, small=2_000)
REPETITIONS: Final = Size(full=3, small=1)
ALONE: Final = "tap-postgres alone"
PEER: Final = "meltano run"
FASTEST: Final = "meltano run at its fastest"
MOST_TIMES_THE_TAP: Final = 1.15
MOST_TIMES_THE_IDLE_TAP: Final = 1.2
FASTER_THAN_MELTANO: Final = 2
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
    with durable_server() as server, tempfile.TemporaryDirectory() as name:
        whole: dict[str, list[Ended]] = {side: [] for side in needed if side not in missing and is_wanted(side)}
        nothing: dict[str, list[Ended]] = {side: [] for side in whole}
        for turn in range(REPETITIONS.value):
            with server.database_over_tcp() as url:
                with psycopg.connect(url, autocommit=True) as connection:
                    connection.execute(_MADE.replace("$1", str(ROWS.value)).encode())
                settle(url)
                synced = Synced(url, Path(name, str(turn)))
                for side, found in whole.items():
                    way = synced.ways()[side]
                    found.append(way())
                    nothing[side].append(way())
                    print(f"{side}: {found[-1].seconds:.1f} s, then {nothing[side][-1].seconds:.1f} s", flush=True)
        figures = [
            Figure(what, "s", {side: [each.seconds for each in found] for side, found in runs.items()})
            for what, runs in (("all rows", whole), ("nothing new", nothing))
        ]
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
            goals=list(_goals(*figures)),
            notes=list(dict.fromkeys(missing.values())),
        )


class Synced:
    """One source database, and what each side has done with it so far."""

    def __init__(self, url: str, directory: Path) -> None:
        self._url = url
        self._directory = directory
        directory.mkdir(parents=True)
        place = conninfo_to_dict(url)
        self._place: dict[str, Any] = {
            "host": str(place["host"]),
            "port": int(place["port"] or 5432),
            "user": str(place["user"]),
            "password": str(place.get("password") or "none"),
            "database": str(place["dbname"]),
        }
        self._config = self._place | {"filter_schemas": ["public"], "stream_maps": {}}
        self._state: Path | None = None

    def ways(self) -> dict[str, Callable[[], Ended]]:
        return {
            ALONE: self._alone,
            OURS: self._ours,
            PEER: lambda: self._meltano("meltano", {}),
            FASTEST: lambda: self._meltano("fastest", TARGET_AT_ITS_FASTEST),
        }

    def _alone(self) -> Ended:
        """Into a file: the tap writes as fast as it can, and its last state is there for the second run."""
        config, catalog, output = (self._directory / name for name in ("config.json", "catalog.json", "output.jsonl"))
        config.write_text(json.dumps(self._config))
        tap = [TAP.command("tap-postgres"), "--config", str(config)]
        if not catalog.exists():
            self._run(f"{shlex.join([*tap, '--discover'])} > {catalog}")
            catalog.write_text(json.dumps(_incremental(json.loads(catalog.read_text()))))
        state = [] if self._state is None else ["--state", str(self._state)]
        ended = self._run(f"exec {shlex.join([*tap, '--catalog', str(catalog), *state])} > {output}")
        states = [line for line in output.read_text().splitlines() if '"STATE"' in line]
        self._state = self._directory / "state.json"
        self._state.write_text(json.dumps(json.loads(states[-1])["value"]))
        return ended

    def _ours(self) -> Ended:
        job = job_of(
            "singer",
            {"command": [TAP.command("tap-postgres")], "config": self._config},
            {"type": "postgres", "url": self._url, "schema": "loaded"},
            name="made",
            data_dir=self._directory,
            type=_STREAM,
            sync_mode="incremental",
            cursor_field="at",
            primary_key=["id"],
        )
        ended, _ = attempted(job)
        self._check("loaded")
        return ended

    def _meltano(self, schema: str, settings: Mapping[str, Any]) -> Ended:
        """`settings` are the target's."""
        project = self._directory / schema
        if not project.exists():
            project.mkdir()
            target = self._place | {"default_target_schema": schema} | dict(settings)
            (project / "meltano.yml").write_text(yaml.safe_dump(self._project(target)))
        command = [MELTANO.command("meltano"), "--cwd", str(project), "run", "tap-postgres", "target-postgres"]
        ended = ran(command, None, environment=MELTANO.environment)
        self._check(schema)
        return ended

    def _project(self, target_config: dict[str, Any]) -> dict[str, Any]:
        """Programs that are there already: nothing is installed, and nobody is asked what they are."""
        tap = {
            "name": "tap-postgres",
            "namespace": "tap_postgres",
            "executable": TAP.command("tap-postgres"),
            "capabilities": ["catalog", "discover", "state"],
            "config": self._config,
            "select": [f"{_STREAM}.*"],
            "metadata": {_STREAM: {"replication-method": "INCREMENTAL", "replication-key": "at"}},
        }
        target = {
            "name": "target-postgres",
            "namespace": "target_postgres",
            "executable": TARGET.command("target-postgres"),
            "config": target_config,
        }
        return {
            "default_environment": "measured",
            "environments": [{"name": "measured"}],
            "send_anonymous_usage_stats": False,
            "project_id": "5cf30ee2-6e0c-4d2b-9a6e-6a1f3c9f2f8b",
            "plugins": {"extractors": [tap], "loaders": [target]},
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

    def _run(self, script: str) -> Ended:
        return ran([shutil.which("sh") or "sh", "-c", script], None, environment=TAP.environment)


def _incremental(catalog: dict[str, Any]) -> dict[str, Any]:
    for stream in catalog["streams"]:
        selected = stream["tap_stream_id"] == _STREAM
        stream |= {"replication_method": "INCREMENTAL", "replication_key": "at"}
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = selected
            if not entry["breadcrumb"]:
                entry["metadata"] |= {"replication-method": "INCREMENTAL", "replication-key": "at"}
    return catalog


def _goals(whole: Figure, nothing: Figure) -> list[Goal]:
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
