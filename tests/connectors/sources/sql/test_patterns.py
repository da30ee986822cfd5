"""Which tables patterns choose, without a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.config.reader import load_catalogue
from app.connectors.contract.several import loads_several
from app.connectors.contract.standing import Standing
from app.connectors.options.validation import validated
from app.connectors.sources.sql.bookmarks import Bookmarks
from app.connectors.sources.sql.dialect import FoundTable
from app.connectors.sources.sql.options import SqlOptions, SqlParameters
from app.connectors.sources.sql.patterns import Patterns
from app.domain.attempt_protocol import SourceJob
from app.domain.collection import CollectionJob
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

OWN = "_syncline_task_id"
TABLES = [
    FoundTable(None, "orders", home="public", columns=("id",)),
    FoundTable(None, "odd[1]", home="public", columns=("id",)),
    FoundTable("sales", "orders", home="sales", columns=("id",)),
    FoundTable("sales", "totals", home="sales", is_view=True),
    FoundTable(None, "_syncline_bookmarks", home="public", columns=("source",)),
    FoundTable("loaded", "shop_orders", home="loaded", columns=("id", OWN)),
]


def job(parameters: dict[str, Any], *, type_: str = "all", **config: Any) -> SourceJob:
    collection = CollectionJob(
        name="c", type=type_, table_name="shop_c", start_date="2020-01-01", parameters=parameters
    )
    options = {"url": "sqlite:////srv/shop.sqlite"} | config
    return SourceJob(source="shop", source_type="sql", source_config=options, collection=collection, data_dir="")


def chosen(parameters: dict[str, Any], *, type_: str = "all", **config: Any) -> set[str]:
    asked = job(parameters, type_=type_, **config)
    patterns = Patterns.of(
        SqlOptions.model_validate(asked.source_config), SqlParameters.model_validate(parameters), asked.collection
    )
    found = [each for each in TABLES if patterns.searched_schema in (None, each.home)]
    return set(patterns.choose(found).tables)


@pytest.mark.parametrize(
    ("type_", "parameters", "config", "expected"),
    [
        ("all", {}, {}, {"orders", "odd[1]", "sales.orders"}),
        ("all", {"views": True}, {}, {"orders", "odd[1]", "sales.orders", "sales.totals"}),
        ("all", {"exclude": "sales.*"}, {}, {"orders", "odd[1]"}),
        ("all", {"exclude": ["orders", "odd[?]"]}, {}, None),
        ("all", {}, {"schema": "sales"}, {"orders"}),
        ("sales.*", {}, {}, {"sales.orders"}),
        ("*.orders", {}, {"schema": "sales"}, {"public.orders", "orders"}),
        ("ord?rs", {}, {}, {"orders", "sales.orders"}),
        ("ord?rs", {}, {"schema": "public"}, {"orders"}),
        ("x", {"include": "sales.totals"}, {}, {"sales.totals"}),
        ("x", {"include": "sales.*", "exclude": "orders", "views": True}, {}, {"sales.totals"}),
        ("x", {"table": "odd[1*"}, {}, {"odd[1]"}),
        ("x", {"include": "ORDERS"}, {}, None),
    ],
)
def test_patterns_choose_tables(
    type_: str, parameters: dict[str, Any], config: dict[str, Any], expected: set[str] | None
) -> None:
    assert loads_several(job(parameters, type_=type_, **config))
    if expected is None:
        with pytest.raises(ConfigurationError, match="There are 'orders', 'odd"):
            chosen(parameters, type_=type_, **config)
    else:
        assert chosen(parameters, type_=type_, **config) == expected


@pytest.mark.parametrize(
    ("type_", "parameters"),
    [("orders", {}), ("all", {"query": "SELECT '*'"}), ("all", {"table": "all"}), ("*", {"table": "orders"})],
)
def test_a_collection_that_names_one_table_or_a_query_reads_only_that(type_: str, parameters: dict[str, Any]) -> None:
    assert not loads_several(job(parameters, type_=type_))


def test_a_database_without_tables_is_told() -> None:
    with pytest.raises(ConfigurationError, match="schema 'empty' has no tables that this login can see"):
        chosen({}, schema="empty")


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"query": "SELECT 1", "exclude": "a"}, "cannot be combined with 'query'"),
        ({"table": "a", "include": "b"}, "give either 'table' or 'include', not both"),
        ({"include": "a.b.c"}, r"'a.b.c' is not valid; write name or schema.name, with \* and \?"),
        ({"exclude": ["a", ""]}, "'' is not valid"),
    ],
)
def test_wrong_patterns_are_refused(wrong: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        validated(SqlParameters, wrong, key_path="parameters")


def test_one_table_has_nothing_to_exclude() -> None:
    with pytest.raises(ConfigurationError, match=r"'exclude' needs several tables .* reads 'orders'"):
        chosen({"exclude": "a"}, type_="orders")


def test_other_patterns_are_no_reason_to_load_everything_again_but_other_names_are() -> None:
    kept = Standing.of(job({"include": "a*"}))
    assert Standing.of(job({"include": "b*", "exclude": "c"})).change_from(kept) is None
    assert kept.tables == (), "no table has the name of the collection"
    for changed in ({"schema": "sales"}, {"stream_table_name_prefix": "new_"}, {"stream_table_names": {"a": "b"}}):
        assert Standing.of(job({}, **changed)).change_from(kept)
    assert Standing.of(job({"table": "all"})).tables == ("shop_c",)


def test_reading_a_catalogue_opens_no_database(tmp_path: Path) -> None:
    (tmp_path / "syncline.yaml").write_text(
        "server: {admin_token: x}\n"
        "destinations: {warehouse: {type: none}}\n"
        "sources:\n"
        "  shop: {type: sql, destinations: [warehouse], config: {url: 'sqlite:////no/such/file'}}\n"
        "  more: {type: sql, destinations: [warehouse], config: {url: 'sqlite:////no/such/file'},\n"
        "    collections: [all, sales.*, {name: some, parameters: {include: ['a*', b], exclude: c}}]}\n"
    )
    sources = load_catalogue(tmp_path / "syncline.yaml", {}).sources
    assert list(sources["shop"].collections) == ["all"]
    assert list(sources["more"].collections) == ["all", "sales.*", "some"]


@pytest.mark.parametrize(
    "text", [None, "{}", "3", '{"tables": 3}', '{"tables": {"a": 3}}', '{"cursor_field": "a"}', "x"]
)
def test_a_bookmark_of_something_else_covers_no_table(text: str | None) -> None:
    bookmarks = Bookmarks(text, task="t")
    assert not bookmarks.tables
    assert bookmarks.of("a") is None


def test_a_bookmark_has_a_part_for_each_table() -> None:
    bookmarks = Bookmarks(None, task="first")
    bookmarks.reach("a", '{"cursor_field":"at","type":"integer","value":"1"}')
    bookmarks.finish("b", whole=True)
    bookmarks.finish("c", whole=False)
    again = Bookmarks(bookmarks.text(), task="first")
    assert again.of("a") == '{"cursor_field":"at","type":"integer","value":"1"}'
    assert (again.of("b"), again.is_loaded("b"), again.is_loaded("a")) == (None, True, False)
    assert (again.of("c"), again.is_loaded("c")) == (None, True)
    assert [again.was_whole(name) for name in "abcd"] == [False, True, False, False]
    later = Bookmarks(bookmarks.text(), task="second")
    assert not later.is_loaded("b")
    later.forget("a")
    assert {*later.tables} == {"b", "c"}


@pytest.mark.parametrize(
    "keys", ["name: all", "name: '*_log'", "name: a, parameters: {include: b}", "name: a, type: 'b?'"]
)
def test_a_catalogue_in_which_several_tables_have_an_interval_is_refused(tmp_path: Path, keys: str) -> None:
    (tmp_path / "syncline.yaml").write_text(
        "server: {admin_token: x}\n"
        "destinations: {warehouse: {type: none}}\n"
        "sources:\n"
        "  shop: {type: sql, destinations: [warehouse], config: {url: 'sqlite:////no/such/file'},\n"
        f"    collections: [{{{keys}, interval: day}}]}}\n"
    )
    (problem,) = load_catalogue(tmp_path / "syncline.yaml", {}).problems
    assert "interval: needs a collection of one table" in str(problem)
