"""Destinations that dlt writes to: each row once, whatever dies and whenever; no value becomes another one."""

from __future__ import annotations

import datetime as dt
import signal
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import duckdb
import psycopg
import pytest
import sqlalchemy

from app.connectors.contract.schema import Digits, Kind, Table
from app.connectors.destinations.dlt.load import Loader
from app.connectors.making import make_destination
from app.connectors.values.fitting import ValueRefusedError
from app.domain.errors import ConfigurationError, LeaseLostError, SynclineError
from app.domain.writing import SchemaPolicy, WriteMode
from tests.connectors.attempts import Attempt
from tests.connectors.destinations.dlt.killing import die_at_the_end_of_a_load
from tests.connectors.fences import fence_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from app.connectors.contract.passes import Position
    from app.connectors.destinations.dlt.destination import DltDestination

# dlt and what it stands on warn of their own future.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),
]

TASK = "0192f7c2-0000-7000-8000-000000000001"
NEXT_TASK = "0192f7c2-0000-7000-8000-000000000002"
ROWS = Table("made", {"id": Kind.INTEGER, "text": Kind.TEXT})
KEYED = replace(ROWS, key=("id",), mode=WriteMode.UPSERT)
REPLACED = replace(ROWS, full_refresh=True, mode=WriteMode.REPLACE)


@dataclass
class DltTarget:
    """A destination, and the means to look into it."""

    options: dict[str, Any]
    rows: Callable[[str], list[tuple[Any, ...]]]
    directory: Path
    attempts: int = 0

    def attempt(self, *, task: str = TASK) -> tuple[DltDestination, Position]:
        """The next attempt, open."""
        destination = self.made(task=task)
        return destination, destination.open()

    def made(self, *, task: str = TASK) -> Any:
        """The next attempt, which has not looked at the destination yet."""
        self.attempts += 1
        # By their claims: a database that forgets one gives the same attempt out again.
        fence = fence_of(task, claim=self.attempts)
        # Each as on a machine of its own: what attempts on one machine lock, they lock beside this directory.
        work_dir = self.directory / f"machine {self.attempts}" / "attempt"
        work_dir.mkdir(parents=True)
        made: Any = make_destination(
            "there", self.options, fence=fence, work_dir=work_dir, log=lambda _level, _message: None
        )
        return made

    def begun(self, table: Table, rows: range) -> DltDestination:
        destination, _ = self.attempt()
        destination.begin(table)
        destination.write("made", records(rows))
        return destination

    def ids(self) -> list[int]:
        return sorted(row[0] for row in self.rows("SELECT id FROM made"))


def records(rows: range, text: str = "row") -> list[dict[str, Any]]:
    return [{"id": number, "text": f"{text} {number}"} for number in rows]


def duckdb_target(directory: Path) -> DltTarget:
    path = directory / "there.duckdb"

    def rows(query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(path)) as connection:
            connection.execute("SET schema = 'loaded'; SET TimeZone = 'UTC'")
            return connection.execute(query).fetchall()

    return DltTarget({"type": "dlt:duckdb", "dataset": "loaded", "credentials": str(path)}, rows, directory)


def files_target(directory: Path) -> DltTarget:
    bucket = directory / "bucket"

    def rows(query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect() as connection:
            files = [str(path) for path in (bucket / "loaded" / "made").glob("*.parquet")]
            if not files:
                return []
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"CREATE VIEW made AS SELECT * FROM read_parquet({files}, union_by_name = true)")
            return connection.execute(query).fetchall()

    return DltTarget({"type": "dlt:filesystem", "dataset": "loaded", "bucket_url": str(bucket)}, rows, directory)


def sqlite_target(directory: Path) -> DltTarget:
    address = f"sqlite:///{directory / 'there.db'}"

    def rows(query: str) -> list[tuple[Any, ...]]:
        engine = sqlalchemy.create_engine(f"sqlite:///{directory / 'there__loaded.db'}")
        with engine.connect() as connection:
            found = [tuple(row) for row in connection.execute(sqlalchemy.text(query))]
        engine.dispose()
        return found

    return DltTarget({"type": "dlt:sqlalchemy", "dataset": "loaded", "credentials": address}, rows, directory)


