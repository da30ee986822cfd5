"""A JSON API read through `rest`: every page once, what is new once, whatever it answers and whatever dies."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Table
from app.domain.errors import ConfigurationError, LoginRefusedError, RetryLaterError, SynclineError
from app.failpoints import VARIABLE
from tests.connectors.sources.rest.web import Server, Web, order

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Duckdb

# dlt and what it stands on warn of their own future.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PAGINATORS: dict[str, Any] = {
    "pages": {"type": "page_number", "base_page": 0, "total_path": "pages"},
    "offsets": {"type": "offset", "limit": 4, "total_path": "total"},
    "links": {"type": "json_link", "next_url_path": "next"},
    "headers": "header_link",
    "cursors": {"type": "cursor", "cursor_path": "next", "cursor_param": "at"},
}
NEW: dict[str, Any] = {"cursor_path": "at", "start_param": "since", "row_order": "asc"}
OAUTH = {"type": "oauth2_client_credentials", "client_id": "me", "client_secret": "hunter22"}


@pytest.fixture
def web(server: Server, tmp_path: Path) -> Web:
    return Web(server, tmp_path, [orders()])


def orders(kind: str = "links", **endpoint: Any) -> dict[str, Any]:
    described = {"path": kind, "data_selector": "items", "paginator": PAGINATORS[kind]} | endpoint
    return {"name": "orders", "primary_key": "id", "endpoint": described}


@pytest.mark.parametrize("kind", PAGINATORS)
def test_every_page_is_read_once(web: Web, kind: str) -> None:
    web.resources = [orders(kind)]
    records, bookmarks = web.read()
    assert [each["id"] for each in records["made"]] == list(range(10))
    assert bookmarks == [None]


def test_numbers_are_exact_and_what_is_nested_stays_so(web: Web) -> None:
    exact = Decimal("0.1000000000000000000000000001")
    web.server.orders = [order(1) | {"total": exact}]
    records, _ = web.read()
    assert records["made"][0]["total"] == exact
    assert records["made"][0]["tags"] == ["a", 1]


def test_numbers_and_declared_decimals_are_exact_in_the_warehouse(web: Web, duckdb: Duckdb) -> None:
    """Of JSON's numbers those that a double would change are decimals, and the others doubles."""
    exact = Decimal("12345678901234567.891")
    web.destinations = {"warehouse": duckdb.options()}
    web.server.orders = [order(each) | {"total": exact, "price": Decimal("0.10"), "ratio": 0.1} for each in range(3)]
    price = {"data_type": "decimal", "precision": 18, "scale": 2}
    web.resources = [orders() | {"columns": {"price": price, "note_at": {"data_type": "timestamp", "timezone": False}}}]
    web.run()
    found = "SELECT DISTINCT typeof(total), typeof(price), typeof(ratio), typeof(note_at) FROM loaded.made"
    assert duckdb.execute(found) == [("DECIMAL(38,18)", "DECIMAL(18,2)", "DOUBLE", "TIMESTAMP")]
    sums = duckdb.execute("SELECT sum(total), sum(price) FROM loaded.made")
    assert sums == [(3 * exact, Decimal("0.30"))]


@pytest.mark.parametrize("mode", [None, "upsert", "history"])
def test_an_api_that_suddenly_lists_nothing_empties_no_table_unless_that_is_allowed(
    web: Web, duckdb: Duckdb, mode: str | None
) -> None:
    web.destinations = {"warehouse": duckdb.options()}
    web.collection |= {"sync_mode": "full_refresh", "write_mode": mode}
    assert web.run().finished.rows_written == 10
    web.server.orders = []
    current = "SELECT count(*) FROM loaded.made" + (" WHERE _syncline_valid_to IS NULL" if mode == "history" else "")
    if mode != "upsert":
        assert "rows, but the source sent none" in web.run().failed.error
        assert duckdb.execute(current) == [(10,)]
    web.collection["empty"] = "allow"
    assert web.run().finished.records_read == 0
    assert duckdb.execute(current) == [(10 if mode == "upsert" else 0,)]


