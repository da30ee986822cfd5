"""The rules of `sql` sources: options, what a collection selects, bookmarks and values."""

from __future__ import annotations

import math
import sqlite3
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pymysql.constants import FIELD_TYPE  # type: ignore[import-untyped]

from app.config.reader import load_catalogue
from app.connectors.contract.schema import Kind
from app.connectors.kinds import SOURCES
from app.connectors.options.validation import validated
from app.connectors.sources.sql import mysql
from app.connectors.sources.sql.bookmark import decode, encode
from app.connectors.sources.sql.database import Database
from app.connectors.sources.sql.options import SqlOptions, SqlParameters
from app.connectors.sources.sql.reflected import Reflected
from app.connectors.sources.sql.selection import Selection
from app.connectors.sources.sql.values import kind_of, plain_values
from app.domain.collection import CollectionJob
from app.domain.errors import ConfigurationError, SynclineError
from tests.connectors.attempts import unheard

if TYPE_CHECKING:
    from pathlib import Path

SQLITE = {"url": "sqlite:////srv/shop.sqlite"}


def selection(parameters: dict[str, Any], schema: str | None = None, **collection: Any) -> Selection:
    options = SqlOptions.model_validate(SQLITE | ({"schema": schema} if schema else {}))
    job = CollectionJob(name="users", type="users", table_name="t", start_date="2020-01-01", **collection)
    return Selection.of(options, SqlParameters.model_validate(parameters), job)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://reader:secret@host/shop",
        "postgres://reader:secret@host:5432/shop?sslmode=require",
        "postgresql+psycopg:///shop?host=/run/postgresql",
        "sqlite:////srv/shop.sqlite",
        "duckdb:///shop.duckdb",
    ],
)
def test_addresses_of_databases_are_understood(url: str) -> None:
    assert validated(SqlOptions, {"url": url}, key_path="here").url.get_secret_value() == url


@pytest.mark.parametrize(
    ("given_options", "complaint"),
    [
        ({}, "here.url: is missing"),
        ({"url": "shop s3cret"}, "here.url: not a SQLAlchemy URL"),
        ({"url": "postgresql://u:s3cret@host:port/shop"}, "not a SQLAlchemy URL"),
        ({"url": "nosuch://u:s3cret@host/shop"}, "SQLAlchemy has no dialect for this URL"),
        ({"url": "mysql+cymysql://u:s3cret@host/shop"}, "install the package that provides 'cymysql'"),
        ({"url": "postgresql+asyncpg://u:s3cret@host/shop"}, "asynchronous"),
        ({**SQLITE, "chunk_rows": 0}, "here.chunk_rows"),
        ({**SQLITE, "tables": []}, "here.tables"),
    ],
)
def test_wrong_options_are_refused_without_the_password(given_options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        validated(SqlOptions, given_options, key_path="here")
    assert complaint in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"table": "a", "query": "SELECT 1"}, "give either 'table' or 'query', not both"),
        ({"table": "a.b.c"}, "for anything else use 'query'"),
        ({"table": ".b"}, "schema.name"),
        ({"key": []}, "parameters.key"),
        ({"mode": "full"}, "parameters.mode"),
        ({"cursor": "id"}, "parameters.cursor"),
    ],
)
def test_wrong_parameters_are_refused(wrong: dict[str, Any], complaint: str) -> None:
    model = SOURCES["sql"].parameters
    assert model is SqlParameters
    assert SOURCES["sql"].options is SqlOptions
    with pytest.raises(ConfigurationError, match=complaint):
        validated(model, wrong, key_path="parameters")


def test_a_collection_is_the_table_of_its_type_unless_it_says_otherwise() -> None:
    assert selection({}) == Selection(table="users", schema=None, query=None, cursor_field=None, key=())
    assert selection({}, schema="shop").schema == "shop"
    assert selection({"table": "old.people"}, schema="shop") == Selection(
        table="people", schema="old", query=None, cursor_field=None, key=()
    )
    asked = selection({"query": " SELECT 1 ; "})
    assert (asked.table, asked.query) == (None, "SELECT 1")