def postgres_target(directory: Path, url: str) -> DltTarget:
    def rows(query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET search_path = loaded; SET TimeZone = 'UTC'")
            return connection.execute(query.encode()).fetchall()

    given = psycopg.conninfo.conninfo_to_dict(url)
    # dlt wants a password and a host that is none of a socket, even where nobody asks for them.
    password, host = given.get("password") or "none", quote(str(given["host"]), safe="")
    address = f"postgresql://{given['user']}:{password}@localhost:{given['port']}/{given['dbname']}?host={host}"
    return DltTarget({"type": "dlt:postgres", "dataset": "loaded", "credentials": address}, rows, directory)


@pytest.fixture
def target(request: pytest.FixtureRequest, tmp_path: Path) -> DltTarget:
    if request.param == "postgres":
        return postgres_target(tmp_path, request.getfixturevalue("empty_database_url"))
    targets = {"duckdb": duckdb_target, "files": files_target, "sqlite": sqlite_target}
    return targets[request.param](tmp_path)


every = pytest.mark.parametrize("target", ["duckdb", "files", "sqlite", "postgres"], indirect=True)
two = pytest.mark.parametrize("target", ["duckdb", "files"], indirect=True)
databases = pytest.mark.parametrize("target", ["duckdb", "sqlite", "postgres"], indirect=True)


@every
def test_a_crash_before_inside_or_after_a_load_neither_loses_nor_doubles_a_row(
    target: DltTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = target.begun(ROWS, range(10))
    assert first.commit("1", final=False) == 10
    first.write("made", records(range(10, 20)))
    second, position = target.attempt()
    assert (position.bookmark, position.loaded, position.completed) == ("1", True, False)
    assert target.ids() == list(range(10)), "what the first had staged is gone with it"

    second.begin(ROWS)
    second.write("made", records(range(10, 20)))
    with crash_inside(), pytest.raises(SynclineError):
        second.commit("2", final=False)
    third, position = target.attempt()
    assert position.bookmark == "1"
    assert target.ids() == list(range(10)), "rows of a load that did not end are taken back"

    third.begin(ROWS)
    third.write("made", records(range(10, 20)))
    monkeypatch.setattr("app.connectors.destinations.dlt.bookmarks.Bookmark.move", crash)
    with pytest.raises(SynclineError):
        third.commit("2", final=True)
    monkeypatch.undo()
    fourth, position = target.attempt()
    assert (position.bookmark, position.completed) == ("2", True)
    assert target.ids() == list(range(20))

    fourth.begin(ROWS)
    assert fourth.commit("3", final=True) == 0
    assert target.attempt()[1].bookmark == "3"
    with pytest.raises(LeaseLostError):
        fourth.commit("4", final=True)


@databases
def test_rows_with_a_key_are_merged_and_a_crash_inside_is_mended_by_the_next_attempt(target: DltTarget) -> None:
    target.begun(KEYED, range(10)).commit("1", final=False)
    changed = [*records(range(5, 15), "old"), *records(range(5, 15), "new")]
    destination, _ = target.attempt()
    destination.begin(KEYED)
    destination.write("made", changed)
    with crash_inside(), pytest.raises(SynclineError):
        destination.commit("2", final=False)
    destination, position = target.attempt()
    assert position.bookmark == "1"
    destination.begin(KEYED)
    destination.write("made", changed)
    assert destination.commit("2", final=True) == 10
    assert target.ids() == list(range(15))
    assert target.rows("SELECT text FROM made WHERE id IN (4, 5) ORDER BY id") == [("row 4",), ("new 5",)]


@databases
def test_rows_without_a_key_that_come_again_are_not_loaded_twice(target: DltTarget) -> None:
    table = Table("made", {"id": Kind.INTEGER, "text": Kind.TEXT}, cursor_field="id")
    twice = {"id": 9, "text": "twice"}
    destination = target.begun(table, range(9))
    destination.write("made", [twice, twice])
    assert destination.commit("9", final=True) == 11
    destination, _ = target.attempt()
    destination.begin(table)
    destination.write("made", [twice, {"id": 10, "more": 1}, twice, twice])
    destination.commit("10", final=True)
    assert target.ids() == [*range(9), 9, 9, 9, 10]


@databases
def test_equal_rows_are_counted_over_commits_and_those_without_a_cursor_are_always_new(target: DltTarget) -> None:
    table = Table("made", {"id": Kind.INTEGER, "at": Kind.INTEGER}, cursor_field="at")
    low, nowhere = {"id": 1, "at": 1}, {"id": 2}
    destination, _ = target.attempt()
    destination.begin(table)
    destination.write("made", [{"id": 3, "at": 9}, low, nowhere])
    destination.commit("1", final=False)
    destination.write("made", [low, nowhere, nowhere])
    destination.commit("2", final=False)
    destination.write("made", [nowhere])
    with crash_inside(), pytest.raises(SynclineError):
        destination.commit("3", final=True)
    destination.close()
    destination, _ = target.attempt()
    destination.begin(table)
    destination.write("made", [nowhere])
    destination.commit("3", final=True)
    destination.close()
    assert target.ids() == [1, 1, 2, 2, 2, 2, 3]


@every
def test_replaced_rows_stay_until_the_new_ones_are_complete(target: DltTarget) -> None:
    target.begun(REPLACED, range(10)).commit(None, final=True)
    destination = target.begun(REPLACED, range(20, 25))
    assert destination.commit("x", final=False) == 0
    assert target.ids() == list(range(10))
    with crash_inside(), pytest.raises(SynclineError):
        destination.commit(None, final=True)
    assert set(target.ids()) >= set(range(20, 25)) or target.ids() == list(range(10))
    target.begun(REPLACED, range(20, 25)).commit(None, final=True)
    assert target.ids() == list(range(20, 25))
    destination, _ = target.attempt()
    destination.begin(REPLACED)
    destination.commit(None, final=True)
    assert target.ids() == []


@every
def test_replaced_rows_stay_if_a_reading_suddenly_brings_nothing_or_far_less(target: DltTarget) -> None:
    guarded = replace(REPLACED, empty="refuse", max_shrink=50)
    target.begun(guarded, range(2000)).commit("1", final=True)
    for few, complaint in ((range(0), "sent none: the table"), (range(999), "sent only 999, and 'max_shrink' is 50%")):
        with pytest.raises(SynclineError, match=f"table 'made' has 2,000 rows, but the source {complaint}") as refused:
            target.begun(guarded, few).commit("2", final=True)
        assert not isinstance(refused.value, ConfigurationError)
        assert len(target.ids()) == 2000
    assert target.attempt()[1].bookmark == "1"
    target.begun(guarded, range(1000)).commit("2", final=True)
    assert len(target.ids()) == 1000
    target.begun(replace(guarded, empty="allow"), range(0)).commit("3", final=True)
    target.begun(guarded, range(0)).commit("4", final=True)
    assert target.ids() == []


@every
def test_rows_of_one_key_are_counted_once_when_they_replace_others(target: DltTarget) -> None:
    guarded = replace(REPLACED, key=("id",), max_shrink=50)
    target.begun(guarded, range(2000)).commit("1", final=True)
    destination = target.begun(guarded, range(999))
    destination.write("made", records(range(999), "again"))
    with pytest.raises(SynclineError, match="sent only 999"):
        destination.commit("2", final=True)


@every
def test_every_kind_arrives_as_it_is(target: DltTarget) -> None:
    table = Table(
        "made",
        {
            "id": Kind.INTEGER,
            "yes": Kind.BOOLEAN,
            "huge": Kind.BIG_INTEGER,
            "number": Kind.NUMBER,
            "text": Kind.TEXT,
            "moment": Kind.TIMESTAMP,
            "day": Kind.DATE,
            "clock": Kind.TIME,
            "json": Kind.JSON,
            "double": Kind.FLOAT,
            "exact": Kind.DECIMAL,
            "wall": Kind.LOCAL_TIMESTAMP,
            "span": Kind.INTERVAL,
            "uuid": Kind.UUID,
            "raw": Kind.BYTES,
            "select": Kind.TEXT,
            "camelCase": Kind.TEXT,
        },
    )
    full = {
        "id": 2**63 - 1,
        "yes": True,
        "huge": 2**64,
        "number": Decimal("0.1"),
        "text": "\N{PILE OF POO} 'quoted'; \"x\"\n",
        "moment": "2024-05-01T12:00:00.123456+02:00",
        "day": "2024-05-01",
        "clock": "12:30:00",
        "json": {"a": [1, "1", None]},
        "double": 0.1,
        "exact": Decimal("0.10"),
        "wall": "2024-05-01T10:00:00.123456",
        "span": "1 mon",
        "uuid": "00000000-0000-0000-0000-000000000001",
        "raw": b"\x00\xff",
        "select": "reserved",
        "camelCase": "",
    }
    assert set(table.columns.values()) == set(Kind)
    destination, _ = target.attempt()
    destination.begin(table)
    destination.write("made", [full, {"id": 2, "json": "1"}, {"id": 3, "json": 1}])
    assert destination.commit(None, final=True) == 3
    names = 'id, yes, huge, number, text, day, clock, json, "select", camel_case'
    (row,) = target.rows(f"SELECT {names} FROM made WHERE id > 3")
    assert (row[0], bool(row[1]), int(row[2]), row[3]) == (2**63 - 1, True, 2**64, 0.1)
    assert row[4] == full["text"]
    assert str(row[5]) == "2024-05-01"
    assert row[6:] == ("12:30:00", '{"a":[1,"1",null]}', "reserved", "")
    ((at,),) = target.rows("SELECT moment FROM made WHERE id > 3")
    moment = dt.datetime.fromisoformat(str(at))
    assert moment.replace(tzinfo=None) == dt.datetime(2024, 5, 1, 10, 0, 0, 123456)  # noqa: DTZ001 -- some keep no zone
    ((double, exact, wall, *others, raw),) = target.rows(
        "SELECT double, exact, wall, span, uuid, raw FROM made WHERE id > 3"
    )
    assert (double, Decimal(str(exact)), bytes(raw)) == (0.1, Decimal("0.1"), b"\x00\xff")
    assert dt.datetime.fromisoformat(str(wall)) == dt.datetime(2024, 5, 1, 10, 0, 0, 123456)  # noqa: DTZ001 -- as sent
    assert list(map(str, others)) == [full["span"], full["uuid"]]
    assert target.rows("SELECT json FROM made WHERE id < 4 ORDER BY id") == [('"1"',), ("1",)]
    assert target.rows("SELECT count(*) FROM made WHERE yes IS NULL AND number IS NULL AND moment IS NULL") == [(2,)]


@pytest.mark.parametrize("target", ["duckdb"], indirect=True)
def test_json_whose_names_have_another_order_is_the_same_row(target: DltTarget) -> None:
    table = Table("made", {"id": Kind.INTEGER, "doc": Kind.JSON}, cursor_field="id")
    for doc in ({"a": 1, "b": [{"c": 1.0, "d": None}]}, {"b": [{"d": None, "c": 1}], "a": 1}):
        destination, _ = target.attempt()
        destination.begin(table)
        destination.write("made", [{"id": 1, "doc": doc}])
        destination.commit("1", final=True)
    assert target.rows("SELECT id, doc FROM made") == [(1, '{"a":1,"b":[{"c":1,"d":null}]}')]


@pytest.mark.parametrize("target", ["sqlite"], indirect=True)
@pytest.mark.parametrize("number", [2**53 + 1, 12345678901234567890000000000004])
def test_a_whole_number_that_sqlite_would_round_is_refused(target: DltTarget, number: int) -> None:
    destination, _ = target.attempt()
    destination.begin(Table("made", {"id": Kind.BIG_INTEGER}))
    destination.write("made", [{"id": -(2**63)}, {"id": 2**70}, {"id": 10**18}])
    with pytest.raises(ValueRefusedError, match=r"column 'id' .* cannot hold [0-9]+: SQLite would round it"):
        destination.write("made", [{"id": number}])
    assert destination.commit(None, final=True) == 3
    assert [int(number) for (number,) in target.rows("SELECT id FROM made ORDER BY id")] == [-(2**63), 10**18, 2**70]


@pytest.mark.parametrize("target", ["duckdb"], indirect=True)
def test_a_value_that_a_column_cannot_hold_is_refused_and_no_variant_appears(target: DltTarget) -> None:
    target.begun(ROWS, range(1)).commit("1", final=True)
    destination, _ = target.attempt()
    destination.begin(Table("made", {"id": Kind.NUMBER, "text": Kind.TEXT, "more": Kind.BYTES}))
    with pytest.raises(ValueRefusedError, match="column 'id' of table 'made' is bigint\\(64\\) and cannot hold"):
        destination.write("made", [{"id": Decimal("1.5")}])
    destination.write("made", [{"id": 7, "more": b"\0\1"}])
    destination.write("made", [{"id": 8, "later": {"a": 1}}])
    assert destination.commit("2", final=True) == 2
    names = "SELECT column_name FROM information_schema.columns WHERE table_name = 'made' ORDER BY ordinal_position"
    own = ["_syncline_task_id", "_syncline_synced_at", "_dlt_load_id"]
    assert [name for (name,) in target.rows(names)] == ["id", "text", *own, "more", "later"]
    assert target.rows("SELECT id, more, later FROM made WHERE id > 1 ORDER BY id") == [
        (7, b"\0\1", None),
        (8, None, '{"a":1}'),
    ]


@two
def test_a_table_that_is_announced_again_with_fewer_or_other_columns_loses_no_value(target: DltTarget) -> None:
    destination = target.begun(ROWS, range(2))
    destination.begin(Table("made", {"id": Kind.TEXT, "more": Kind.TEXT}))
    destination.write("made", [{"id": 2, "more": "x"}])
    destination.begin(Table("made", {"id": Kind.INTEGER}))
    destination.write("made", [{"id": 3}])
    assert destination.commit("1", final=True) == 4
    assert target.rows("SELECT id, text, more FROM made ORDER BY id") == [
        (0, "row 0", None),
        (1, "row 1", None),
        (2, None, "x"),
        (3, None, None),
    ]


@every
def test_listing_the_tables_of_what_is_not_there_makes_nothing(target: DltTarget) -> None:
    before = sorted(each.name for each in target.directory.iterdir())
    assert target.made().own_tables() == {}
    made = {each.name for each in target.directory.iterdir()} - {*before}
    assert made <= {"machine 1"}
    destination = target.begun(ROWS, range(3))
    destination.commit("1", final=True)
    assert target.made().own_tables() == {"made": False}


def test_destinations_whose_names_differ_in_signs_alone_do_not_meet(tmp_path: Path) -> None:
    target = files_target(tmp_path)
    fence = fence_of(TASK, claim=1)
    for name in ("lake-a", "lake_a", "湖", "海", "x" * 255):
        make_destination(name, target.options, fence=fence, work_dir=tmp_path, log=lambda _level, _message: None)


@pytest.mark.parametrize("target", ["duckdb"], indirect=True)
def test_a_frozen_table_takes_all_fields_of_its_first_load_and_no_other_after_it(target: DltTarget) -> None:
    frozen = replace(ROWS, schema_policy=SchemaPolicy.FREEZE)
    first = target.begun(frozen, range(1))
    first.write("made", [{"id": 1, "late": "x"}])
    crashed, _ = target.attempt()
    crashed.begin(frozen)
    crashed.write("made", [{"id": 0}, {"id": 1, "late": "x"}])
    assert crashed.commit("1", final=True) == 2
    second = target.begun(frozen, range(2, 3))
    with pytest.raises(ConfigurationError, match="no column for 'new', and its schema_policy is 'freeze'"):
        second.write("made", [{"id": 3, "new": 1}])
    third, _ = target.attempt()
    third.begin(replace(ROWS, schema_policy=SchemaPolicy.DISCARD))
    third.write("made", [{"id": 4, "new": 1, "late": "y"}])
    assert third.commit("2", final=True) == 1
    assert target.rows("SELECT id, late FROM made ORDER BY id") == [(0, None), (1, '"x"'), (4, '"y"')]


@pytest.mark.parametrize("target", ["duckdb"], indirect=True)
@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"fooBar": Kind.TEXT, "foo_bar": Kind.TEXT}, "would both become the column 'foo_bar'"),
        ({"_dlt_load_id": Kind.TEXT}, "the name of a column that Syncline or dlt writes itself"),
        ({"_syncline_task_id": Kind.TEXT}, "the name of a column that Syncline writes itself"),
    ],
)
def test_names_that_become_one_are_refused(target: DltTarget, columns: dict[str, Kind], complaint: str) -> None:
    destination, _ = target.attempt()
    with pytest.raises(ConfigurationError, match=complaint):
        destination.begin(Table("made", columns))


