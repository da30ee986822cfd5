"""Bookmarks that were set by hand: the next attempt reads from there, and the rows that are there stay."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from tests.connectors.attempts import Duckdb, Told
from tests.connectors.contract.test_standing import Shop, There, reasons

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Postgres

ALL = list(range(10))


@pytest.fixture(params=["postgres", "duckdb", "parquet", "dlt:duckdb"])
def there(request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres) -> There:
    warehouse = postgres if request.param == "postgres" else Duckdb(tmp_path / "there.duckdb")
    return There(request.param, tmp_path, warehouse)


@pytest.fixture
def shop(tmp_path: Path, there: There) -> Shop:
    return Shop.of(tmp_path, there)


def at(value: Any, **changes: Any) -> str:
    return json.dumps({"cursor_field": "at", "type": "integer", "value": str(value)} | changes)


def set_to(shop: Shop, bookmark: str | None, *still_valid: int, name: str = "there") -> None:
    """As the store tells it to the attempts of the next generation."""
    shop.trial.generation += 1
    shop.trial.set_bookmarks = {name: {"still_valid": list(still_valid), "bookmark": bookmark}}


def last(told: Told) -> Any:
    return told.committed[-1].bookmark["value"]


def test_rows_are_read_from_there_and_those_that_are_there_stay(shop: Shop, there: There) -> None:
    shop.load()
    with sqlite3.connect(shop.database) as connection:
        connection.execute("DELETE FROM orders WHERE id IN (1, 4)")
    set_to(shop, at(3))
    told = shop.load()
    assert told.finished.records_read == 6
    assert there.ids("made") == ALL, "nothing was emptied or doubled"
    assert not reasons(told)
    assert any("'there': reading from the bookmark that was set by hand" in line for line in told.lines)
    assert last(told) == "9"
    again = shop.load()
    assert again.finished.records_read <= 1, "from now on its own bookmark counts"
    assert not any("set by hand" in line for line in again.lines)


@pytest.mark.parametrize("point", ["child.staged", "destination.committing"])
def test_an_attempt_that_is_killed_before_its_commit_changes_nothing(shop: Shop, there: There, point: str) -> None:
    shop.load()
    set_to(shop, at(3))
    shop.trial.die(point)
    assert shop.trial.run(again=1).finished.records_read == 7
    assert there.ids("made") == ALL


def test_an_attempt_that_is_killed_after_its_commit_has_moved_on(shop: Shop, there: There) -> None:
    """The store has not heard of it, and tells the next attempt the same."""
    shop.load()
    set_to(shop, at(3))
    shop.trial.die("child.committed")
    assert shop.load().finished.records_read <= 1
    assert there.ids("made") == ALL


def test_a_destination_that_has_all_rows_of_the_task_reads_from_there_all_the_same(shop: Shop, there: There) -> None:
    """The task failed elsewhere and waits for its next attempt."""
    shop.load()
    shop.load()
    set_to(shop, at(3))
    assert shop.trial.run(again=1).finished.records_read == 7
    assert there.ids("made") == ALL


def test_the_one_that_was_set_last_counts(shop: Shop) -> None:
    shop.load()
    set_to(shop, at(3))
    shop.load()
    set_to(shop, at(7))
    assert shop.load().finished.records_read == 3
    set_to(shop, at(9))
    assert shop.load().finished.records_read == 1


def test_a_commit_that_the_store_did_not_hear_of_counts_more_than_what_was_set_before_it(shop: Shop) -> None:
    shop.load()
    set_to(shop, at(3))
    shop.trial.die("child.committed")
    set_to(shop, at(3), 1)
    assert shop.load().finished.records_read <= 1


def test_a_destination_that_keeps_its_bookmark_goes_on_from_there(shop: Shop, there: There) -> None:
    shop.load()
    set_to(shop, None, 0)
    assert shop.load().finished.records_read <= 1
    assert there.ids("made") == ALL
    shop.trial.set_bookmarks = {}
    assert shop.load().finished.records_read <= 1, "and it is of the new generation"


def test_a_destination_without_any_is_loaded_anew_as_after_a_reset(shop: Shop, there: There) -> None:
    shop.load()
    with sqlite3.connect(shop.database) as connection:
        connection.execute("DELETE FROM orders WHERE id = 4")
    set_to(shop, None)
    assert shop.load().finished.records_read == 9
    assert there.ids("made") == [each for each in ALL if each != 4]


def test_a_destination_without_rows_begins_there(shop: Shop, there: There) -> None:
    set_to(shop, at(8))
    shop.trial.die("child.staged")
    told = shop.trial.run(again=1)
    assert told.finished.records_read == 2
    assert not reasons(told)
    assert there.ids("made") == [8, 9]
    assert shop.load().finished.records_read <= 1


def test_a_table_that_was_dropped_is_loaded_as_a_whole(shop: Shop, there: There) -> None:
    shop.load()
    set_to(shop, at(8))
    there.drop("made")
    told = shop.load()
    assert told.finished.records_read == 10
    assert reasons(told)
    assert there.ids("made") == ALL


def test_several_destinations_each_begin_at_their_own(tmp_path: Path, postgres: Postgres) -> None:
    one, other = There("postgres", tmp_path, postgres), There("parquet", tmp_path, postgres)
    shop = Shop.of(tmp_path, other)
    shop.trial.destinations = {"one": one.options, "other": other.options, "kept": postgres.options("kept")}
    shop.load()
    set_to(shop, at(3), name="one")
    shop.trial.set_bookmarks |= {"other": {"bookmark": at(3)}, "kept": {"still_valid": [0]}}
    told = shop.load()
    assert told.finished.records_read == 8, "those with the same bookmark share a reading"
    assert {each.destination for each in told.committed} == {"one", "other", "kept"}
    assert one.ids("made") == other.ids("made") == ALL
    assert shop.load().finished.records_read <= 1


@pytest.mark.parametrize("there", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    ("bookmark", "why"),
    [
        ('"2024-01-01"', "it must have the form"),
        ('{"at": 3}', "it must have the form"),
        (at(3, cursor_field="updated"), "it is of cursor_field 'updated', but the collection has 'at'"),
        (at(3, type="number"), "it has the unknown type 'number'; choose one of integer, decimal,"),
        (at("three"), '"three" is not a value of type integer'),
        (at("NaN", type="decimal"), '"NaN" is not a value of type decimal'),
        ("{", "it is not valid JSON"),
    ],
)
def test_one_that_the_source_cannot_use_fails_the_attempt(shop: Shop, there: There, bookmark: str, why: str) -> None:
    shop.load()
    set_to(shop, bookmark)
    failed = shop.load().failed
    assert "source 'source', collection 'made': the bookmark that was set by hand cannot be used: " in failed.error
    assert why in failed.error
    assert not failed.retryable
    assert there.ids("made") == ALL


@pytest.mark.parametrize("there", ["postgres"], indirect=True)
def test_one_of_another_type_than_the_column_fails_the_attempt(shop: Shop) -> None:
    with sqlite3.connect(shop.database) as connection:
        connection.execute("CREATE TABLE texts (id INTEGER, at TEXT)")
        connection.execute("INSERT INTO texts VALUES (1, '1')")
    shop.load(type="texts")
    set_to(shop, at(1))
    failed = shop.load().failed
    assert "the bookmark that was set by hand does not fit cursor_field 'at'" in failed.error
    assert not failed.retryable


@pytest.mark.parametrize("there", ["postgres"], indirect=True)
def test_a_collection_that_reads_everything_has_none(shop: Shop) -> None:
    shop.load(sync_mode="full_refresh", cursor_field=None)
    set_to(shop, at(1))
    assert "'sync_mode: full_refresh', which reads everything each time" in shop.load().failed.error


@pytest.mark.parametrize("there", ["postgres"], indirect=True)
def test_a_backfill_waits_for_the_next_task(shop: Shop) -> None:
    shop.load()
    set_to(shop, at(3))
    told = Told.by(shop.trial.start(backfill=("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z")))
    assert "its bookmark was set by hand, and no task has read from there yet" in told.failed.error
