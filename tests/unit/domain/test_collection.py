"""A collection in its source, and what an attempt is told of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import ValidationError

from app.domain.collection import Collection, CollectionJob, Inherited
from app.domain.columns import ColumnRules
from app.domain.windows import Windows
from app.domain.writing import Deletes, SchemaPolicy, WriteMode

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
SAID = {
    "owner": "data team",
    "labels": ("gold", "pii"),
    "description": "what was sold",
    "runbook": "https://wiki.example.com/shop",
    "schedule": "@hourly",
    "timezone": "Europe/Berlin",
    "spread": timedelta(minutes=10),
    "misfire": "all",
    "misfire_window": timedelta(hours=1),
    "timeout": timedelta(minutes=90),
    "max_attempts": 7,
    "max_delay": timedelta(hours=6),
    "max_silence": timedelta(minutes=15),
    "max_memory": 2_000_000_000,
    "write_mode": WriteMode.UPSERT,
    "schema_policy": SchemaPolicy.FREEZE,
    "lookback": timedelta(minutes=10),
    "empty": "allow",
    "max_shrink": 80.0,
    "deletes": Deletes.REMOVE,
    "flatten": 2,
}
WRITTEN = SAID | {"max_shrink": "80%", "max_memory": "2 GB"}


def test_the_keys_that_a_source_can_have_for_its_collections_are_all_tried_here() -> None:
    assert set(SAID) == set(Inherited.model_fields)
    assert not [key for key, value in SAID.items() if getattr(Inherited(), key) == value]


@pytest.mark.parametrize("key", SAID)
def test_a_key_is_the_collections_own_else_its_sources_else_the_default(key: str) -> None:
    usual = getattr(Inherited(), key)
    source = Inherited.model_validate({key: WRITTEN[key]})
    assert getattr(Collection(name="c").within("s", Inherited()), key) == usual
    assert getattr(Collection(name="c").within("s", source), key) == SAID[key]
    own = Collection.model_validate({"name": "c", key: WRITTEN[key]})
    assert getattr(own.within("s", Inherited()), key) == SAID[key]


@pytest.mark.parametrize("key", ["schedule", "misfire_window", "max_shrink", "owner", "description", "runbook"])
def test_none_takes_back_what_the_source_says(key: str) -> None:
    source = Inherited.model_validate({key: WRITTEN[key]})
    own = Collection.model_validate({"name": "c", key: "none"})
    assert getattr(own.within("s", source), key) is None


@pytest.mark.parametrize("key", ["schedule", "owner", "description", "runbook"])
def test_an_empty_text_takes_back_nothing(key: str) -> None:
    source = Inherited.model_validate({key: WRITTEN[key]})
    own = Collection.model_validate({"name": "c", key: ""})
    assert getattr(own.within("s", source), key) == SAID[key]


def test_a_collection_has_the_labels_of_its_source_and_its_own() -> None:
    source = Inherited.model_validate({"labels": ["gold", "shop"]})
    own = Collection.model_validate({"name": "c", "labels": ["pii", "gold"]})
    assert own.within("s", source).labels == ("gold", "shop", "pii")


def test_a_type_is_the_name_and_a_table_is_named_after_source_and_collection_by_default() -> None:
    made = Collection(name="orders").within("shop", Inherited())
    assert (made.type, made.table_name) == ("orders", "shop_orders")
    made = Collection(name="orders", type="public/orders", table_name="mine").within("shop", Inherited())
    assert (made.type, made.table_name) == ("public/orders", "mine")


def test_an_attempt_gets_every_key_of_its_job() -> None:
    made = Collection.model_validate(
        {
            "name": "orders",
            "type": "public/orders",
            "table_name": "mine",
            "start_date": "2024-01-01",
            "sync_mode": "incremental",
            "cursor_field": "at",
            "primary_key": "id",
            "write_mode": "history",
            "schema_policy": "discard",
            "empty": "allow",
            "max_shrink": "12.5 %",
            "deletes": "ignore",
            "interval": "day",
            "refresh_window": "2h",
            "lookback": "10m",
            "parameters": {"a": 1},
        }
    )
    assert made.within("shop", Inherited()).for_attempt(NOW) == CollectionJob(
        name="orders",
        type="public/orders",
        table_name="mine",
        start_date="2024-01-01",
        parameters={"a": 1},
        sync_mode="incremental",
        cursor_field="at",
        primary_key=["id"],
        write_mode=WriteMode.HISTORY,
        schema_policy=SchemaPolicy.DISCARD,
        empty="allow",
        max_shrink=12.5,
        deletes=Deletes.IGNORE,
        windows=Windows("day", date(2024, 1, 1), NOW, 7200.0),
        lookback=timedelta(minutes=10),
    )


def test_levels_of_objects_are_among_the_rules_of_columns() -> None:
    made = Collection.model_validate({"name": "c", "flatten": "2", "columns": {"exclude": "x"}})
    assert made.for_attempt(NOW).columns == ColumnRules(exclude=("x",), flatten=2)
    assert Collection(name="c", flatten=1).for_attempt(NOW).columns == ColumnRules(flatten=1)
    assert Collection(name="c").for_attempt(NOW).columns is None


@pytest.mark.parametrize("levels", [-1, 101, 1.5, True, "all"])
def test_levels_are_a_number(levels: object) -> None:
    with pytest.raises(ValidationError):
        Collection.model_validate({"name": "c", "flatten": levels})


def test_without_a_start_date_a_year_before_the_attempt_is_read() -> None:
    job = Collection(name="orders").within("shop", Inherited()).for_attempt(NOW)
    assert (job.start_date, job.windows) == ("2023-05-02", None)