def test_parameters_and_the_collections_own_keys_mean_the_same() -> None:
    given_either_way = [
        selection({"cursor_field": "at", "key": "id"}),
        selection({"cursor_field": "at", "key": ["id"], "mode": "incremental"}),
        selection({}, sync_mode="incremental", cursor_field="at", primary_key=["id"]),
        selection({"key": "id"}, cursor_field="at", primary_key=["id"]),
    ]
    expected = Selection(table="users", schema=None, query=None, cursor_field="at", key=("id",))
    assert given_either_way == [expected] * 4
    assert selection({"mode": "full_refresh", "cursor_field": "at"}).cursor_field is None


@pytest.mark.parametrize(
    ("parameters", "collection", "complaint"),
    [
        ({"mode": "incremental"}, {}, "needs a 'cursor_field'"),
        ({"cursor_field": "at"}, {"cursor_field": "id"}, r"cursor_field is 'id', but its parameters.cursor_field is"),
        ({"key": "id"}, {"primary_key": ["at"]}, r"primary_key is \('at',\), but its parameters.key is \('id',\)"),
        ({"mode": "full_refresh"}, {"sync_mode": "incremental"}, "sync_mode is 'incremental', but"),
    ],
)
def test_contradictions_are_refused(parameters: dict[str, Any], collection: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        selection(parameters, **collection)


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ([], "no columns"),
        (["id", "id", "at"], "several columns are named 'id'"),
        (["id"], "cursor_field names the unknown column 'at'; choose from 'id'"),
        (["at"], "key names the unknown column 'id'; choose from 'at'"),
    ],
)
def test_columns_that_are_missing_or_there_twice_are_named(columns: list[str], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        selection({"cursor_field": "at", "key": "id"}).check(columns)


ZONES = some.sampled_from([None, UTC, timezone(timedelta(hours=-5, minutes=-30))])
CURSORS = (
    some.integers()
    | some.decimals(allow_nan=False, allow_infinity=False)
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text()
    | some.datetimes(timezones=ZONES)
    | some.dates()
    | some.uuids()
    | some.binary()
)


@given(CURSORS, some.booleans())
def test_a_bookmark_gives_back_the_very_value(value: Any, in_utc: bool) -> None:  # noqa: FBT001 -- hypothesis gives it
    begin = decode(encode("at", value, in_utc=in_utc), cursor_field="at")
    assert (type(begin), begin) == (type(value), value)


@pytest.mark.parametrize("value", [math.nan, math.inf, Decimal("NaN"), True, [1], None])
def test_a_value_that_nothing_comes_after_is_no_cursor(value: Any) -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"cursor_field 'at' has (the value|a value of type) .*, which has no order",
    ):
        encode("at", value)


@pytest.mark.parametrize(
    "bookmark",
    [None, "null", "[]", "{broken", '{"at": 1}', '{"cursor_field":"id","type":"integer","value":"1"}',
     '{"cursor_field":"at","type":"integer","value":"x"}', '{"cursor_field":"at","type":"decimal","value":"x"}',
     '{"cursor_field":"at","type":"no","value":"1"}'],
)  # fmt: skip
def test_a_bookmark_of_something_else_begins_anew(bookmark: str | None) -> None:
    assert decode(bookmark, cursor_field="at") is None


def test_values_keep_everything_that_they_say() -> None:
    some_uuid = uuid4()
    values = [
        None, True, 2**70, Decimal("0.10"), 1.5, "a\n🦊", b"\x00\xff", bytearray(b"a"), memoryview(b"b"), some_uuid,
        datetime(2024, 1, 1, 12, 0, 0, 1, tzinfo=UTC), date(2024, 1, 1), time(1, 2, 3),
        {"at": date(2024, 1, 1), "list": (Decimal("1.10"), 1.5)},
    ]  # fmt: skip
    assert plain_values(values) == [
        None, True, 2**70, Decimal("0.10"), 1.5, "a\n🦊", b"\x00\xff", b"a", b"b", str(some_uuid),
        "2024-01-01T12:00:00.000001+00:00", "2024-01-01", "01:02:03",
        {"at": "2024-01-01", "list": [Decimal("1.10"), 1.5]},
    ]  # fmt: skip
    assert plain_values([math.nan, -math.inf, Decimal("Infinity"), Decimal("sNaN")]) == [
        "NaN",
        "-Infinity",
        "Infinity",
        "NaN",
    ]
    assert plain_values([0.5, Decimal("1e400")]) == [0.5, Decimal("1e400")]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([None, 1], Kind.INTEGER),
        ([1, 2**63], Kind.BIG_INTEGER),
        ([1, 1.5, Decimal(2)], Kind.NUMBER),
        (["a", UUID(int=1)], Kind.TEXT),
        ([1, "1"], Kind.JSON),
        ([True], Kind.BOOLEAN),
        ([b"a", bytearray(b"b"), memoryview(b"c")], Kind.BYTES),
        ([date(2024, 1, 1)], Kind.DATE),
        ([timedelta(days=1)], Kind.INTERVAL),
        ([{"a", "b"}, ("a",), ["a"]], Kind.JSON),
        ([IPv4Address("10.0.0.1")], Kind.TEXT),
        ([None], None),
        ([], None),
    ],
)
def test_a_column_without_a_type_is_of_the_kind_of_its_values(values: list[Any], kind: Kind | None) -> None:
    assert kind_of(values) is kind


