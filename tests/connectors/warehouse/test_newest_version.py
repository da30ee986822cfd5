"""Which row of several with an equal key stays, where a source tells which of them is the newest."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Kind, Table
from app.domain.attempt_protocol import LogLine
from app.domain.errors import ConfigurationError
from app.domain.writing import SchemaPolicy, WriteMode
from tests.connectors.passing import Collection, Killer, Sent
from tests.connectors.sources.airbyte.connecting import Connection, record, stream, stream_state

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Duckdb, Warehouse

KEY = {"source_defined_primary_key": [["id"]]}
# Kinds of a cursor, with values that rise by what they mean, and not by how they are written.
RISING: list[tuple[Kind, list[Any]]] = [
    (Kind.INTEGER, [9, 10, 11]),
    (Kind.NUMBER, [9.5, 10, 10.25]),
    (Kind.BIG_INTEGER, [9, 2**70, 2**70 + 1]),
    (Kind.TIMESTAMP, ["2024-05-01T02:30:00+02:00", "2024-05-01T02:10:00+01:00", "2024-05-01T01:10:00.5Z"]),
    (Kind.DATE, ["0999-12-31", "1000-01-01", "2024-05-01"]),
    (Kind.TEXT, ["2024-05-01T23:30:00Z", "2024-05-02T00:00:00Z", "2024-05-02T00:00:01Z"]),
    (Kind.TEXT, ["2024-05-01 10:00+02:00", "2024-05-01 10:30+02:00", "2024-05-02 00:00+02:00"]),
    (Kind.TEXT, ["ä 0009", "ä 0010", "ä 0100"]),
    (Kind.JSON, [9, 10, 10.5]),
    (Kind.JSON, ["2024-05-01", "2024-05-02", "2024-06-01"]),
]
# Texts of which the characters do not tell, or nothing but what they mean would, the lower one first.
UNTOLD = [
    ("2024-05-01T10:00:00Z", "2024-05-01T10:00:00.5Z"),
    ("2024-05-01T10:00:00.12Z", "2024-05-01T10:00:00.123Z"),
    ("2024-10-27T02:10+01:00", "2024-10-27T02:30+02:00"),
    ("2024-05-01T12:00+05:00", "2024-05-01T09:00+00:00"),
    ("2024-05-01T12:00:00+0500", "2024-05-01T09:00:00+0000"),
    ("2024-05-01 12:00:00+05", "2024-05-01 09:00:00+00"),
    ("2024-05-01T10:00", "2024-05-01 11:00"),
    ("2024-05-01 10:00:00 CEST", "2024-05-01 09:00:00 CET"),
    ("999", "1000"),
    ("9e4", "1e5"),
    ("-5", "-3"),
    ("5-", "3-"),
    ("Thu, 02 May 2024", "Wed, 01 May 2025"),
    ("Wed May 01 10:00:00 2024", "Wed May 01 09:00:00 2025"),
    ("May 02, 2024", "May 01, 2025"),
    ("02 May 2024", "01 May 2025"),
    ("02-MAY-24", "01-MAY-25"),
    ("31.12.2023", "01.01.2024"),
    ("12/31/2023", "01/01/2024"),
    ("12/2023", "05/2024"),
    ("2024-05-01 11:00 AM", "2024-05-01 01:00 PM"),
    ("2024-05-01 12:30 p.m.", "2024-05-01 01:00 p.m."),
    ("2024-10-27T02:10:00+01:00[Europe/Berlin]", "2024-10-27T02:30:00+02:00[Europe/Berlin]"),
    ("Q4 2023", "Q1 2024"),
    ("4Q23", "1Q24"),
    ("2024-Jan-02", "2024-Feb-01"),
    ("B", "a"),
]


def table(kind: Kind = Kind.INTEGER, newest_by: tuple[str, ...] = ("at",), **more: Any) -> Table:
    columns = {"id": Kind.INTEGER, "at": kind, "v": Kind.TEXT}
    return Table("t", columns, key=("id",), cursor_field="at", newest_by=newest_by, **more)


def rows(*versions: tuple[int, Any, str]) -> Rows:
    return Rows("t", [{"id": key, "at": at, "v": text} for key, at, text in versions], 1)


@pytest.mark.parametrize(("kind", "rising"), RISING)
def test_the_highest_cursor_wins_by_what_it_means_within_a_batch_and_between_runs(
    warehouse: Warehouse, tmp_path: Path, kind: Kind, rising: list[Any]
) -> None:
    low, middle, high = rising
    collection = Collection(warehouse.options(), tmp_path / "work")

    def load(*versions: tuple[int, Any, str]) -> list[tuple[Any, ...]]:
        collection.load(Sent(table(kind), rows(*versions), Checkpoint("1")))
        return warehouse.execute("SELECT v FROM loaded.t ORDER BY id")

    assert load((1, middle, "new"), (1, low, "old"), (1, None, "none"), (2, None, "none")) == [("new",), ("none",)]
    assert load((1, low, "late"), (2, low, "first")) == [("new",), ("first",)]
    assert load((1, None, "late"), (2, None, "late")) == [("new",), ("first",)]
    assert load((1, high, "newest"), (1, middle, "late"), (2, low, "equal")) == [("newest",), ("equal",)]


def untold(kind: Kind, path: tuple[str, ...]) -> tuple[Table, list[dict[str, Any]]]:
    """All pairs in both orders, each with a row that has no cursor behind it."""
    announced = table(kind, ("at", *path))
    announced.columns["id"] = Kind.TEXT
    sent = [
        {"id": f"{number} {order}", "at": {path[0]: at} if path else at, "v": v}
        for number, pair in enumerate(UNTOLD)
        for order in (1, -1)
        for at, v in [*zip(pair[::order], ("first", "last"), strict=True), (None, "none")]
    ]
    return announced, sent


TEXTS = pytest.mark.parametrize(("kind", "path"), [(Kind.TEXT, ()), (Kind.JSON, ()), (Kind.JSON, ("x",))])


@TEXTS
def test_of_texts_that_their_characters_do_not_order_the_last_stays_within_a_batch_and_between_runs(
    warehouse: Warehouse, tmp_path: Path, kind: Kind, path: tuple[str, ...]
) -> None:
    collection = Collection(warehouse.options(), tmp_path / "work")
    announced, sent = untold(kind, path)
    for some, stays in ((sent, "last"), (sent[::3], "first"), (sent[1::3], "last"), (sent[2::3], "last")):
        collection.load(Sent(announced, Rows("t", some, 1), Checkpoint("1")))
        assert warehouse.execute("SELECT v, count(*) FROM loaded.t GROUP BY v") == [(stays, 2 * len(UNTOLD))]


def test_the_highest_cursor_wins_between_the_commits_of_one_run(
    warehouse: Warehouse, tmp_path: Path, killer: Killer
) -> None:
    killer.after(0)  # it commits every three rows
    collection = Collection(warehouse.options(), tmp_path / "work")
    first = rows((1, 5, "new"), (2, 5, "new"), (3, None, "none"))
    then = rows((1, 4, "late"), (2, 5, "equal"), (3, 1, "first"))
    written = collection.load(Sent(table(), first, Checkpoint("1"), then, Checkpoint("2")))
    assert written == 5
    assert warehouse.execute("SELECT v FROM loaded.t ORDER BY id") == [("new",), ("equal",), ("first",)]


def test_of_rows_that_nothing_tells_apart_the_last_stays(warehouse: Warehouse, tmp_path: Path) -> None:
    collection = Collection(warehouse.options(), tmp_path / "work")
    for newest_by, last in (((), 4), (("at",), 5)):
        collection.load(
            Sent(table(newest_by=newest_by), rows((1, 5, "a"), (1, 5, "b"), (1, last, "c")), Checkpoint("1"))
        )
        assert warehouse.execute('SELECT "at", v FROM loaded.t') == [(last, "c")]


def test_a_cursor_may_be_inside_of_an_object(warehouse: Warehouse, tmp_path: Path) -> None:
    collection = Collection(warehouse.options(), tmp_path / "work")
    path = ("at", "it's", "a/b")

    def load(*versions: tuple[int, Any, str]) -> list[tuple[Any, ...]]:
        inner = [(key, None if at is None else {"it's": {"a/b": at}}, text) for key, at, text in versions]
        collection.load(Sent(table(Kind.JSON, path), rows(*inner), Checkpoint("1")))
        return warehouse.execute("SELECT v FROM loaded.t")

    assert load((1, 10, "new"), (1, 9, "old"), (1, None, "none")) == [("new",)]
    assert load((1, 9, "late")) == [("new",)]
    assert load((1, 11, "newest")) == [("newest",)]


def test_a_late_version_does_not_end_a_newer_one_of_a_history(warehouse: Warehouse, tmp_path: Path) -> None:
    collection = Collection(warehouse.options(), tmp_path / "work", mode=WriteMode.HISTORY)
    for versions in (((1, 5, "new"), (1, 4, "old")), ((1, 4, "late"),), ((1, 6, "newest"),)):
        collection.load(Sent(table(), rows(*versions), Checkpoint("1")))
    found = warehouse.execute("SELECT v, _syncline_valid_to IS NULL FROM loaded.t ORDER BY _syncline_valid_from")
    assert found == [("new", False), ("newest", True)]
    collection.generation = 1
    collection.load(Sent(table(), rows((1, 4, "all anew")), Checkpoint("1")))
    counting = warehouse.execute("SELECT v FROM loaded.t WHERE _syncline_valid_to IS NULL")
    assert counting == [("all anew",)], "what is read anew is the truth"


def test_where_all_versions_were_kept_before_a_late_one_hides_none_of_them(duckdb: Duckdb, tmp_path: Path) -> None:
    collection = Collection(duckdb.options(), tmp_path / "work", mode=WriteMode.APPEND)
    collection.load(Sent(table(), rows((1, 4, "old"), (1, 6, "newest")), Checkpoint("1")))
    collection.mode = WriteMode.UPSERT
    assert collection.load(Sent(table(), rows((1, 5, "late")), Checkpoint("1"))) == 0
    assert duckdb.execute("SELECT v FROM loaded.t ORDER BY v") == [("newest",), ("old",)]


def test_a_cursor_that_tells_the_newest_row_cannot_be_discarded(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.execute("CREATE SCHEMA loaded")
    warehouse.execute("CREATE TABLE loaded.t (id bigint, v text)")
    collection = Collection(warehouse.options(), tmp_path / "work", policy=SchemaPolicy.DISCARD)
    with pytest.raises(ConfigurationError, match="no column for 'at', which identifies its rows"):
        collection.load(Sent(table(), rows((1, 5, "a")), Checkpoint("1")))


@pytest.mark.parametrize("described_as", [{"format": "date-time"}, {}])
def test_a_late_message_of_a_connector_does_not_overwrite_a_newer_one(
    tmp_path: Path, warehouse: Warehouse, described_as: dict[str, str]
) -> None:
    connection = Connection(tmp_path, {"warehouse": warehouse.options()})
    described = stream(**KEY)
    described["json_schema"]["properties"]["at"] = {"type": ["null", "string"]} | described_as
    connection.config["catalog"] = {"streams": [described]}
    paid = record(id=1, at="2024-05-02T00:00:00Z", text="paid")
    opened = record(id=1, at="2024-05-01T23:30:00Z", text="open")
    same = record(id=1, at="2024-05-02T01:00:00+01:00", text="refunded")
    state = stream_state("made", {"at": 1})
    for lines, text in (((opened, paid), "paid"), ((opened,), "paid"), ((paid, opened, same), "refunded")):
        assert connection.run(lines=[*lines, state]).finished
        assert warehouse.execute("SELECT text FROM loaded.made") == [(text,)]
    connection.collection["sync_mode"] = "full_refresh"
    assert connection.run(lines=[opened, paid]).finished
    assert warehouse.execute("SELECT text FROM loaded.made") == [("paid",)], "all rows as they came"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_where_dlt_loads_the_newest_of_a_load_wins_and_a_warning_tells_the_rest(duckdb: Duckdb, tmp_path: Path) -> None:
    options = {"type": "dlt:duckdb", "dataset": "loaded", "credentials": str(duckdb.path)}
    collection = Collection(options, tmp_path / "work")
    for number, (kind, rising) in enumerate(RISING):
        collection.directory, name = tmp_path / f"work {number}", f"t{number}"
        announced = dataclasses.replace(table(kind), name=name)
        first = rows((1, rising[1], "new"), (1, rising[0], "old"), (1, None, "none"), (2, None, "none"), (3, None, "a"))
        then = rows((2, rising[2], "newest"), (2, rising[1], "old"), (3, None, "b"))
        batches = [dataclasses.replace(each, table=name) for each in (first, then)]
        collection.load(Sent(announced, *batches, Checkpoint("1")))
        assert duckdb.execute(f"SELECT v FROM loaded.{name} ORDER BY id") == [("new",), ("newest",), ("b",)]
    warnings = [line.message for line in collection.told if isinstance(line, LogLine) and line.level == "warn"]
    assert len(warnings) == len(RISING)
    assert "table 't0': this destination does not compare 'at' with that of the row it already has" in warnings[0]
    collection.directory = tmp_path / "work"
    inner = dataclasses.replace(table(Kind.JSON, ("at", "x")), name="inner")
    sent = Rows("inner", [{"id": 1, "at": {"x": at}, "v": f"{at}"} for at in (9, 10, None)], 1)
    collection.load(Sent(inner, sent, Checkpoint("1")))
    assert duckdb.execute("SELECT v FROM loaded.inner") == [("10",)]


@TEXTS
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_where_dlt_loads_the_last_of_texts_that_their_characters_do_not_order_stays(
    duckdb: Duckdb, tmp_path: Path, kind: Kind, path: tuple[str, ...]
) -> None:
    options = {"type": "dlt:duckdb", "dataset": "loaded", "credentials": str(duckdb.path)}
    announced, sent = untold(kind, path)
    Collection(options, tmp_path / "work").load(Sent(announced, Rows("t", sent, 1), Checkpoint("1")))
    assert duckdb.execute("SELECT v, count(*) FROM loaded.t GROUP BY v") == [("last", 2 * len(UNTOLD))]


def test_a_cursor_that_the_catalog_does_not_describe_is_warned_of(tmp_path: Path) -> None:
    connection = Connection(tmp_path)
    connection.config["catalog"] = {"streams": [stream(default_cursor_field=["changed"], **KEY)]}
    assert "the catalog does not describe 'changed', the cursor of stream 'made'" in str(connection.read().log)
    inside = stream(default_cursor_field=["text", "changed"], **KEY)
    assert "does not describe 'text.changed'" in str(connection.read(catalog={"streams": [inside]}).log)
    for harmless in ({"write_mode": "append"}, {"sync_mode": "full_refresh"}, {"cursor_field": "at"}):
        connection.collection = harmless
        assert connection.read().log == []


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Killer:
    return Killer(monkeypatch)