@pytest.mark.parametrize("target", ["duckdb"], indirect=True)
def test_tables_that_become_one_are_refused(target: DltTarget) -> None:
    destination, _ = target.attempt()
    destination.begin(replace(ROWS, name="someThing"))
    with pytest.raises(ConfigurationError, match="'someThing' and 'some_thing' would be one table in this destination"):
        destination.begin(replace(ROWS, name="some_thing"))
    for name in ("_dlt_loads", "_syncline_bookmarks"):
        with pytest.raises(ConfigurationError, match="choose another"):
            destination.begin(replace(ROWS, name=name))


def test_rows_that_cannot_be_upserted_or_told_from_new_ones_are_refused(tmp_path: Path) -> None:
    destination, _ = files_target(tmp_path).attempt()
    with pytest.raises(ConfigurationError, match="set 'write_mode: append' or 'write_mode: replace'"):
        destination.begin(KEYED)
    with pytest.raises(ConfigurationError, match="files would hold them twice"):
        destination.begin(Table("made", {"id": Kind.INTEGER}, cursor_field="id"))


@pytest.mark.parametrize("target", ["duckdb"], indirect=True)
def test_rows_that_a_dead_attempt_brings_late_are_taken_back(target: DltTarget) -> None:
    late = target.begun(ROWS, range(10))
    with crash_inside(), pytest.raises(SynclineError):
        late.commit("1", final=True)
    path = target.options["credentials"]
    with duckdb.connect(path) as connection:
        arrived = connection.execute("SELECT * FROM loaded.made").fetchall()
    assert len(arrived) == 10
    destination = target.begun(ROWS, range(10))
    with duckdb.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM loaded.made").fetchall() == [(0,)]
        connection.executemany("INSERT INTO loaded.made VALUES (?, ?, ?, ?, ?)", arrived)
    destination.commit("1", final=True)
    assert target.ids() == list(range(10))


