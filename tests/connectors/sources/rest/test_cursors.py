"""An API's cursor values are texts: what is new is told by what they mean, and a reading without an order fails."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.connectors.sources.rest.web import Answer, Server, Web

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Duckdb

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def web(server: Server, tmp_path: Path, duckdb: Duckdb) -> Web:
    made = Web(server, tmp_path, [])
    made.destinations = {"warehouse": duckdb.options()}
    return made


def has(web: Web, *cursors: Any, **incremental: Any) -> None:
    """The API has rows with these cursors, and sends all of them, whatever is asked for."""
    rows = [{"id": number, "at": cursor} for number, cursor in enumerate(cursors)]
    web.server.answers["/rows"] = lambda _query: Answer(rows)
    endpoint = {"path": "rows", "incremental": {"cursor_path": "at", "start_param": "since"} | incremental}
    web.resources = [{"name": "orders", "primary_key": "id", "write_disposition": "merge", "endpoint": endpoint}]


def since(web: Web) -> str:
    return web.server.asked[-1].partition("since=")[2].replace("%3A", ":").replace("%2B", "+")


@pytest.mark.parametrize(
    ("before", "after", "last"),
    [
        (["2024-05-01T10:00:00Z"], ["2024-05-01T10:00:00.500Z", "2024-05-01T10:00:00.25Z"], "2024-05-01T10:00:00.500Z"),
        (["2024-10-27T02:30:00+02:00"], ["2024-10-27T02:10:00+01:00"], "2024-10-27T02:10:00+01:00"),
        (["2024-05-01T09:00:00"], ["2024-05-01 10:00:00"], "2024-05-01+10:00:00"),
        (["998", "999"], ["1000", "1001"], "1001"),
        (["Fri, 10 May 2024 10:00:00 GMT"], ["Mon, 13 May 2024 10:00:00 GMT"], "Mon%2C+13+May+2024+10:00:00+GMT"),
        (["b", "c"], ["d"], "d"),
        (["", "0000-00-00 00:00:00", "2024-05-01"], ["2024-05-02"], "2024-05-02"),
        ([1, 2.5], [10], "10"),
    ],
)
def test_rows_that_are_later_are_loaded_whatever_their_texts_are(
    web: Web, duckdb: Duckdb, before: list[Any], after: list[Any], last: str
) -> None:
    has(web, *before)
    assert web.run().finished.rows_written == len(before)
    has(web, *before, *after)
    assert web.run().finished.rows_written == len(after)
    assert web.run().finished.rows_written == 0
    assert since(web) == last.replace("%3A", ":")
    assert duckdb.execute("SELECT count(*), count(DISTINCT id) FROM loaded.made") == [(len(before + after),) * 2]


def test_a_bookmark_that_was_set_is_where_it_begins(web: Web, duckdb: Duckdb) -> None:
    has(web, "2024-05-01")
    [first] = web.run().committed
    has(web, "2024-05-01", "2024-05-02")
    assert web.run().finished.rows_written == 1
    web.generation, web.set_bookmarks = 1, {"warehouse": {"bookmark": json.dumps(first.bookmark)}}
    assert web.run().finished
    assert since(web) == "2024-05-01"
    assert duckdb.execute("SELECT count(*), count(DISTINCT id) FROM loaded.made") == [(2, 2)]
    web.generation, web.set_bookmarks = 2, {"warehouse": {"bookmark": '{"at": "2024-05-01"}'}}
    assert "it must have the state of a resource" in web.run().failed.error


def test_rows_before_the_bookmark_are_left_out_still(web: Web) -> None:
    has(web, "2024-05-01T10:00:00.500Z")
    assert web.run().finished.rows_written == 1
    has(web, "2024-05-01T10:00:00.500Z", "2024-05-01T10:00:00Z", "2024-05-01T12:00:00+02:00", "2024-05-01T09:59:59.9Z")
    assert web.run().finished.records_read == 0


def test_what_stands_where_there_is_no_date_is_before_the_bookmark(web: Web) -> None:
    has(web, "2024-05-01T10:00:00Z")
    assert web.run().finished.rows_written == 1
    has(web, "2024-05-01T10:00:00Z", "", "0000-00-00 00:00:00")
    assert web.run().finished.records_read == 0


def test_the_earliest_is_the_bookmark_where_the_newest_rows_are_the_least(web: Web) -> None:
    has(web, "1000", last_value_func="min")
    assert web.run().finished.rows_written == 1
    has(web, "1000", "999", last_value_func="min")
    assert web.run().finished.rows_written == 1
    web.run()
    assert since(web) == "999"


def test_a_lag_is_counted_from_the_latest(web: Web) -> None:
    has(web, "2024-05-01T10:00:00Z", "2024-05-01T10:00:00.500Z", lag=60.0)
    assert web.run().finished.rows_written == 2
    web.run()
    assert since(web).startswith("2024-05-01T09:59:00.5")


@pytest.mark.parametrize(
    ("cursors", "begin"),
    [
        (["2024-05-01T10:00:00.5Z", "2024-05-01T11:50:00.5+02:00", "2024-05-01T09:50:00Z"], "2024-05-01T09:50:00.5Z"),
        (["2024-05-01 10:00:00", "2024-05-01 09:50:00", "2024-05-01 09:49:59"], "2024-05-01+09:50:00"),
        (["2024-05-02", "2024-05-01", "2024-04-30"], "2024-05-01"),
    ],
)
@pytest.mark.parametrize("initial", [{}, {"initial_value": "2024-01-01"}])
def test_rows_within_the_lookback_arrive_late_and_the_bookmark_stays_at_the_latest(
    web: Web, duckdb: Duckdb, cursors: list[str], begin: str, initial: dict[str, str]
) -> None:
    last, late, too_late = cursors
    web.collection = {"lookback": "PT10M"}
    has(web, last, **initial)
    web.run()
    has(web, last, late, too_late, **initial)
    assert web.run().finished.rows_written == 1
    assert since(web) == begin
    assert duckdb.execute("SELECT id FROM loaded.made ORDER BY id") == [(0,), (1,)]
    has(web, **initial)
    web.run()
    assert since(web) == begin


def test_a_cursor_field_that_no_row_has_is_refused_instead_of_doubling_rows(web: Web, duckdb: Duckdb) -> None:
    web.collection = {"lookback": "PT10M", "cursor_field": "nope"}
    has(web, "2024-05-01T10:00:00Z")
    web.resources[0] |= {"primary_key": [], "write_disposition": "append"}
    failed = web.run().failed
    assert "'cursor_field' names 'nope', which the rows of table 'made' do not have" in failed.error
    assert not failed.retryable
    web.collection["cursor_field"] = "at"
    web.run()
    web.run()
    assert duckdb.execute("SELECT id FROM loaded.made") == [(0,)]


def test_a_lookback_does_not_begin_before_the_initial_value(web: Web) -> None:
    web.collection = {"lookback": "P30D"}
    has(web, "2024-05-01T10:00:00Z", initial_value="2024-04-30T00:00:00Z")
    web.run()
    web.run()
    assert since(web) == "2024-04-30T00:00:00Z"


def test_a_lookback_of_a_parent_reads_its_children_again(web: Web) -> None:
    web.collection = {"lookback": "PT10M"}
    has(web, "2024-05-01T10:00:00Z")
    web.resources[0]["name"] = "parents"
    child = {"path": "lines/{id}", "params": {"id": {"type": "resolve", "resource": "parents", "field": "id"}}}
    web.resources.append({"name": "orders", "primary_key": ["order", "line"], "endpoint": child})
    web.run()
    web.server.asked.clear()
    web.run()
    assert any("since=2024-05-01T09%3A50%3A00Z" in asked for asked in web.server.asked)


@pytest.mark.parametrize(
    ("cursor", "resource", "incremental", "complaint"),
    [
        (
            7,
            {},
            {},
            "a 'lookback' needs times or dates, but the cursor has the value 7: remove 'lookback', or set dlt's",
        ),
        ("a", {}, {}, 'the cursor has the value "a"'),
        ("2024-05-01", {}, {"lag": 1}, "'lookback' and dlt's 'lag' do the same thing: remove one of them"),
        ("2024-05-01", {"primary_key": []}, {}, "'lookback' reads rows again, so the resource needs a primary key"),
    ],
)
def test_a_lookback_that_cannot_be_is_refused(
    web: Web, cursor: Any, resource: dict[str, Any], incremental: dict[str, Any], complaint: str
) -> None:
    web.collection = {"lookback": "PT10M"}
    has(web, cursor, **incremental)
    web.resources[0] |= resource
    web.run()
    failed = web.run().failed
    assert complaint in failed.error
    assert not failed.retryable


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("2024-05-01T10:00:00Z", "pending", "one is a time and the other is not"),
        ("2024-05-01T10:00:00Z", "2024-05-01", "one is a date and the other a time on that date"),
        ("2024-05-01T10:00:00Z", 1714557600, "some are strings and some are not"),
        (999, "1000", "one is a string and the other is not"),
        ("999", "1000b", "one is a number and the other is not"),
        ("13/05/2024", "02/06/2024", "strings that begin with the day or the month"),
        ("12:30:00 PM", "01:30:00 PM", "strings with AM or PM do not sort by time"),
        ("2024-9-1", "2024-10-1", "they sort differently as strings and as numbers"),
        ("INV-999", "INV-1000", "they sort differently as strings and as numbers"),
    ],
)
def test_values_without_an_order_fail_and_move_no_bookmark(
    web: Web, duckdb: Duckdb, before: Any, after: Any, why: str
) -> None:
    has(web, before)
    web.run()
    has(web, before, after)
    again = web.run()
    assert not again.committed
    assert not again.failed.retryable
    assert (
        "resource 'orders': the values of its incremental's cursor_path 'at' cannot be ordered: " in again.failed.error
    )
    assert why in again.failed.error
    assert duckdb.execute("SELECT count(*) FROM loaded.made") == [(1,)]
