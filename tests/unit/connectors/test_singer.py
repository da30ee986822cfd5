from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest

from app.connectors.sources.singer.catalog import choose
from app.connectors.sources.singer.messages import parsed
from app.domain.attempt_protocol import CollectionJob
from app.domain.errors import ConfigurationError, SynclineError

CATALOG: dict[str, Any] = {
    "streams": [
        {"tap_stream_id": "public-weather", "stream": "weather_rows", "schema": {}, "key_properties": ["id"]},
        {"tap_stream_id": "public-planes", "schema": {}},
        {"tap_stream_id": "audit-planes", "schema": {}},
    ]
}


def collection(wanted: str, **settings: Any) -> CollectionJob:
    return CollectionJob(name=wanted, type=wanted, table_name="t", start_date="2020-01-01", **settings)


@pytest.mark.parametrize("wanted", ["public-weather", "weather_rows", "weather"])
def test_a_stream_is_found_by_its_id_its_name_or_its_table(wanted: str) -> None:
    chosen, choices = choose(CATALOG, collection(wanted))
    assert set(choices) == {"public-weather", "weather_rows"}
    selected = [stream["metadata"][0]["metadata"]["selected"] for stream in chosen["streams"]]
    assert selected == [True, False, False]


def test_a_missing_stream_is_told_with_those_that_are_there() -> None:
    with pytest.raises(ConfigurationError, match="no stream 'airlines', valid are: audit-planes, public-planes"):
        choose(CATALOG, collection("airlines"))


def test_an_ambiguous_stream_is_told_with_its_namesakes() -> None:
    with pytest.raises(ConfigurationError, match="several streams like 'planes': audit-planes, public-planes"):
        choose(CATALOG, collection("planes"))


def test_all_takes_every_stream_or_those_that_somebody_selected() -> None:
    assert set(choose(CATALOG, collection("all"))[1]) == {
        "public-weather",
        "weather_rows",
        "public-planes",
        "audit-planes",
    }
    catalog = copy.deepcopy(CATALOG)
    catalog["streams"][1]["metadata"] = [{"breadcrumb": [], "metadata": {"selected": True}}]
    assert set(choose(catalog, collection("all"))[1]) == {"public-planes"}


def test_the_collection_decides_how_its_stream_is_read() -> None:
    settings = {"sync_mode": "incremental", "cursor_field": "at", "primary_key": ["code"]}
    chosen, choices = choose(CATALOG, collection("weather", **settings))
    metadata = chosen["streams"][0]["metadata"][0]["metadata"]
    assert metadata["replication-method"] == "INCREMENTAL"
    assert metadata["replication-key"] == "at"
    assert metadata["table-key-properties"] == ["code"]
    choice = choices["public-weather"]
    assert (choice.full_refresh, choice.cursor_field, choice.key) == (False, "at", ("code",))


def test_a_keyless_stream_of_unknown_kind_is_replaced_and_a_keyed_one_updated() -> None:
    assert choose(CATALOG, collection("public-planes"))[1]["public-planes"].full_refresh
    assert not choose(CATALOG, collection("weather"))[1]["public-weather"].full_refresh


@pytest.mark.parametrize("value", ["null", "5", '"text"', "[1]", '{"a":1.10}', '{"b":{"c":123456789012345678901234}}'])
def test_a_state_of_any_shape_is_kept_to_the_letter(value: str) -> None:
    message = parsed(f'{{"type":"STATE","value":{value}}}'.encode())
    assert message is not None
    assert bytes(message.value).decode() == value


def test_numbers_of_a_record_are_read_exactly() -> None:
    message = parsed(b'{"type":"RECORD","stream":"s","record":{"a":1.10,"b":123456789012345678901234567890}}')
    assert message is not None
    assert message.record == {"a": Decimal("1.10"), "b": 123456789012345678901234567890}
    assert str(message.record["a"]) == "1.10"


@pytest.mark.parametrize(
    "line", [b"plain text\n", b"[1, 2]\n", b'{"type":"ACTIVATE_VERSION","version":1}', b'{"type":"BATCH","schema":5}']
)
def test_what_is_no_known_message_is_passed_over(line: bytes) -> None:
    assert parsed(line) is None


def test_what_is_nested_too_deep_or_too_large_is_refused_for_good() -> None:
    deep = b"[" * 50_000 + b"]" * 50_000
    for line, complaint in (
        (b'{"type":"RECORD","stream":"s","record":{"a":%s}}' % deep, "nested too deep"),
        (b'{"type":"STATE","value":%s}' % deep, "nested too deep"),
        (b'{"type":"STATE","value":%s}' % deep[49_800:-49_800], "a STATE with more than 100 levels"),
        (b'{"type":"STATE","value":"%s"}' % bytes(17 << 20).replace(b"\0", b"x"), "a STATE of more than 16 MB"),
    ):
        with pytest.raises(ConfigurationError, match=complaint):
            parsed(line)
    brackets_in_text = b'{"type":"STATE","value":{"a\\"%s":[[1]]}}' % (b"[" * 200)
    assert parsed(brackets_in_text)


@pytest.mark.parametrize("line", [b'{"type":"RECORD"', b'{"type":"RECORD","record":5}', b'{"type":"RECORD"}\xff\n'])
def test_a_broken_message_is_an_error(line: bytes) -> None:
    with pytest.raises(SynclineError, match="not a Singer message"):
        parsed(line)
