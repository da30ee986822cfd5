"""From whatever state loads have left, 'sources reset --drop' and one load lead to a table equal to the source."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.attempt_protocol import Finished, OwnTable
from tests.connectors.attempts import Attempt, Duckdb, Postgres, Told
from tests.connectors.sources.sql.origins import Copying, SqliteOrigin

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.connectors.attempts import Warehouse

POINTS = ("child.staged", "destination.committing", "destination.bookmarked", "child.committed")
VALUES = {
    "INTEGER": ["1", "2", "NULL"],
    "TEXT": ["'a'", "'12'", "NULL"],
    "REAL": ["0.5", "2.0"],
    "": ["1", "2", "0.25"],
}
KEYS: tuple[tuple[str, ...], ...] = ((), ("id",), ("id", "region"))


@dataclass(frozen=True)
class Step:
    """The source as it is now, how it is loaded, and where the attempt is killed, if anywhere."""

    type: str
    values: tuple[int, ...]
    key: tuple[str, ...]
    mode: str
    incremental: bool
    killed_at: str | None


steps = st.builds(
    Step,
    type=st.sampled_from(sorted(VALUES)),
    values=st.tuples(*[st.integers(0, 2)] * 3),
    key=st.sampled_from(KEYS),
    mode=st.sampled_from(["upsert", "replace", "history", "append"]),
    incremental=st.booleans(),
    killed_at=st.sampled_from([None, None, *POINTS]),
)


class Scene:
    def __init__(self, directory: Path, warehouse: Warehouse) -> None:
        self.origin = SqliteOrigin(directory / "shop.db")
        self.warehouse = warehouse
        self.copying = Copying(self.origin.url, directory, {"warehouse": warehouse.options()})

    def take(self, step: Step) -> bool:
        """Whether the load has finished."""
        values = VALUES[step.type]
        rows = [
            (number, "eu" if number % 2 else "us", values[at % len(values)]) for number, at in enumerate(step.values)
        ]
        self.origin.execute("DROP TABLE IF EXISTS made")
        self.origin.execute(f"CREATE TABLE made (id INTEGER, region TEXT, value {step.type})")
        self.origin.execute("INSERT INTO made VALUES " + ", ".join(f"({n}, '{r}', {v})" for n, r, v in rows))
        self.copying.collection = {
            "write_mode": step.mode,
            "primary_key": list(step.key) or None,
            "sync_mode": "incremental" if step.incremental else "full_refresh",
            "cursor_field": "id" if step.incremental else None,
        }
        if step.killed_at is None:
            return isinstance(self.copying.run().messages[-1], Finished)
        attempt = self.copying.start(armed=f"{step.killed_at}=kill")
        list(attempt.messages())
        attempt.close()
        return False

    def reset_and_drop(self) -> None:
        """What the command does: it lists the tables, drops them, and voids the bookmark."""
        job = {
            "mode": "drop_tables",
            "source": self.copying.source,
            "source_type": "sql",
            "source_config": self.copying.source_config,
            "collection": {"name": "made", "type": "made", "table_name": "made", "start_date": "2020-01-01"}
            | self.copying.collection,
            "destinations": self.copying.destinations,
            "data_dir": str(self.copying.directory / "state"),
            "confirmed": {"warehouse": ["made"]},
        }
        told = Told.by(Attempt(job))
        assert told.finished
        assert all(each.dropped for each in told.messages if isinstance(each, OwnTable))
        self.copying.generation += 1

    def rows(self, *, current: bool) -> list[tuple[Any, ...]]:
        where = " WHERE _syncline_valid_to IS NULL" if current else ""
        found = self.warehouse.execute(f"SELECT id, region, value FROM loaded.made{where} ORDER BY id")
        return [
            (id_, region, None if value is None else str(float(value)) if _is_number(value) else value)
            for id_, region, value in found
        ]

    def source_rows(self) -> list[tuple[Any, ...]]:
        found = self.origin.execute("SELECT id, region, value FROM made ORDER BY id")
        return [
            (id_, region, None if value is None else str(float(value)) if _is_number(value) else value)
            for id_, region, value in found
        ]


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def check(before: list[Step], last: Step, warehouse: Callable[[Path], Warehouse]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        scene = Scene(Path(directory), warehouse(Path(directory)))
        for step in before:
            scene.take(step)
        scene.copying.collection = {"primary_key": list(last.key) or None}
        scene.reset_and_drop()
        valid = not (last.mode == "replace" and last.incremental) and (last.key or last.mode in ("replace", "append"))
        assert scene.take(last) == bool(valid)
        if valid:
            assert scene.rows(current=last.mode == "history") == scene.source_rows()


last_steps = steps.map(lambda step: Step(step.type, step.values, step.key, step.mode, step.incremental, None))


@settings(max_examples=12, deadline=None)
@given(before=st.lists(steps, max_size=3), last=last_steps)
def test_duckdb_gets_a_table_equal_to_the_source(before: list[Step], last: Step) -> None:
    check(before, last, lambda directory: Duckdb(directory / "there.duckdb"))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.lists(steps, max_size=3), last=last_steps)
def test_postgres_gets_a_table_equal_to_the_source(postgres: Postgres, before: list[Step], last: Step) -> None:
    def emptied(_directory: Path) -> Postgres:
        postgres.execute("DROP SCHEMA IF EXISTS loaded CASCADE")
        return postgres

    check(before, last, emptied)