@pytest.mark.parametrize(
    ("raised", "lasting"),
    [(sqlite3.ProgrammingError("wrong"), True), (sqlite3.OperationalError("disk I/O error"), False)],
)
def test_what_a_driver_itself_raises_lasts_as_what_sqlalchemy_wraps(
    raised: Exception, tmp_path: Path, *, lasting: bool
) -> None:
    (tmp_path / "shop.sqlite").touch()
    options = SqlOptions.model_validate({"url": f"sqlite:///{tmp_path}/shop.sqlite"})
    database = Database(options, work_dir=tmp_path, log=unheard)
    with pytest.raises(SynclineError, match=f"cannot read: {raised}") as told, database.translate_errors("cannot read"):
        raise raised
    assert isinstance(told.value, ConfigurationError) is lasting


def test_a_catalogue_names_the_key_and_not_the_password() -> None:
    catalogue = load_catalogue(
        "sources: {a: {type: sql, destinations: n, config: {url: 'nosuch://u:s3cret@h/d'},"
        " collections: [{name: b, parameters: {tabel: c}}]}}\ndestinations: {n: {type: none}}",
        {},
    )
    url, parameter = map(str, catalogue.problems)
    assert "sources.a.config.url: SQLAlchemy has no dialect for this URL" in url
    assert "s3cret" not in url
    assert "sources.a.collections[0].parameters.tabel: unknown key; did you mean 'table'?" in parameter


def test_a_whole_number_stays_one_among_fractions() -> None:
    assert plain_values([5, 0.5, None]) == [5, 0.5, None]
    assert [type(value) for value in plain_values([5, 0.5])] == [int, float]


def test_a_set_comes_in_the_order_of_its_names() -> None:
    names = [f"flag {number}" for number in range(10, 40)]
    assert plain_values([set(names), frozenset(names), None]) == [names, names, None]
    assert plain_values([{3, 1, 2}]) == [[1, 2, 3]]


def test_json_of_mysql_is_json_though_drivers_do_not_parse_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql, "describe_columns", lambda *_: [("doc", FIELD_TYPE.JSON)])
    [column] = mysql.Mysql().columns(Mock(), Mock())
    assert column.kind is Kind.JSON
    assert column.convert is not None
    assert column.convert('{"price": 1.10, "tags": ["a"]}') == {"price": Decimal("1.10"), "tags": ["a"]}
    assert column.convert("null") is None


@pytest.mark.parametrize(
    ("name", "statements"),
    [
        ("redshift", ["SET timezone = 'UTC'"]),
        ("cockroachdb", ["SET timezone = 'UTC'"]),
        ("oracle", ["ALTER SESSION SET TIME_ZONE = '+00:00'"]),
        ("snowflake", ["ALTER SESSION SET TIMEZONE = 'UTC'"]),
        ("mssql", []),
    ],
)
def test_a_session_is_in_utc_where_points_in_time_come_in_its_zone(name: str, statements: list[str]) -> None:
    connection = Mock()
    connection.dialect.name = name
    Reflected().begin(connection)
    assert [call.args for call in connection.exec_driver_sql.call_args_list] == [(each,) for each in statements]
