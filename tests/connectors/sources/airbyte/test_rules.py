from __future__ import annotations

from typing import Any

import pytest

from app.connectors.options.validation import validated
from app.connectors.sources.airbyte.catalog import choose, find_choice
from app.connectors.sources.airbyte.manifest import load_manifest
from app.connectors.sources.airbyte.messages import Descriptor, parse_message
from app.connectors.sources.airbyte.options import AirbyteOptions
from app.connectors.sources.airbyte.specification import secrets_by
from app.domain.collection import CollectionJob
from app.domain.errors import ConfigurationError


def stream(name: str = "orders", /, **settings: Any) -> dict[str, Any]:
    columns = {name: {"type": "string"} for name in ("id", "at", "shop")}
    return {"name": name, "json_schema": {"properties": columns}} | settings


INCREMENTAL = {"supported_sync_modes": ["full_refresh", "incremental"]}
OWN_CURSOR = INCREMENTAL | {"source_defined_cursor": True, "default_cursor_field": ["at"]}


def configured(offer: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """How the one stream of a catalog is asked for, without its description."""
    collection = CollectionJob(name="orders", type="orders", table_name="t", start_date="2020-01-01", **settings)
    catalog, _ = choose({"streams": [offer]}, collection)
    (only,) = catalog["streams"]
    return {key: value for key, value in only.items() if key != "stream"}


@pytest.mark.parametrize(
    ("offer", "settings", "asked_for"),
    [
        (stream(), {}, {"sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}),
        (stream(**INCREMENTAL), {}, {"sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}),
        (
            stream(**INCREMENTAL),
            {"cursor_field": "at"},
            {"sync_mode": "incremental", "destination_sync_mode": "append", "cursor_field": ["at"]},
        ),
        (
            stream(**INCREMENTAL),
            {"cursor_field": "meta.at"},
            {"sync_mode": "incremental", "destination_sync_mode": "append", "cursor_field": ["meta", "at"]},
        ),
        (
            stream(source_defined_primary_key=[["id"], ["shop"]], **OWN_CURSOR),
            {},
            {
                "sync_mode": "incremental",
                "destination_sync_mode": "append_dedup",
                "cursor_field": ["at"],
                "primary_key": [["id"], ["shop"]],
            },
        ),
        (
            stream(source_defined_primary_key=[["id"]], **OWN_CURSOR),
            {"sync_mode": "full_refresh", "primary_key": ["shop"]},
            {
                "sync_mode": "full_refresh",
                "destination_sync_mode": "overwrite",
                "cursor_field": ["at"],
                "primary_key": [["shop"]],
            },
        ),
    ],
    ids=["plain", "no-cursor", "cursor", "inner-cursor", "keyed", "chosen"],
)
def test_the_mode_follows_the_collection_and_what_the_stream_can(
    offer: dict[str, Any], settings: dict[str, Any], asked_for: dict[str, Any]
) -> None:
    assert configured(offer, **settings) == asked_for


@pytest.mark.parametrize(
    ("offer", "settings", "complaint"),
    [
        (
            stream(),
            {"sync_mode": "incremental"},
            "does not support sync_mode 'incremental'; choose one of 'full_refresh'",
        ),
        (stream(**INCREMENTAL), {"sync_mode": "incremental"}, "needs a 'cursor_field'"),
        (
            stream(supported_sync_modes=["incremental"], source_defined_cursor=True),
            {"sync_mode": "full_refresh"},
            "does not support sync_mode 'full_refresh'; choose one of 'incremental'",
        ),
        ({"stream": {}}, {}, "a stream without a name"),
    ],
)
def test_what_a_stream_cannot_is_refused(offer: dict[str, Any], settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        configured(offer, **settings)


def test_what_is_inside_of_an_object_tells_no_rows_apart() -> None:
    collection = CollectionJob(name="orders", type="orders", table_name="t", start_date="2020-01-01")
    offer = stream(**INCREMENTAL, source_defined_primary_key=[["meta", "id"]], default_cursor_field=["meta", "at"])
    _, choices = choose({"streams": [offer]}, collection)
    (choice,) = choices.values()
    assert (choice.key, choice.cursor_field) == ((), None)


def test_a_message_without_a_namespace_finds_its_stream_where_only_one_can_be_meant() -> None:
    collection = CollectionJob(name="all", type="all", table_name="t", start_date="2020-01-01")
    _, choices = choose(
        {"streams": [stream(namespace="a"), stream("b", namespace="x"), stream("b", namespace="y")]}, collection
    )
    assert find_choice(choices, Descriptor("orders")) == choices[Descriptor("orders", "a")]
    assert find_choice(choices, Descriptor("orders", "b")) is None
    assert find_choice(choices, Descriptor("b")) is None


@pytest.mark.parametrize(
    "line",
    [
        b"plain text",
        b"[1, 2]",
        b"{'a': 1}",
        b"{",
        b'{"type": "NEW"}',
        b'{"level": "info"}',
        b'{"type": 5}',
        b'{"type":"ACTIVATE","version":1}',
    ],
)
def test_what_is_no_known_message_is_passed_over(line: bytes) -> None:
    assert parse_message(line) is None


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({}, "give exactly one of 'package', 'command', 'manifest', 'image', 'docker_image'; found none"),
        ({"package": "a==1", "image": "a/b:1"}, "found 'package' and 'image'"),
        ({"package": "airbyte-source-faker"}, "is not pinned"),
        ({"image": "airbyte/source-faker"}, "is not an image with a version"),
        ({"image": "--privileged"}, "is not an image with a version"),
        ({"docker_image": "-v"}, "is not an image name"),
        ({"docker_image": "source-a", "image_version": "--rm"}, "is not an image version"),
        ({"command": "source", "network": "host"}, "'network' is valid only with 'image' or 'docker_image'"),
        ({"command": "source", "executable": "x"}, "'executable' is valid only with 'package'"),
        ({"image": "a/b:1", "network": "--privileged"}, "here.network"),
        ({"command": "source", "state": {}, "initial_state": {}}, "give either 'state' or 'initial_state', not both"),
        ({"command": "source", "comand": 1}, "here.comand"),
    ],
)
def test_wrong_options_are_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        validated(AirbyteOptions, given, key_path="here")


@pytest.mark.parametrize(
    ("given", "image"),
    [
        ({"image": "airbyte/source-faker:6.2.21"}, "airbyte/source-faker:6.2.21"),
        ({"image": f"localhost:5000/a/b@sha256:{'0' * 64}"}, f"localhost:5000/a/b@sha256:{'0' * 64}"),
        ({"docker_image": "source-mixpanel"}, "airbyte/source-mixpanel:latest"),
        ({"docker_image": "source-mixpanel", "image_version": "0.1.2"}, "airbyte/source-mixpanel:0.1.2"),
        ({"docker_image": "own/source", "image_version": ""}, "own/source:latest"),
        ({"docker_image": "airbyte/source-a:1.0"}, "airbyte/source-a:1.0"),
        ({"package": "airbyte-source-faker==7.2.1"}, None),
        ({"manifest": "a.yaml", "package": "airbyte-cdk==7.0.0"}, None),
    ],
)
def test_an_image_has_its_version_and_classic_names_stand_for_airbytes(
    given: dict[str, Any], image: str | None
) -> None:
    assert AirbyteOptions.model_validate(given).image_name == image


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("/no/such.yaml", "neither a mapping nor a readable file"),
        ("a: [\n", "is not valid YAML"),
        ("a: 1\nb: 2\n", "no list of 'streams'"),
    ],
)
def test_a_wrong_manifest_is_told(given: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        load_manifest(given)


def test_the_specification_says_what_is_secret() -> None:
    secret = {"type": "string", "airbyte_secret": True}
    signed = {"properties": {"kind": {"type": "string"}, "phrase": secret}}
    schema = {
        "properties": {
            "login": {"oneOf": [{"properties": {"user": {"type": "string"}}}, signed]},
            "pins": {"type": "array", "items": secret},
            "number": secret,
            "short": secret,
        }
    }
    config = {
        "login": {"kind": "a kind", "phrase": "open sesame"},
        "pins": ["first pin", "second pin"],
        "number": 12345,
        "short": "abc",
        "phrase": "not described",
    }
    assert secrets_by(schema, config) == {"open sesame", "first pin", "second pin", "12345"}
    assert secrets_by(None, config) == secrets_by({"properties": 5}, config) == frozenset()