def test_columns_that_only_records_show_are_inferred(web: Web) -> None:
    web.server.orders = [order(1) | {"total": 1}]
    web.resources = [orders() | {"columns": {"total": {"data_type": "decimal"}, "absent": {"data_type": "text"}}}]
    [table] = [item for item in web.source().read(None) if isinstance(item, Table)]
    assert "id" in table.inferred
    assert table.inferred == table.columns.keys() - {"total", "absent"}


def test_a_second_run_loads_nothing_and_a_third_what_is_new_and_changed(
    web: Web, duckdb: Duckdb, tmp_path: Path
) -> None:
    """Into a warehouse of our own and one of dlt's, with one reading."""
    address = f"sqlite:///{tmp_path / 'there.db'}"
    theirs = {"type": "dlt:sqlalchemy", "dataset": "loaded", "credentials": address}
    web.destinations = {"ours": duckdb.options(), "theirs": theirs}
    web.resources = [orders(incremental=NEW) | {"write_disposition": "merge"}]
    assert [each.rows for each in web.run().committed] == [10, 10]
    assert [each.rows for each in web.run().committed] == [0, 0]
    web.server.orders += [
        order(10),
        order(11) | {"note": "new"},
        order(3) | {"at": "2024-02-01T00:00:00Z", "total": 0.5},
    ]
    third = web.run()
    assert [each.rows for each in third.committed] == [3, 3]
    assert third.finished.records_read == 3
    counts = "SELECT count(*), count(DISTINCT id), count(note) FROM loaded.made"
    assert duckdb.execute(counts) == [(12, 12, 1)]
    assert duckdb.execute("SELECT total, tags::VARCHAR FROM loaded.made WHERE id = 3") == [(0.5, '["a",3]')]
    with closing(sqlite3.connect(tmp_path / "there__loaded.db")) as connection:
        assert connection.execute(counts.replace("loaded.", "")).fetchall() == [(12, 12, 1)]
        assert connection.execute("SELECT total, tags FROM made WHERE id = 3").fetchall() == [(0.5, '["a",3]')]
    web.server.orders[11] |= {"note": None, "at": "2024-03-01T00:00:00Z"}
    assert [each.rows for each in web.run().committed] == [1, 1]
    assert duckdb.execute(counts) == [(12, 12, 0)], "a field that is only NULL empties its column"
    with closing(sqlite3.connect(tmp_path / "there__loaded.db")) as connection:
        assert connection.execute(counts.replace("loaded.", "")).fetchall() == [(12, 12, 0)]