@two
def test_an_attempt_that_comes_late_leaves_the_load_of_a_newer_one_alone(target: DltTarget) -> None:
    late = target.made()
    newer = target.begun(ROWS, range(10))
    with crash_inside(), pytest.raises(SynclineError):
        newer.commit("1", final=True)
    with pytest.raises(LeaseLostError):
        late.open()
    assert target.ids() == list(range(10))


@two
def test_an_attempt_that_is_overtaken_while_it_asks_for_a_load_takes_nothing_back(target: DltTarget) -> None:
    dead = target.begun(ROWS, range(10))
    with patched("bookmarks.Bookmark.move", crash), pytest.raises(SynclineError):
        dead.commit("1", final=True)
    slow, newer = target.made(), target.made()
    positions: list[Position] = []

    def asked_too_early(*_: Any) -> bool:
        with patched("load.Loader.is_known", is_known):
            positions.append(newer.open())
        return False

    is_known = Loader.is_known
    with patched("load.Loader.is_known", asked_too_early), pytest.raises(LeaseLostError):
        slow.open()
    assert [position.bookmark for position in positions] == ["1"]
    assert target.ids() == list(range(10))


@two
def test_an_attempt_that_is_overtaken_before_it_announces_a_load_does_not_load(target: DltTarget) -> None:
    slow, newer = target.begun(ROWS, range(10)), target.made()

    def package(*arguments: Any) -> str:
        newer.open()
        return original(*arguments)

    original = Loader.package
    with patched("load.Loader.package", package), pytest.raises(LeaseLostError):
        slow.commit("1", final=True)
    assert target.ids() == []


