"""A collection whose source, settings and tables change between its loads, and what its tables have to be like."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from app.domain.attempt_protocol import Finished, OwnTable
from app.domain.naming import namer
from tests.connectors.attempts import Postgres
from tests.connectors.inline import KILLED, STOPPED, Inline
from tests.connectors.sources.sql.origins import Copying, SqliteOrigin

if TYPE_CHECKING:
    from pathlib import Path

    from app.domain.naming import Naming
    from tests.connectors.attempts import Warehouse

SYNC, RESET, DROP = "the next sync", "syncline sources reset", "syncline sources reset --drop"
EMPTIED, DROPPED, RENAMED = "emptied", "dropped", "renamed"

VALUES: dict[str, list[Any]] = {
    "INTEGER": [1, 2, None],
    "TEXT": ["a", "12", None],
    "REAL": [0.5, 2.0],
    "": [1, 2, 0.25],
}
TYPES = {
    "INTEGER": ("bigint", "BIGINT"),
    "TEXT": ("text", "VARCHAR"),
    "REAL": ("double precision", "DOUBLE"),
}
"""What a declared type becomes in PostgreSQL and in DuckDB."""
RULES: dict[str, dict[str, Any]] = {
    "as they are": {},
    "value renamed": {"rename": {"Value": "worth"}},
    "key renamed": {"rename": {"id": "ident"}},
    "region left out": {"exclude": ["Region"]},
    "region hashed": {"hash": ["Region"]},
    "value hashed": {"hash": ["Value"]},
}
KEYS: tuple[tuple[str, ...], ...] = ((), ("id",), ("id", "Region"), ("Region", "id"))


@dataclass(frozen=True)
class Step:
    """The source as it is now, how it is loaded, what was done to the tables before, and how the attempt is cut.

    `rows` of the first table, `others` of the second; None if there is none.
    """

    rows: int
    others: int | None
    type: str
    has_region: bool
    has_extra: bool
    several: bool
    table_name: str
    key: tuple[str, ...]
    mode: str
    incremental: bool
    rules: str
    naming: Naming
    policy: str
    hand: str | None
    command: str
    cut: tuple[str, int] | None

    @property
    def possible(self) -> Step:
        """The same without settings that contradict each other or the source."""
        region = self.has_region and self.rules != "region left out"
        key = self.key if region or "Region" not in self.key else ("id",)
        mode = "upsert" if self.mode == "replace" and self.incremental else self.mode
        return replace(self, key=key or (("id",) if mode in ("upsert", "history") else ()), mode=mode)

    @property
    def shape(self) -> tuple[Any, ...]:
        """What makes rows look different that came before."""
        return self.type, self.has_region, self.has_extra, self.rules, self.naming


CHOICES: dict[str, st.SearchStrategy[Any]] = {
    "rows": st.integers(0, 5),
    "others": st.sampled_from([None, 0, 2, 3]),
    "type": st.sampled_from(sorted(VALUES)),
    "has_region": st.booleans(),
    "has_extra": st.booleans(),
    "several": st.booleans(),
    "table_name": st.sampled_from(["Made", "moved"]),
    "key": st.sampled_from(KEYS),
    "mode": st.sampled_from(["upsert", "replace", "history", "append"]),
    "incremental": st.booleans(),
    "rules": st.sampled_from(sorted(RULES)),
    "naming": st.sampled_from(["as_is", "snake_case"]),
    "policy": st.sampled_from(["evolve", "widen", "freeze", "discard"]),
    "hand": st.sampled_from([None, None, EMPTIED, DROPPED, RENAMED]),
    "command": st.sampled_from([SYNC, SYNC, SYNC, RESET, DROP]),
    "cut": st.none() | st.tuples(st.sampled_from([KILLED, STOPPED]), st.integers(1, 9)),
}
OFTEN = ("rows", "others", "hand", "command", "cut")
"""What is drawn for each step; of everything else little changes at once."""


@st.composite
def scenes(draw: st.DrawFn) -> list[Step]:
    """Steps, of which the last is taken without being cut."""
    step = Step(**{name: draw(each) for name, each in CHOICES.items()}).possible
    steps = [step]
    for _ in range(draw(st.integers(1, 3))):
        changed = draw(st.sets(st.sampled_from([name for name in CHOICES if name not in OFTEN]), max_size=3))
        step = replace(step, **{name: draw(CHOICES[name]) for name in [*OFTEN, *sorted(changed)]}).possible
        steps.append(step)
    return steps


def growing(steps: list[Step]) -> list[Step]:
    """The same with a source that never loses a row: only then a sync promises to have all that are there."""
    grown = steps[:1]
    for step in steps[1:]:
        before = grown[-1]
        others = max((each for each in (before.others, step.others) if each is not None), default=None)
        grown.append(replace(step, rows=max(before.rows, step.rows), others=others))
    return grown


class ChangingScene:
    def __init__(self, directory: Path, warehouse: Warehouse) -> None:
        self.origin = SqliteOrigin(directory / "shop.db")
        self.warehouse = warehouse
        self.copying = Copying(self.origin.url, directory, {"warehouse": warehouse.options()}, chunk_rows=2)
        self.steps: list[Step] = []
        self._inline = Inline()

    @property
    def last(self) -> Step:
        return self.steps[-1]

    def take(self, step: Step) -> None:
        self.configure(step)
        self.command(step.command)
        self._inline.run(self.copying.job(), cut=step.cut)

    def configure(self, step: Step) -> None:
        """Changes the source, the tables and the settings."""
        self._touch(step.hand)
        self.steps.append(step)
        self._make("made", step.rows)
        self._make("other", step.others)
        self.copying.destinations["warehouse"] = self.warehouse.options() | {"naming": step.naming}
        self.copying.collection = {
            "type": "all" if step.several else "made",
            "table_name": step.table_name,
            "write_mode": step.mode,
            "primary_key": list(step.key) or None,
            "sync_mode": "incremental" if step.incremental else "full_refresh",
            "cursor_field": "id" if step.incremental else None,
            "columns": RULES[step.rules] or None,
            "schema_policy": step.policy,
        }

    def _make(self, name: str, rows: int | None) -> None:
        self.origin.execute(f"DROP TABLE IF EXISTS {name}")
        if rows is None:
            return
        step = self.last
        region = ', "Region" TEXT' if step.has_region else ""
        extra = ', "Extra One" INTEGER' if step.has_extra else ""
        self.origin.execute(f'CREATE TABLE {name} (id INTEGER{region}, "Value" {step.type}{extra})')
        values = [
            ", ".join("NULL" if each is None else repr(each) for each in row.values()) for row in self._rows(rows)
        ]
        if values:
            self.origin.execute(f"INSERT INTO {name} VALUES ({'), ('.join(values)})")

    def _rows(self, count: int) -> list[dict[str, Any]]:
        step, values = self.last, VALUES[self.last.type]
        return [
            {"id": number}
            | ({"Region": "eu" if number % 2 else "us"} if step.has_region else {})
            | {"Value": values[number % len(values)]}
            | ({"Extra One": number} if step.has_extra else {})
            for number in range(count)
        ]

    def _touch(self, hand: str | None) -> None:
        """What somebody does to the first of the tables."""
        table = next(iter(self.tables()), None)
        if hand is None or table is None:
            return
        quoted = f'loaded."{table}"'
        if hand == EMPTIED:
            self.warehouse.execute(f"DELETE FROM {quoted}")
        elif hand == DROPPED:
            self.warehouse.execute(f"DROP TABLE {quoted}")
        else:
            self.warehouse.execute(f'ALTER TABLE {quoted} RENAME TO "renamed {len(self.steps)}"')

    def tables(self) -> list[str]:
        found = self.warehouse.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'loaded'")
        return sorted(name for (name,) in found if not name.startswith(("_syncline", "renamed")))

    def command(self, command: str) -> None:
        if command.startswith("ALTER"):
            self.warehouse.execute(command)
            return
        if command == DROP:
            self._drop()
        if command != SYNC:
            self.copying.generation += 1

    def _drop(self) -> None:
        """As the command does it: it lists the tables first."""
        listed = self._inline.run(self.copying.drop_job())
        assert listed
        own = [each.table for each in listed.messages if isinstance(each, OwnTable)]
        told = self._inline.run(self.copying.drop_job(warehouse=own))
        assert told
        assert all(each.dropped for each in told.messages if isinstance(each, OwnTable))
        assert isinstance(told.messages[-1], Finished)

    def load(self) -> str | None:
        """The error of the load."""
        told = self._inline.run(self.copying.job())
        assert told
        return None if isinstance(told.messages[-1], Finished) else told.failed.error

    def check(self, ways: list[str]) -> None:
        """Compares all tables with the source, as far as these ways promise it."""
        step = self.last
        tables = {"made": step.rows, "other": step.others if step.several else None}
        for name, count in tables.items():
            if count is not None:
                self._check_table(
                    self._named(f"{step.table_name}_{name}" if step.several else step.table_name), count, ways
                )

    def _check_table(self, table: str, count: int, ways: list[str]) -> None:
        step = self.last
        fields = [field for field in (self._rows(1) or [{}])[0] if field not in RULES[step.rules].get("exclude", ())]
        if not {RESET, DROP} & {*ways} and step.incremental and any(each.shape != step.shape for each in self.steps):
            fields = ["id"]
        if not count:  # nothing has shown the types of all columns
            assert self.warehouse.execute(f'SELECT count(*) FROM loaded."{table}"{self._counts()}') == [(0,)]
            return
        if step.policy == "discard" and DROP not in ways:
            fields = [field for field in fields if self._column(field) in self._columns_of(table)]
        columns = ", ".join(f'"{self._column(field)}"' for field in fields)
        found = self.warehouse.execute(f'SELECT {columns} FROM loaded."{table}"{self._counts()}')
        expected = [[self._shown(field, row[field], at_source=True) for field in fields] for row in self._rows(count)]
        shown = [[self._shown(field, value) for field, value in zip(fields, row, strict=True)] for row in found]
        assert sorted(shown, key=str) == sorted(expected, key=str)
        if DROP in ways:
            self._check_types(table, fields)

    def _check_types(self, table: str, fields: list[str]) -> None:
        found = self._columns_of(table)
        assert set(found) == {self._column(field) for field in fields}
        declared = self.last.type
        if declared in TYPES and "Value" not in RULES[self.last.rules].get("hash", ()):
            assert found[self._column("Value")] == TYPES[declared][not isinstance(self.warehouse, Postgres)]

    def _columns_of(self, table: str) -> dict[str, str]:
        found = self.warehouse.execute(
            "SELECT column_name, data_type FROM information_schema.columns "
            f"WHERE table_schema = 'loaded' AND table_name = '{table}'"
        )
        return {name: type_ for name, type_ in found if not name.startswith("_syncline")}

    def _counts(self) -> str:
        if self.last.mode == "history":
            return " WHERE _syncline_valid_to IS NULL"
        if self.last.mode == "append" and not self.last.incremental:
            return f" WHERE _syncline_task_id LIKE '%{self.copying.tasks:012}'"
        return ""

    def _named(self, name: str) -> str:
        return namer(self.last.naming)(name)

    def _column(self, field: str) -> str:
        return self._named(RULES[self.last.rules].get("rename", {}).get(field, field))

    def _shown(self, field: str, value: Any, *, at_source: bool = False) -> Any:
        """Values of different types that mean the same are one."""
        if at_source and value is not None and field in RULES[self.last.rules].get("hash", ()):
            text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
            return hashlib.sha256(text.encode()).hexdigest()
        try:
            return None if value is None else float(value)
        except ValueError:
            return value