@pytest.mark.parametrize("point", ["child.staged", "child.committed"])
def test_a_kill_at_a_commit_neither_loses_nor_doubles_a_row(
    web: Web, duckdb: Duckdb, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    web.destinations = {"warehouse": duckdb.options()}
    web.resources = [orders(incremental=NEW)]
    web.collection = {"primary_key": []}
    monkeypatch.setenv(VARIABLE, f"{point}=kill")
    assert not web.run().committed
    monkeypatch.delenv(VARIABLE)
    web.server.orders.append(order(10))
    # A task that was complete is not carried out again.
    web.run(again=point == "child.staged")
    assert duckdb.execute("SELECT count(*), count(DISTINCT id) FROM loaded.made") == [(11, 11)]


def test_each_bookmark_stands_for_the_rows_before_it_and_no_other(web: Web) -> None:
    web.resources = [orders(incremental=NEW)]
    everything = [each["id"] for each in web.read()[0]["made"]]
    seen: list[int] = []
    bookmarks = []
    source = web.source()
    for item in source.read(None):
        if isinstance(item, Rows):
            seen += [each["id"] for each in item.records]
        elif isinstance(item, Checkpoint):
            bookmarks.append((list(seen), item.bookmark))
    assert len(bookmarks) == 4
    for before, bookmark in bookmarks:
        after = [each["id"] for each in web.read(bookmark)[0].get("made", [])]
        assert before + after == everything


def test_an_api_without_a_known_order_has_its_bookmark_at_the_end(web: Web) -> None:
    web.server.orders.reverse()
    web.resources = [orders(incremental={"cursor_path": "at", "start_param": "since"})]
    records, bookmarks = web.read()
    assert len(records["made"]) == 10
    assert len(bookmarks) == 1
    assert web.read(bookmarks[0])[0] == {}


def test_children_are_read_for_each_parent(web: Web) -> None:
    lines = {
        "name": "lines",
        "include_from_parent": ["at"],
        "endpoint": {"path": "orders/{resources.orders.id}/lines", "paginator": "single_page"},
    }
    web.resources = [orders(), lines]
    web.collection = {"type": "lines"}
    records, _ = web.read()
    assert list(records) == ["made"]
    expected = [(number, line) for number in range(10) for line in range(2)]
    assert sorted((each["order"], each["line"]) for each in records["made"]) == expected
    assert {each["_orders_at"] for each in records["made"]} == {each["at"] for each in web.server.orders}
    web.server.asked.clear()
    web.collection = {"name": "all", "type": "all", "table_name": "web_all"}
    records, _ = web.read()
    assert {name: len(found) for name, found in records.items()} == {"web_orders": 10, "web_lines": 20}
    assert sum(path.startswith("/links") for path in web.server.asked) == 3, "parents are read once for both"


def test_a_refusal_is_waited_for_and_told(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)
    web.server.failures = [
        ("/links", HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": "7"}),
        ("/links", HTTPStatus.SERVICE_UNAVAILABLE, {}),
        ("/links", HTTPStatus.INTERNAL_SERVER_ERROR, {}),
    ]
    assert len(web.read()[0]["made"]) == 10
    assert waits[0] == 7
    assert waits[1] < waits[2]
    assert [message.partition(" returned ")[2] for level, message in web.lines if level == "warn"] == [
        "429 Too Many Requests, Retry-After: 7",
        "503 Service Unavailable",
        "500 Internal Server Error",
    ]


@pytest.mark.parametrize(
    ("status", "minutes", "tries"),
    [
        (HTTPStatus.TOO_MANY_REQUESTS, 60, 1),
        (HTTPStatus.SERVICE_UNAVAILABLE, 60, 1),
        (HTTPStatus.TOO_MANY_REQUESTS, 1, 6),
    ],
)
@pytest.mark.parametrize("as_date", [False, True])
def test_after_a_long_wait_or_with_no_quota_left_it_is_read_later(
    web: Web, monkeypatch: pytest.MonkeyPatch, status: HTTPStatus, minutes: int, tries: int, *, as_date: bool
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: None)
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    after = format_datetime(at, usegmt=True) if as_date else str(60 * minutes)
    web.server.failures = [("/links", status, {"Retry-After": after})] * 20
    said = f"^source 'web', collection 'made': cannot read: {status.value} "
    with pytest.raises(RetryLaterError, match=said) as later:
        web.read()
    assert len(web.server.asked) == tries
    # The header has whole seconds.
    assert at - timedelta(seconds=1) <= later.value.at <= datetime.now(UTC) + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("status", "asked"),
    [
        (HTTPStatus.SERVICE_UNAVAILABLE, "60"),
        (HTTPStatus.TOO_MANY_REQUESTS, "soon"),
        (HTTPStatus.TOO_MANY_REQUESTS, "0"),
        (HTTPStatus.FORBIDDEN, "3600"),
    ],
)
def test_otherwise_a_refusal_is_a_failure(
    web: Web, monkeypatch: pytest.MonkeyPatch, status: HTTPStatus, asked: str
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: None)
    web.server.failures = [("/links", status, {"Retry-After": asked})] * 20
    with pytest.raises(SynclineError) as failed:
        web.read()
    assert not isinstance(failed.value, RetryLaterError)


def test_tries_are_bounded(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: None)
    web.server.failures = [("/links", HTTPStatus.INTERNAL_SERVER_ERROR, {})] * 20
    told = "source 'web', collection 'made': cannot read: 500 Server Error"
    with pytest.raises(SynclineError, match=told) as failed:
        web.read()
    assert not isinstance(failed.value, ConfigurationError)
    assert len(web.server.asked) == 6


def test_a_token_that_is_not_accepted_any_more_is_renewed_once(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: None)
    web.client = {"auth": OAUTH | {"access_token_url": f"{web.server.url}/token"}}
    web.server.tokens = []
    web.resources = [orders(incremental=NEW)]
    items = web.source().read(None)
    read = [next(items)]
    web.server.tokens.append("another")
    read += list(items)
    assert sum(len(each.records) for each in read if isinstance(each, Rows)) == 10
    assert web.server.tokens == ["token-0", "another", "token-2"]
    assert [message for level, message in web.lines if level == "info"] == [
        "the token was no longer accepted; got a new one"
    ]


def test_a_wrong_key_from_a_file_may_be_another_one_at_the_next_attempt(web: Web) -> None:
    web.server.tokens = ["right"]
    web.client = {"auth": {"type": "bearer", "token": "wrong-token"}}
    web.from_files = True
    with pytest.raises(LoginRefusedError, match="401 Client Error"):
        web.read()


def test_a_wrong_key_is_no_reason_to_try_again(web: Web) -> None:
    web.server.tokens = ["right"]
    web.client = {"auth": {"type": "bearer", "token": "wrong-token"}}
    with pytest.raises(ConfigurationError, match="401 Client Error") as refused:
        web.read()
    assert "wrong-token" not in str(refused.value)
    assert len(web.server.asked) == 1
    with pytest.raises(ConfigurationError, match="401 Client Error"):
        web.source().check()
    web.client = {"auth": {"type": "bearer", "token": "right"}}
    web.server.asked.clear()
    web.source().check()
    assert len(web.server.asked) == 1, "a check reads one page"


def test_secrets_come_from_the_catalogue_alone(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlt.common.runtime import run_context  # noqa: PLC0415 -- only where something else has imported dlt already

    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "secrets.toml").write_text('token = "from-a-file"\n[sources]\ntoken = "from-a-file"\n')
    monkeypatch.setenv("TOKEN", "from-the-environment")
    monkeypatch.setenv("SOURCES__TOKEN", "from-the-environment")
    web.client = {"auth": "bearer"}
    # It would refuse this before dlt looks for a token.
    monkeypatch.setattr("app.connectors.sources.rest.api.check_config", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"configuration `BearerTokenAuth`: `token`$"):
        web.read()
    context = run_context.active()
    assert {context.global_dir, context.data_dir, context.run_dir} == {str(tmp_path / "rest")}
    assert not context.runtime_config.dlthub_telemetry
    assert list((tmp_path / "rest").iterdir()) == []


@pytest.mark.parametrize(
    ("resource", "collection", "complaint"),
    [
        ({}, {"type": "ordres"}, "unknown resource 'ordres'; did you mean 'orders'? choose one of orders, all"),
        ({"primary_key": None}, {"sync_mode": "incremental"}, "needs 'incremental' or a primary key"),
        ({}, {"primary_key": ["nothing"]}, "the primary key names 'nothing', which no record has"),
        ({"write_disposition": {"disposition": "merge", "strategy": "scd2"}}, {}, "'scd2' is not supported"),
    ],
)
def test_what_cannot_be_is_told(web: Web, resource: dict[str, Any], collection: dict[str, Any], complaint: str) -> None:
    web.resources = [orders() | resource]
    web.collection = collection
    with pytest.raises(ConfigurationError, match=re.escape(complaint)):
        web.read()