@two
def test_a_load_that_one_task_has_ended_does_not_complete_another(target: DltTarget) -> None:
    dead = target.begun(ROWS, range(10))
    with patched("bookmarks.Bookmark.move", crash), pytest.raises(SynclineError):
        dead.commit("1", final=True)
    with patched("bookmarks.Bookmark._move", crash), pytest.raises(SynclineError):
        target.attempt(task=NEXT_TASK)
    _, position = target.attempt(task=NEXT_TASK)
    assert (position.bookmark, position.completed) == ("1", False)


@pytest.mark.parametrize(
    ("target", "point"),
    [
        ("duckdb", "destination.committing"),
        ("duckdb", None),
        ("duckdb", "destination.bookmarked"),
        ("files", None),
        ("files", "destination.bookmarked"),
    ],
    indirect=["target"],
)
def test_a_process_that_is_killed_before_inside_or_after_a_load_is_recovered(
    target: DltTarget, point: str | None, tmp_path: Path
) -> None:
    """Without a `point` it dies where dlt is about to note that it has loaded everything."""
    job = {
        "task": TASK,
        "task_id": "t",
        "attempt": 1,
        "claim": 1,
        "mode": "sync",
        "source": "s",
        "source_type": "files",
        "source_config": {},
        "collection": {
            "name": "c",
            "type": "c",
            "table_name": "made",
            "start_date": "2020-01-01",
            "parameters": {"path": f"{tmp_path}/*.jsonl"},
        },
        "destinations": {"there": target.options},
        "generation": 0,
        "data_dir": str(tmp_path / "state"),
    }
    (tmp_path / "a.jsonl").write_text("".join(f'{{"id": {number}}}\n' for number in range(10)))
    assert run_attempt(job, killed=point is None, armed=f"{point}=kill" if point else "") == -signal.SIGKILL
    assert run_attempt(job | {"attempt": 2}) == 0
    assert target.ids() == list(range(10))
    assert not any(path.is_dir() for path in (tmp_path / "state" / "attempts").iterdir())


