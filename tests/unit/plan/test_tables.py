"""What a plan says becomes of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.plan.tables import Fate, table_changes
from tests.unit.plan.plans import LAKE, outline, running, sql

if TYPE_CHECKING:
    from app.config.outline import Outline

OTHER = {"lake": {"type": "duckdb", "path": "other.duckdb"}}
INCREMENTAL = {"name": "orders", "sync_mode": "incremental", "cursor_field": "at", "primary_key": "id"}


def fates(before: Outline, after: Outline, **tables: list[str]) -> dict[str, Fate]:
    return {f"{each.destination}: {each.table}": each.fate for each in table_changes(running(before, tables), after)}


def of(**changed: Any) -> Outline:
    kept = {key: value for key, value in (INCREMENTAL | changed).items() if value is not None}
    return outline({"shop": sql(kept)})


@pytest.mark.parametrize(
    ("before", "after", "fate"),
    [
        ({}, {"schedule": "@daily", "timeout": "2h", "max_shrink": "10%"}, None),
        ({}, {"primary_key": ["id", "day"]}, Fate.RELOADED),
        ({}, {"type": "all_orders"}, Fate.RELOADED),
        ({}, {"parameters": {"table": "all_orders"}}, Fate.RELOADED),
        ({}, {"parameters": {"table": "orders"}}, None),
        ({}, {"parameters": {"query": "SELECT 1"}}, Fate.RELOADED),
        ({"parameters": {"query": "SELECT 1"}}, {"parameters": {"query": " SELECT\n1 "}}, None),
        ({}, {"cursor_field": "changed_at"}, Fate.RELOADED),
        ({}, {"interval": "day"}, Fate.RELOADED),
        ({}, {"table_name": "sales"}, Fate.LEFT),
        ({"write_mode": "append"}, {"write_mode": "append", "type": "all_orders"}, Fate.REFUSED),
        ({"write_mode": "history"}, {"write_mode": "upsert"}, Fate.REFUSED),
        ({"write_mode": "upsert"}, {"write_mode": "history"}, None),
        ({}, {"sync_mode": "full_refresh", "cursor_field": None}, Fate.REPLACED),
        ({}, {"sync_mode": "full_refresh", "cursor_field": None, "deletes": "mark"}, None),
        ({"sync_mode": "full_refresh", "cursor_field": None}, {}, None),
    ],
)
def test_a_changed_collection_says_what_becomes_of_its_table(
    before: dict[str, Any], after: dict[str, Any], fate: Fate | None
) -> None:
    assert fates(of(**before), of(**after)) == ({} if fate is None else {"lake: shop_orders": fate})


def test_a_table_that_is_read_as_a_whole_each_time_is_not_reloaded() -> None:
    whole = {"sync_mode": "full_refresh", "cursor_field": None}
    assert fates(of(**whole), of(**whole, primary_key="number")) == {}


def test_tables_of_what_is_gone_stay_where_they_are() -> None:
    before = outline({"shop": sql("orders", "users"), "old": sql("a")})
    assert fates(before, outline({"shop": sql("orders")})) == {"lake: shop_users": Fate.LEFT, "lake: old_a": Fate.LEFT}


def test_a_table_that_another_collection_takes_over_is_not_left_behind() -> None:
    renamed = outline({"shop": sql({"name": "sales", "type": "orders", "table_name": "shop_orders"})})
    (found,) = table_changes(running(of()), renamed)
    assert (found.fate, found.reason) == (Fate.TAKEN, "its collection is gone; 'shop.sales' loads everything into it")


def test_tables_follow_a_destination_that_only_has_another_name() -> None:
    def at(name: str, options: dict[str, Any]) -> Outline:
        return outline({"shop": sql("orders", destinations=[name])}, {name: options})

    lake = LAKE["lake"]
    assert fates(at("lake", lake), at("sea", lake)) == {}
    assert fates(at("lake", lake), at("sea", OTHER["lake"])) == {"lake: shop_orders": Fate.LEFT}


def test_a_destination_that_may_be_elsewhere_may_lack_its_tables() -> None:
    before = outline({"shop": sql("orders")})
    assert fates(before, outline({"shop": sql("orders")}, OTHER)) == {"lake: shop_orders": Fate.MOVED}
    house = {"type": "postgres", "host": "h", "user": "u", "database": "d"}
    one, other = (outline({"shop": sql("orders")}, {"lake": house | {"user": user}}) for user in ("a", "b"))
    assert fates(one, other) == {}


def test_a_destination_that_names_its_tables_anew_leaves_the_old_ones() -> None:
    before = outline({"shop": sql("Orders")})
    after = outline({"shop": sql("Orders")}, {"lake": LAKE["lake"] | {"naming": "snake_case"}})
    assert fates(before, after) == {"lake: shop_Orders": Fate.LEFT}


def test_a_table_of_a_former_name_is_no_longer_a_subject() -> None:
    tables = {"shop.orders": ["lake: former", "lake: shop_orders", "lake: shop_orders_bad_rows"]}
    assert fates(of(), outline({"shop": sql("users")}), **tables) == {
        "lake: shop_orders": Fate.LEFT,
        "lake: shop_orders_bad_rows": Fate.LEFT,
    }


def test_every_table_of_a_collection_that_finds_its_tables_is_a_subject() -> None:
    before = outline({"shop": sql("all")})
    tables = {"shop.all": ["lake: shop_a", "lake: shop_b"]}
    assert fates(before, outline({"shop": sql("a")}), **tables) == {
        "lake: shop_a": Fate.TAKEN,
        "lake: shop_b": Fate.LEFT,
    }
