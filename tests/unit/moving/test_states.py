"""What Jitsu Classic's Redis keeps of each source becomes the bookmark of its collection, or is told."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from app.attempt.set_bookmarks import bookmark_problem
from app.config.reader import load_catalogue
from app.domain.attempt_protocol import SourceJob
from app.moving.intervals import loaded_windows
from app.moving.states import Remark, State, states_in

if TYPE_CHECKING:
    from app.config.catalogue import Catalogue
    from app.moving.redis_keys import Chunks

STATE = '{"bookmarks": {"users": {"since": 7}}}'
NOTHING = "Jitsu Classic has no bookmark of it: the first task begins at the beginning"
AUTH = {"client_id": "i", "client_secret": "s3cr3t-s3cr3t", "refresh_token": "r3fr3sh-r3fr3sh"}


def catalogue(**sources: Any) -> Catalogue:
    whole = {name.replace("__", "."): {"destinations": ["none"], **source} for name, source in sources.items()}
    return load_catalogue(yaml.safe_dump({"sources": whole, "destinations": {"none": {}}}, sort_keys=False), {})


def tap(**config: Any) -> dict[str, Any]:
    return {"type": "singer", "config": {"tap": "tap-x"} | config}


@pytest.mark.parametrize(
    ("source", "key"),
    [
        (tap(), "tap-x"),
        ({"type": "singer", "config": {"package": "tap-x==1.0"}}, "tap-x"),
        ({"type": "singer", "config": {"command": ["python", "mine.py"]}}, "tap-x"),
        ({"type": "airbyte", "config": {"docker_image": "source-y"}}, "source-y"),
        ({"type": "airbyte", "config": {"docker_image": "airbyte/source-y", "image_version": "1.0"}}, "source-y"),
        ({"type": "airbyte", "config": {"image": "airbyte/source-y:1.0.0"}}, "source-y"),
        ({"type": "airbyte", "config": {"package": "airbyte-source-y==1.0"}}, "source-y"),
    ],
)
def test_the_state_of_a_program_is_the_bookmark_of_its_collection(source: dict[str, Any], key: str) -> None:
    assert states_in({("shop", key): {"ALL": STATE}}, catalogue(shop=source)) == [State("shop", "all", STATE)]


def test_the_state_of_another_tap_is_not_taken() -> None:
    assert states_in({("shop", "tap-old"): {"ALL": STATE}}, catalogue(shop=tap())) == [
        Remark("shop", NOTHING, is_loss=False),
        Remark("source#shop:collection#tap-old:chunks", "is not carried over: no source here uses it"),
    ]


@pytest.mark.parametrize(
    ("id_", "known"), [("MixedCase", "mixedcase"), ("shop", "prj1.shop"), ("prj1.shop", "prj1.shop")]
)
def test_a_source_is_found_as_jitsu_classic_calls_it(id_: str, known: str) -> None:
    found = states_in({(known, "tap-x"): {"ALL": STATE}}, catalogue(**{id_.replace(".", "__"): tap()}))
    assert found == [State(id_, "all", STATE)]


def test_with_several_projects_one_must_be_named() -> None:
    chunks: Chunks = {("a.shop", "tap-x"): {"ALL": "{}"}, ("b.shop", "tap-x"): {"ALL": STATE}}
    assert states_in(chunks, catalogue(shop=tap())) == [
        Remark("shop", "Redis has several sources of this name: 'a.shop', 'b.shop'; name the project with --project")
    ]
    for id_ in ("shop", "b.shop"):
        assert states_in(chunks, catalogue(**{id_.replace(".", "__"): tap()}), project="b") == [
            State(id_, "all", STATE),
            Remark("source#a.shop:collection#tap-x:chunks", "is not carried over: no source here uses it"),
        ]


def test_collections_that_read_single_streams_are_told_of() -> None:
    source = tap() | {"collections": ["users", "orders"]}
    assert states_in({("shop", "tap-x"): {"ALL": STATE}}, catalogue(shop=source)) == [
        Remark(
            "shop",
            "its state is that of all streams together, and the catalogue has them apart (users, orders): set the "
            "bookmark of each with 'syncline bookmarks set'",
        )
    ]


@pytest.mark.parametrize("config", [{"token": "old", "n": 1.5}, '{"n": 1.5, "token": "old"}'])
def test_a_configuration_that_a_tap_has_renewed_is_told_of_without_its_secrets(config: Any) -> None:
    chunks: Chunks = {
        ("shop", "tap-x"): {"ALL": STATE},
        ("shop", "tap-x_JITSU_config"): {"ALL": '{"token":"old","n":1.5}'},
    }
    shop = catalogue(shop=tap(config=config))
    assert states_in(chunks, shop) == [State("shop", "all", STATE)]
    chunks["shop", "tap-x_JITSU_config"] = {"ALL": '{"token": "hunter22"}'}
    _, remark = states_in(chunks, shop)
    assert remark == Remark(
        "shop",
        "Jitsu Classic keeps another configuration of it than the catalogue, which the program may have renewed. If "
        "logging in fails, look at redis-cli hget 'source#shop:collection#tap-x_JITSU_config:chunks' ALL",
    )


def test_intervals_of_a_driver_that_another_connector_replaces_are_told_of() -> None:
    ads = {
        "type": "google_analytics",
        "config": {"property_id": "1", "auth": AUTH},
        "collections": [
            {
                "name": "r",
                "type": "report",
                "start_date": "2024-01-01",
                "parameters": {"dimensions": ["country"], "metrics": ["sessions"]},
            }
        ],
    }
    for key in ("r_ads_r", "r_prj.ads_r"):
        chunks: Chunks = {
            ("prj.ads", key): {"UTC_DAY_2024-01-01": "2024-01-01T23:59:59.999Z", "UTC_DAY_2024-01-02": "x"}
        }
        assert states_in(chunks, catalogue(ads=ads)) == [
            Remark(
                "ads.r",
                "2 intervals of Jitsu Classic's cannot be carried over, because another connector reads it here: the "
                "first task loads everything from 2024-01-01",
            )
        ]


def test_what_is_read_as_a_whole_needs_no_bookmark() -> None:
    source = {
        "type": "redis",
        "config": {"host": "h"},
        "collections": [{"name": "u", "table_name": "t", "parameters": {"redis_key": "u:*"}}],
    }
    assert states_in({("cache", "u_t"): {"UTC_ALL_ALL": "x"}}, catalogue(cache=source)) == [
        Remark("cache.u", "needs no bookmark: everything is read each time", is_loss=False)
    ]


def test_what_jitsu_classic_has_never_loaded_is_told() -> None:
    made = {"type": "synthetic", "collections": ["c", {"name": "d", "sync_mode": "full_refresh"}]}
    assert states_in({}, catalogue(shop=tap(), made=made)) == [
        Remark("shop", NOTHING, is_loss=False),
        Remark("made.c", NOTHING, is_loss=False),
        Remark("made.d", "needs no bookmark: everything is read each time", is_loss=False),
    ]


def test_a_source_that_cannot_be_used_yet_is_told_of() -> None:
    broken = {"type": "singer", "config": {"nosuch": 1}}
    assert states_in({("shop", "tap-x"): {"ALL": STATE}}, catalogue(shop=broken)) == [
        Remark("shop", "cannot be used yet, so its bookmarks are not carried over: correct it first")
    ]


def test_intervals_become_the_windows_of_a_collection_that_has_them() -> None:
    days = {
        "UTC_DAY_2024-01-01": "2024-01-01T23:59:59.999Z",
        "UTC_DAY_2024-01-02": "2024-01-02T23:59:59.999Z",
        "UTC_DAY_2024-01-05": "2024-01-05T23:59:59.999Z",
        "UTC_DAY_2024-01-06": "2024-01-06T08:00:00.000Z",
        "UTC_DAY_nonsense": "2024-01-05T23:59:59.999Z",
        "UTC_MONTH_2024-01": "2024-01-31T23:59:59.999Z",
    }
    source = {"type": "synthetic", "collections": [{"name": "c", "interval": "day", "start_date": "2024-01-01"}]}
    shop = catalogue(shop=source)
    [state] = states_in({("shop", "c_shop_c"): days}, shop)
    assert isinstance(state, State)
    assert json.loads(state.bookmark) == {
        "interval": "day",
        "settled": ["2024-01-01T00:00:00Z/2024-01-03T00:00:00Z", "2024-01-05T00:00:00Z/2024-01-06T00:00:00Z"],
        "loaded": {"2024-01-06T00:00:00Z": "2024-01-06T08:00:00Z"},
    }
    job = SourceJob(
        source="shop",
        source_type="synthetic",
        source_config={},
        collection=shop.sources["shop"].collections["c"].for_attempt(dt.datetime(2024, 1, 7, tzinfo=dt.UTC)),
        data_dir="",
    )
    assert bookmark_problem(state.bookmark, job) is None


@pytest.mark.parametrize(
    ("length", "name", "stretch"),
    [
        ("hour", "UTC_HOUR_2024-01-01_05", "2024-01-01T05:00:00Z/2024-01-01T06:00:00Z"),
        ("week", "UTC_WEEK_2024-01-03", "2024-01-01T00:00:00Z/2024-01-08T00:00:00Z"),
        ("month", "UTC_MONTH_2024-02", "2024-02-01T00:00:00Z/2024-03-01T00:00:00Z"),
        ("quarter", "UTC_QUARTER_2024-05", "2024-04-01T00:00:00Z/2024-07-01T00:00:00Z"),
        ("year", "UTC_YEAR_2024", "2024-01-01T00:00:00Z/2025-01-01T00:00:00Z"),
    ],
)
def test_intervals_of_every_length(length: Any, name: str, stretch: str) -> None:
    text = loaded_windows({name: "2030-01-01T00:00:00.000Z"}, length)
    assert json.loads(text or "null")["settled"] == [stretch]


def test_intervals_of_another_length_are_none() -> None:
    assert loaded_windows({"UTC_DAY_2024-01-01": "2024-01-01T23:59:59.999Z"}, "month") is None
    assert loaded_windows({"UTC_ALL_ALL": "2024-01-01T23:59:59.999Z"}, "all") is None