def test_a_wrong_address_is_told_before_anything_is_read_and_without_its_password(tmp_path: Path) -> None:
    target = postgres_target(tmp_path, "postgresql://me:hunter22@127.0.0.1:9/nowhere")
    with pytest.raises(SynclineError, match="cannot prepare the bookmarks: connection to server") as failed:
        target.attempt()
    assert "hunter22" not in str(failed.value)


@contextmanager
def patched(name: str, changed: Any) -> Iterator[None]:
    """`name` is relative to the package of dlt's destinations."""
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(f"app.connectors.destinations.dlt.{name}", changed)
        yield


def crash(*_: Any, **__: Any) -> None:
    raise OSError("a crash")


@contextmanager
def crash_inside() -> Iterator[None]:
    """The rows of a load have arrived, `_dlt_loads` does not have it yet."""
    with pytest.MonkeyPatch.context() as patching:
        for name in COMPLETIONS:
            patching.setattr(name, crash)
        yield


COMPLETIONS = (
    "dlt.destinations.job_client_impl.SqlJobClientBase.complete_load",
    "dlt.destinations.impl.sqlalchemy.sqlalchemy_job_client.SqlalchemyJobClient.complete_load",
    "dlt.destinations.impl.filesystem.filesystem.FilesystemClient.complete_load",
)


def run_attempt(job: dict[str, Any], *, killed: bool = False, armed: str = "") -> int:
    attempt = Attempt(job, armed=armed, prepare=die_at_the_end_of_a_load if killed else None)
    for _ in attempt.messages():
        pass
    return attempt.close()


@every
def test_an_unchanged_table_is_described_in_the_same_way(target: DltTarget) -> None:
    """What dlt reports of a new column and of one that exists differs in sizes."""
    columns = {f"a {kind.value}": kind for kind in Kind} | {"price": Kind.DECIMAL}
    table = Table("made", columns, digits={"price": Digits(18, 2)})
    described = []
    for task in (TASK, NEXT_TASK):
        destination, _ = target.attempt(task=task)
        destination.begin(table)
        destination.write("made", [{"price": 1}])
        destination.commit(None, final=True)
        described.append([each.columns for each in destination.describe_tables()])
        destination.close()
    assert described[0] == described[1]
    assert described[0][0]["price"] == ("price", "decimal(18, 2)")
