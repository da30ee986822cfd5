"""What a plan says of sources, collections and destinations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from app.api.documents.sources import destination_documents, with_outline
from app.domain.spread import spread_delay
from app.plan.changes import changes_between
from app.plan.document import plan_document
from app.plan.lines import lines_of, summary_of
from app.plan.markdown import markdown_of
from app.plan.running import read_running
from tests.unit.plan.plans import LAKE, outline, sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.config.outline import Outline

NOW = datetime(2026, 1, 1, 11, 48, tzinfo=UTC)


def told(before: Outline, after: Outline) -> list[str]:
    return [" ".join(filter(None, line)) for line in lines_of(changes_between(before, after, NOW), [], {}, NOW)]


def of_shop(*collections: Any, **keys: Any) -> Outline:
    return outline({"shop": sql(*collections, **keys)})


def test_the_same_catalogue_written_in_another_way_is_no_change() -> None:
    short = of_shop("orders", schedule="@daily")
    long = of_shop({"name": "orders", "type": "orders", "schedule": "@daily", "misfire": "latest", "max_shrink": "50%"})
    assert told(short, long) == []
    assert summary_of([], []) == "Nothing would change."


def test_what_the_api_tells_is_what_is_compared() -> None:
    given = of_shop(
        {
            "name": "orders",
            "labels": ["a", "b"],
            "start_date": "2024-01-01",
            "misfire_window": "none",
            "max_shrink": "none",
        },
        {"name": "users", "columns": {"exclude": ["x"], "rename": {"a": "z"}}, "primary_key": ["a", "b"]},
        timeout="90m",
        max_shrink="12.5%",
        deletes="remove",
    )
    bare: list[Any] = [
        {"id": id_, "type": source.type, "destinations": source.destinations,
         "collections": [{"name": name} for name in source.collections]}
        for id_, source in given.sources.items()
    ]  # fmt: skip
    documents = [with_outline(each, given) for each in bare]
    answer = orjson.dumps({"sources": documents, "destinations": destination_documents(given)})
    assert read_running(orjson.loads(answer)).outline == given


def test_sources_and_collections_come_and_go() -> None:
    before = outline({"shop": sql("orders", "users"), "old": sql({"name": "a", "schedule": "@hourly"})})
    after = outline({"shop": sql("orders", {"name": "items", "schedule": "0 * * * *"}), "new": sql("b")})
    assert told(before, after) == [
        "- collection shop.users on request",
        "+ collection shop.items 0 * * * *, fires in 12 min",
        "- source old",
        "- collection old.a @hourly",
        "+ source new",
        "+ collection new.b on request",
    ]
    assert summary_of(changes_between(before, after, NOW), []) == "3 added, 3 removed."


def test_a_schedule_is_told_with_its_zone_and_its_next_fire_time() -> None:
    before = of_shop({"name": "orders", "schedule": "@daily"}, {"name": "users", "schedule": "@daily"})
    after = of_shop({"name": "orders", "schedule": "0 14 * * *", "timezone": "Europe/Berlin"}, "users")
    assert told(before, after) == [
        "~ collection shop.orders schedule: @daily → 0 14 * * * (Europe/Berlin), fires in 1 h 12 min",
        "~ collection shop.users schedule: @daily → on request",
    ]


def test_a_changed_key_has_both_values_unless_they_may_be_secret() -> None:
    before = of_shop({"name": "orders", "primary_key": "id", "timeout": "2h", "parameters": {"query": "SELECT 1"}})
    after = of_shop({"name": "orders", "primary_key": ["id", "day"], "parameters": {"query": "SELECT 2"}}, pool="eu")
    assert told(before, after) == [
        "~ source shop pool: default → eu",
        "~ collection shop.orders timeout: 2h → default",
        "~ collection shop.orders primary_key: id → id, day",
        "~ collection shop.orders parameters.query",
    ]


def test_a_destination_that_changes_names_its_keys() -> None:
    source = {"shop": sql("orders")}
    after = {"lake": {"type": "duckdb", "path": "other.duckdb", "naming": "snake_case"}, "spare": {"type": "none"}}
    assert told(outline(source), outline(source, after)) == [
        "~ destination lake naming: as_is → snake_case",
        "~ destination lake path",
        "+ destination spare",
    ]


def with_url(url: str, value: str = "") -> Outline:
    return outline({"shop": sql("orders", config={"url": url})}, environment={"URL": value})


def test_neither_the_environment_nor_a_new_password_is_a_change() -> None:
    assert with_url("${env.URL}", "sqlite:///a.db") == with_url("${env.URL}", "sqlite:///b.db")
    assert with_url("postgresql://me:first@host/shop") == with_url("postgresql://me:second@host/shop")
    assert with_url("postgresql://me:first@host/shop") != with_url("postgresql://me:first@other/shop")


def test_no_outline_has_a_secret_or_a_digest_of_one() -> None:
    def rest(token: str, password: str) -> Outline:
        config = {"client": {"base_url": "https://x.test", "auth": {"type": "bearer", "token": token}}}
        destinations: Mapping[str, Any] = LAKE | {
            "house": {"type": "postgres", "host": "h", "user": "u", "database": "d", "password": password}
        }
        resources = [{"name": "a", "endpoint": "a"}]
        source = {"type": "rest", "destinations": ["lake"], "config": config | {"resources": resources}}
        return outline({"api": source}, destinations)

    one = rest("a-secret-token", "a-secret-password")
    assert one == rest("another-token", "another-password")
    assert b"a-secret" not in msgspec.json.encode(one)
    assert "config.client.auth" in one.sources["api"].digests
    assert "password" in one.destinations["house"].digests


def test_the_same_change_of_many_collections_is_one_line() -> None:
    names = [f"c{number}" for number in range(40)]
    after = of_shop(*names[:-1], {"name": names[-1], "schedule": "@weekly"}, schedule="@hourly")
    assert told(of_shop(*names), after) == [
        "~ collection shop: 39 collections schedule: on request → @hourly, fires in 12 min",
        "~ collection shop.c39 schedule: on request → @weekly, fires in 2 d 12 h",
    ]


def test_no_name_leaves_its_block_of_markdown() -> None:
    text = markdown_of(["+  source  a```b | <img src=x> @me", "-  source  c"], "1 added, 1 removed.")
    assert text.splitlines() == [
        "**Syncline plan.** 1 added, 1 removed.",
        "",
        "````diff",
        "+  source  a```b | <img src=x> @me",
        "-  source  c",
        "````",
    ]


def test_what_does_not_fit_into_a_comment_is_counted() -> None:
    text = markdown_of(["+  source  " + "x" * 989] * 100, "100 added.")
    assert len(text) < 65_536
    shown = text.count("source")
    assert f"\n{100 - shown} more lines are not shown: run `syncline plan`." in text


def test_a_schedule_that_is_spread_says_when_each_collection_starts_and_many_when_they_fire() -> None:
    delay = spread_delay("shop", "orders", timedelta(minutes=10))
    assert delay == timedelta(minutes=4, seconds=32)
    before, after = of_shop("orders"), of_shop("orders", schedule="@hourly", spread="10m")
    assert told(before, after) == [
        "~ collection shop.orders schedule: on request → @hourly, starts in 16 min",
        "~ collection shop.orders spread: default → 10m",
    ]
    [change, _] = plan_document(changes_between(before, after, NOW), [], {})["changes"]
    assert (change["next_fire_at"], change["next_start_at"]) == ("2026-01-01T12:00:00Z", "2026-01-01T12:04:32Z")
    many = [f"c{number}" for number in range(10)]
    assert told(of_shop(*many), of_shop(*many, schedule="@hourly", spread="10m")) == [
        "~ collection shop: 10 collections schedule: on request → @hourly, fires in 12 min",
        "~ collection shop: 10 collections spread: default → 10m",
    ]
