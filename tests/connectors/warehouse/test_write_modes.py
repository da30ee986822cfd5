"""Every way of writing, pass after pass, with crashes at the commits, against a model of a few lines."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Kind, Table
from app.domain.attempt_protocol import LogLine
from app.domain.errors import ConfigurationError
from app.domain.writing import SchemaPolicy, WriteMode
from tests.connectors.passing import COLUMNS, Collection, Crash, Killer, Origin, Sent
from tests.connectors.warehouse.models import APPEND, HISTORY, PASSES, UPSERT, WAYS, checked_passes
from tests.properties import examples

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Postgres, Warehouse

NUMBERS = itertools.count()
COLUMNS_OF_T = "SELECT column_name FROM information_schema.columns WHERE table_name = 't'"


@examples(15, share_fixtures=True)
@given(way=st.sampled_from(WAYS), passes=PASSES)
def test_whatever_passes_bring_and_wherever_they_crash_the_table_is_what_its_mode_says(
    warehouse: Warehouse, killer: Killer, tmp_path: Path, way: tuple[WriteMode, bool, bool], passes: list[Any]
) -> None:
    schema = f"s{next(NUMBERS)}"
    collection = Collection(warehouse.options(schema), tmp_path / "work", mode=way[0])
    for table in checked_passes(collection, killer, way, passes, twice=True):
        assert found(warehouse, schema, history=way[0] is HISTORY) == table


def test_a_history_tells_what_counted_at_every_time(warehouse: Warehouse, tmp_path: Path) -> None:
    origin = Origin(keyed=True, full_refresh=True)
    collection = Collection(warehouse.options(), tmp_path / "work", mode=HISTORY)
    origin.change(2, "old", later=1)
    for changes in ({4: "stays"}, {2: "new"}, {}):
        for key, value in changes.items():
            origin.change(key, value, later=1)
        if not changes:
            del origin.rows[2]
        collection.load(origin)
    versions = warehouse.execute(
        "SELECT v, _syncline_valid_from, _syncline_valid_to FROM loaded.t WHERE id = 2 ORDER BY 2"
    )
    (old, began, changed), (new, began_again, ended) = versions
    assert (old, new, changed) == ("old", "new", began_again)
    assert began < changed < ended
    assert warehouse.execute("SELECT v, _syncline_valid_from = _syncline_synced_at FROM loaded.t WHERE id = 4") == [
        ("stays", True)
    ]


@pytest.mark.parametrize("mode", [UPSERT, HISTORY])
def test_a_field_that_is_only_null_empties_its_column_and_makes_none(
    warehouse: Warehouse, tmp_path: Path, mode: WriteMode
) -> None:
    collection = Collection(warehouse.options(), tmp_path / "work", mode=mode)
    known = Table("t", {"id": Kind.INTEGER, "note": Kind.TEXT}, key=("id",))
    collection.load(Sent(known, Rows("t", [{"id": 1, "note": "x"}, {"id": 2, "note": "y"}], 1), Checkpoint("1")))
    unknown = Table("t", {"id": Kind.INTEGER}, key=("id",))
    changed = [{"id": 1, "note": None, "never": None}, {"id": 3, "note": None}]
    assert collection.load(Sent(unknown, Rows("t", changed, 1), Checkpoint("2"))) == 2
    assert "never" not in [column for (column,) in warehouse.execute(COLUMNS_OF_T)]
    history = "" if mode is UPSERT else " AND _syncline_valid_to IS NULL"
    assert warehouse.execute(f"SELECT id FROM loaded.t WHERE note IS NULL{history} ORDER BY id") == [(1,), (3,)]
    ended = [] if mode is UPSERT else [("x",)]
    assert warehouse.execute("SELECT note FROM loaded.t WHERE id = 1 AND note IS NOT NULL") == ended


def test_rows_that_come_again_are_known_when_a_column_has_come_in_between(
    warehouse: Warehouse, tmp_path: Path, killer: Killer
) -> None:
    killer.after(0)  # it commits every three rows
    collection = Collection(warehouse.options(), tmp_path / "work")
    known = Table("t", {"id": Kind.INTEGER, "at": Kind.INTEGER, "v": Kind.TEXT}, cursor_field="at")
    texts = ["", "null", "a,", "(b)", None, "null]", '"', "l"]
    rows = [{"id": number, "at": 1, "v": text} for number, text in enumerate(texts)]
    collection.load(Sent(known, Rows("t", rows, 1), Checkpoint("1")))
    wider = Table("t", known.columns | {"more": Kind.TEXT}, cursor_field="at")
    again: list[Table | Rows | Checkpoint] = [Rows("t", rows[:3], 1), Checkpoint("1"), wider, Rows("t", rows[3:], 1)]
    changed = [{"id": 5, "at": 1, "v": "null"}, {"id": 6, "at": 1, "v": '"', "more": ""}]
    assert collection.load(Sent(known, *again, Rows("t", changed, 1), Checkpoint("1"))) == len(changed)
    assert warehouse.execute("SELECT count(*) FROM loaded.t") == [(len(rows) + len(changed),)]


@pytest.mark.parametrize("mode", [UPSERT, APPEND])
def test_a_table_of_another_mode_becomes_a_history_but_not_the_other_way_round(
    warehouse: Warehouse, tmp_path: Path, mode: WriteMode
) -> None:
    origin = Origin(keyed=True, full_refresh=False)
    collection = Collection(warehouse.options(), tmp_path / "work", mode=mode)
    origin.change(2, "old", later=1)
    collection.load(origin)
    collection.mode = HISTORY
    origin.change(2, "new", later=1)
    collection.load(origin)
    versions = warehouse.execute("SELECT v, _syncline_valid_from <= now(), _syncline_valid_to IS NULL FROM loaded.t")
    assert sorted(versions) == [("new", True, True), ("old", True, False)]
    for wrong in (APPEND, UPSERT):
        collection.mode = wrong
        with pytest.raises(ConfigurationError, match=f"table 't' has a history, which write_mode '{wrong}' would"):
            collection.load(origin)
    assert warehouse.execute("SELECT count(*) FROM loaded.t") == [(len(versions),)]


def test_rows_of_one_key_are_added_to_a_table_that_had_one_of_each(warehouse: Warehouse, tmp_path: Path) -> None:
    origin = Origin(keyed=True, full_refresh=False)
    collection = Collection(warehouse.options(), tmp_path / "work", mode=UPSERT)
    origin.change(2, "old", later=1)
    collection.load(origin)
    collection.mode = APPEND
    origin.change(2, "new", later=1)
    assert collection.load(origin) == 1
    assert warehouse.execute("SELECT v FROM loaded.t ORDER BY v") == [("new",), ("old",)]


def test_keys_that_come_twice_are_refused_where_only_one_can_stay(postgres: Postgres, tmp_path: Path) -> None:
    origin = Origin(keyed=True, full_refresh=False)
    collection = Collection(postgres.options(), tmp_path / "work", mode=APPEND)
    for value in ("old", "new"):
        origin.change(2, value, later=1)
        collection.load(origin)
    collection.mode = UPSERT
    with pytest.raises(
        ConfigurationError, match="table 't' has several rows with the same values of 'id', which therefore"
    ):
        collection.load(origin)


class Announced:
    """A source of a keyless table whose fields are not always the same: a table for each of `columns`, then a row."""

    def __init__(self, *columns: dict[str, Kind], record: dict[str, Any], key: tuple[str, ...] = ()) -> None:
        self._columns, self._record, self._key = columns, record, key

    def check(self) -> None: ...

    def close(self) -> None: ...

    def read(self, bookmark: str | None) -> Any:  # noqa: ARG002 -- its signature
        for number, columns in enumerate(self._columns):
            yield Table("t", columns, self._key)
            yield Rows("t", [{name: self._record[name] for name in columns}] * 3, 1)
            yield Checkpoint(str(number))
        yield Rows("t", [self._record], 1)
        yield Checkpoint("99")


ID, MORE, STILL_MORE = ({"id": Kind.INTEGER}, {"id": Kind.INTEGER, "more": Kind.TEXT}, COLUMNS)


@pytest.mark.parametrize("policy", [SchemaPolicy.FREEZE, SchemaPolicy.DISCARD])
def test_the_first_load_finds_its_columns_under_every_policy_even_after_a_crash(
    warehouse: Warehouse, killer: Killer, tmp_path: Path, policy: SchemaPolicy
) -> None:
    collection = Collection(warehouse.options(), tmp_path / "work", policy=policy)
    killer.after(1)
    with pytest.raises(Crash):
        collection.load(Announced(ID, record={"id": 1}))
    collection.load(Announced(ID, MORE, record={"id": 1, "more": "x", "unannounced": 1}), again=1)
    assert columns(warehouse) == ["id", "more", "unannounced"]


@pytest.mark.parametrize("new", ["announced", "not announced"])
def test_a_new_field_of_a_frozen_table_is_one_error_and_nothing_of_its_pass_is_loaded(
    warehouse: Warehouse, killer: Killer, tmp_path: Path, new: str
) -> None:
    collection = Collection(warehouse.options(), tmp_path / "work", policy=SchemaPolicy.FREEZE)
    collection.load(Announced(ID, record={"id": 1}))
    killer.after(0)
    source = Announced(ID, *([MORE] if new == "announced" else []), record={"id": 2, "more": "x"})
    with pytest.raises(ConfigurationError, match="destination 'd': table 't' has no column for 'more', and its schema"):
        collection.load(source)
    assert warehouse.execute("SELECT id, count(*) FROM loaded.t GROUP BY id") == [(1, 4)]
    assert columns(warehouse) == ["id"]


def test_a_value_of_another_type_leaves_nothing_of_its_pass_in_a_frozen_table(
    warehouse: Warehouse, killer: Killer, tmp_path: Path
) -> None:
    collection = Collection(warehouse.options(), tmp_path / "work", policy=SchemaPolicy.FREEZE)
    collection.load(Announced(ID, record={"id": 1}))
    killer.after(0)
    rows = [Rows("t", [{"id": number}] * 3, 1) for number in (2, 3)]
    points = [Checkpoint(str(number)) for number in (2, 3)]
    later = Sent(Table("t", {"id": Kind.TEXT}), rows[0], points[0], rows[1], points[1], Rows("t", [{"id": "x"}], 1))
    with pytest.raises(ConfigurationError, match=r"column 'id' of table 't' is (bigint|BIGINT) and cannot hold"):
        collection.load(later)
    assert warehouse.execute("SELECT id, count(*) FROM loaded.t GROUP BY id") == [(1, 4)]


def test_new_fields_are_discarded_with_one_warning_a_pass(warehouse: Warehouse, tmp_path: Path, killer: Killer) -> None:
    collection = Collection(warehouse.options(), tmp_path / "work", policy=SchemaPolicy.DISCARD)
    collection.load(Announced(ID, record={"id": 1}))
    killer.after(0)
    collection.load(Announced(ID, MORE, record={"id": 2, "more": "x", "unannounced": 1}))
    assert columns(warehouse) == ["id"]
    assert warehouse.execute("SELECT id, count(*) FROM loaded.t GROUP BY id ORDER BY id") == [(1, 4), (2, 7)]
    (line,) = [each for each in collection.told if isinstance(each, LogLine)]
    assert (line.level, line.message) == (
        "warn",
        "table 't' has no column for 'more', 'unannounced'; left out because of schema_policy 'discard'",
    )


def test_a_key_cannot_be_discarded(warehouse: Warehouse, tmp_path: Path) -> None:
    collection = Collection(warehouse.options(), tmp_path / "work", policy=SchemaPolicy.DISCARD)
    collection.load(Announced(ID, record={"id": 1}))
    with pytest.raises(ConfigurationError, match="no column for 'more', which identifies its rows"):
        collection.load(Announced(MORE, record={"id": 1, "more": "x"}, key=("more",)))


def test_a_table_that_was_there_before_is_frozen_from_the_first_load_on(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.execute("CREATE SCHEMA loaded")
    warehouse.execute("CREATE TABLE loaded.t (id integer)")
    collection = Collection(warehouse.options(), tmp_path / "work", policy=SchemaPolicy.FREEZE)
    with pytest.raises(ConfigurationError, match="no column for 'more'"):
        collection.load(Announced(MORE, record={"id": 1, "more": "x"}))
    assert collection.load(Announced(ID, record={"id": 1})) == 4


def found(warehouse: Warehouse, schema: str, *, history: bool) -> Counter[tuple[Any, ...]]:
    counts = ", _syncline_valid_to IS NULL" if history else ""
    return Counter(warehouse.execute(f'SELECT id, "at", v{counts} FROM {schema}.t'))


def columns(warehouse: Warehouse) -> list[str]:
    """The source's own."""
    rows = warehouse.execute("SELECT column_name FROM information_schema.columns WHERE table_name = 't'")
    return sorted(name for (name,) in rows if not name.startswith("_syncline"))


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Killer:
    return Killer(monkeypatch)
