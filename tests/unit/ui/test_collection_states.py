"""How collections are, told again and again: what has changed is told anew, and only that."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from app.domain.collection import Collection
from app.domain.condition import Condition
from app.ui.collection_states import CollectionState, CollectionStates

NOW = datetime(2026, 11, 30, 21, 17, 3, tzinfo=UTC)
TASK = UUID(int=7)
PAUSE = {"source": "shop", "collection": "orders", "since": NOW, "until": None, "who": None, "note": "move"}


def a_head(collection: str, status: str, **values: Any) -> dict[str, Any]:
    names = ("last_success_at", "last_failure_at", "last_error", "next_fire_at", "delay")
    known = {"source": "shop", "collection": collection, "last_task": TASK, "last_status": status}
    return {**dict.fromkeys(names), **known, "consecutive_failures": 0, **values}


def a_source(*names: str) -> Any:
    return SimpleNamespace(id="shop", collections={name: Collection(name=name) for name in names})


HEADS = [a_head("orders", "SUCCESS"), a_head("clients", "RUNNING")]
A_RUN = {"source": "shop", "collection": "clients", "started_at": NOW}


def told(states: CollectionStates, source: Any, heads: Any = HEADS, running: Any = (A_RUN,), pauses: Any = ()) -> Any:
    return {each.collection: each for each in states.states_of([source], heads, running, pauses)}


def test_what_is_as_before_is_the_same_state() -> None:
    states, source = CollectionStates(), a_source("orders", "clients")
    first = told(states, source)
    again = told(states, source, [{**head} for head in HEADS], [{**A_RUN}])
    assert all(again[name] is first[name] for name in ("orders", "clients"))


def is_failing(state: CollectionState) -> bool:
    return state.condition is Condition.FAILING


def is_paused_alone(state: CollectionState) -> bool:
    return state.condition is Condition.PAUSED and state.paused_alone


def is_paused_with_its_source(state: CollectionState) -> bool:
    return state.condition is Condition.PAUSED and not state.paused_alone


@pytest.mark.parametrize(
    ("changed", "collection", "expected"),
    [
        ({"heads": [a_head("orders", "FAILED", consecutive_failures=2), HEADS[1]]}, "orders", is_failing),
        ({"pauses": [PAUSE]}, "orders", is_paused_alone),
        ({"pauses": [{**PAUSE, "collection": ""}]}, "orders", is_paused_with_its_source),
        (
            {"running": [{**A_RUN, "progress": {"records_read": 5}}]},
            "clients",
            lambda state: state.facts.records_read == 5,
        ),
    ],
)
def test_whatever_changes_is_told(changed: dict[str, Any], collection: str, expected: Any) -> None:
    states, source = CollectionStates(), a_source("orders", "clients")
    before = told(states, source)[collection]
    after = told(states, **{"source": source, **changed})[collection]
    assert after is not before
    assert expected(after)


def test_a_collection_of_a_new_catalogue_is_told_anew() -> None:
    states = CollectionStates()
    before = told(states, a_source("orders", "clients"))
    after = told(states, a_source("orders", "clients"))
    assert all(after[name] is not before[name] for name in ("orders", "clients"))


def test_collections_come_and_go() -> None:
    states = CollectionStates()
    assert [*told(states, a_source("orders"))] == ["orders"]
    assert [*told(states, a_source("orders", "new"))] == ["orders", "new"]
    assert [*told(states, a_source("new"))] == ["new"]
