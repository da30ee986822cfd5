from __future__ import annotations

import copy
import json
import os
import re
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.contract.passes import Checkpoint
from app.connectors.contract.schema import Kind, Table
from app.connectors.contract.standing import Standing
from app.connectors.contract.stream_tables import tables_in
from app.connectors.destinations.singer.options import TargetOptions
from app.connectors.options.validation import validated
from app.connectors.programs.catalog_cache import DiscoveredCatalog
from app.connectors.sources.singer.catalog import choose
from app.connectors.sources.singer.fields import Fields
from app.connectors.sources.singer.messages import Message, parse_message
from app.connectors.sources.singer.metrics import format_metric
from app.connectors.sources.singer.offers import offers
from app.connectors.sources.singer.options import SingerOptions
from app.connectors.sources.singer.state import State
from app.domain.attempt_protocol import SourceJob
from app.domain.collection import ALL, CollectionJob
from app.domain.errors import ConfigurationError, SynclineError

if TYPE_CHECKING:
    from pathlib import Path

    from app.connectors.options.selected_streams import SelectedStream

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


def selection(**given: Any) -> tuple[SelectedStream, ...]:
    return SingerOptions.model_validate({"command": "tap", **given}).chosen_streams


def test_selected_streams_are_those_of_all_with_their_settings() -> None:
    selected = selection(
        selected_streams=[
            {"name": "weather_rows", "namespace": "public-weather", "sync_mode": "full_refresh"},
            {"name": "audit-planes", "sync_mode": "", "cursor_field": ["at"]},
        ]
    )
    chosen, choices = choose(CATALOG, collection(ALL), Fields(), selected)
    assert [stream["metadata"][0]["metadata"]["selected"] for stream in chosen["streams"]] == [True, False, True]
    assert (choices["public-weather"].full_refresh, choices["audit-planes"].full_refresh) == (True, False)
    assert choices["audit-planes"].cursor_field == "at"


def test_the_collection_s_own_settings_win_over_those_of_a_selected_stream() -> None:
    selected = selection(selected_streams=[{"name": "weather_rows", "sync_mode": "full_refresh"}])
    _, choices = choose(CATALOG, collection(ALL, sync_mode="incremental"), Fields(), selected)
    assert not choices["public-weather"].full_refresh


def test_a_selected_stream_that_the_tap_lacks_is_told_with_those_that_are_there() -> None:
    selected = selection(selected_streams=[{"name": "weather_rows", "namespace": "other"}])
    with pytest.raises(ConfigurationError, match="no stream 'weather_rows' with the tap_stream_id 'other', which 'sel"):
        choose(CATALOG, collection(ALL), Fields(), selected)


def test_selected_streams_say_nothing_about_other_collections_nor_beside_a_catalog() -> None:
    selected = selection(selected_streams=["audit-planes"])
    assert set(choose(CATALOG, collection("weather"), Fields(), selected)[1]) == {"public-weather", "weather_rows"}
    assert selection(selected_streams=["a"], catalog="{}") == selection(selected_streams=["a"], properties={}) == ()


def test_a_catalog_names_tables_as_jitsu_classic_made_them() -> None:
    streams = [
        {"stream": "Orders", "tap_stream_id": "db-Orders", "destination_table_name": "My-Orders.Größe"},
        {"stream": "other", "destination_table_name": ""},
        {"tap_stream_id": "only_id", "destination_table_name": "\u0130d"},
        5,
    ]
    expected = {"Orders": "my_orders_gr__e", "db-Orders": "my_orders_gr__e", "only_id": "id"}
    assert tables_in({"streams": streams}) == tables_in(json.dumps({"streams": streams})) == expected
    assert tables_in("/srv/catalog.json") == tables_in("{") == tables_in({}) == tables_in(None) == {}


def test_another_table_in_a_catalog_is_a_reason_to_load_everything_again() -> None:
    def standing(**config: Any) -> Standing:
        job = SourceJob(source="s", source_type="singer", source_config=config, collection=collection(ALL), data_dir="")
        return Standing.of(job)

    named = standing(catalog={"streams": [{"stream": "a", "destination_table_name": "A"}]})
    other = standing(catalog='{"streams": [{"stream": "a", "destination_table_name": "b"}]}')
    same = standing(catalog='{"streams": [{"stream": "a", "destination_table_name": "a", "schema": {}}]}')
    assert other.change_from(named)
    assert same.change_from(named) is None
    assert standing(catalog={"streams": [{"stream": "a"}]}).change_from(standing()) is None


def test_a_missing_stream_is_told_with_those_that_are_there() -> None:
    with pytest.raises(ConfigurationError, match="no stream 'airlines'; choose one of 'audit-planes', 'public-planes'"):
        choose(CATALOG, collection("airlines"))


def test_an_ambiguous_stream_is_told_with_its_namesakes() -> None:
    with pytest.raises(
        ConfigurationError, match="several streams like 'planes'; choose one of 'audit-planes', 'public-planes'"
    ):
        choose(CATALOG, collection("planes"))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"metadata": 5}, r"array.*got `int`.*metadata"),
        ({"metadata": [None]}, r"object.*got `null`.*metadata\[0\]"),
        ({"metadata": [{"breadcrumb": ["properties", "id"], "metadata": []}]}, r"object.*metadata\[0\].metadata"),
        ({"metadata": [{"breadcrumb": [5]}]}, r"str.*got `int`.*breadcrumb\[0\]"),
        ({"key_properties": 7}, r"got `int`.*key_properties"),
    ],
)
def test_a_catalog_of_another_form_is_refused_by_its_place(wrong: dict[str, Any], complaint: str) -> None:
    catalog = {"streams": [{"tap_stream_id": "public-planes"} | wrong]}
    for looked_at in (lambda: choose(catalog, collection("public-planes")), lambda: list(offers(catalog))):
        with pytest.raises(
            ConfigurationError, match=f"the catalog is not valid at stream 'public-planes': .*{complaint}"
        ):
            looked_at()


@pytest.mark.parametrize(
    ("loose", "cursor"),
    [
        ({"metadata": None, "key_properties": "id", "replication_method": ["INCREMENTAL"]}, None),
        ({"metadata": [{"breadcrumb": None, "metadata": None}], "key_properties": "id"}, None),
        ({"metadata": [{"metadata": {"table-key-properties": "id"}}], "key_properties": None}, None),
        ({"metadata": [{"metadata": {"valid-replication-keys": "at"}}], "key_properties": "id"}, "at"),
        ({"metadata": [{"metadata": {"replication-key": ["at"]}}], "key_properties": "id"}, "at"),
        ({"replication_key": ["at"], "key_properties": "id"}, "at"),
        ({"metadata": [{"breadcrumb": ["properties", "id"], "metadata": None}], "key_properties": ["id"]}, None),
    ],
)
def test_what_taps_write_loosely_is_understood(loose: dict[str, Any], cursor: str | None) -> None:
    schema = {"properties": {"id": {"type": "integer"}, "at": {"type": "string"}}}
    catalog = {"streams": [{"tap_stream_id": "public-planes", "schema": schema} | loose]}
    _, choices = choose(catalog, collection("public-planes"), Fields.of(("id",)))
    assert choices["public-planes"].key == ("id",)
    assert choices["public-planes"].cursor_field == cursor
    (offered,) = offers(catalog)
    assert offered.key == ["id"]
    assert cursor is None or offered.cursor_fields == [cursor]


def test_a_stream_that_is_read_whole_is_offered_so() -> None:
    stream = {"tap_stream_id": "a", "replication_method": "FULL_TABLE", "replication_key": "at"}
    (offered,) = offers({"streams": [stream]})
    assert offered.sync_modes == ["full_refresh"]


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
    message = parse_message(f'{{"type":"STATE","value":{value}}}'.encode())
    assert isinstance(message, Message)
    assert bytes(message.value).decode() == value


def test_rows_that_nothing_tells_apart_wait_for_a_state_of_their_own_stream() -> None:
    state = State('{"bookmarks": {"public-b": 1}}')
    state.add_name("b", "public-b")
    said = ['{"bookmarks": {"a": 1, "public-b": 1}}', '{"bookmarks": {"a": 2}}', '{"bookmarks": {"a": 2, "b": 2}}']
    state.note_rows("b", Table("b", {"id": Kind.INTEGER}))
    assert [list(state.reach(text)) for text in said] == [[], [], [Checkpoint(said[2])]]
    assert list(state.reach(said[2])) == [Checkpoint(said[2])], "nothing has come since"
    state.note_rows("b", Table("b", {"id": Kind.INTEGER}))
    assert list(state.reach(said[2])) == []
    assert list(state.finish()) == [Checkpoint(said[2])], "it may be kept under another name"
    state.note_rows("b", Table("b", {"id": Kind.INTEGER}))
    with pytest.raises(ConfigurationError, match="records of 'b' without a state that covers them"):
        list(state.finish())


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ('{"b": 1}', Table("b", {})),
        ('"a text"', Table("b", {})),
        ('{"bookmarks": {}}', Table("b", {}, key=("id",))),
        ('{"bookmarks": {}}', Table("b", {}, cursor_field="at")),
        ('{"bookmarks": {}}', Table("b", {}, full_refresh=True)),
    ],
)
def test_a_state_that_tells_no_streams_apart_covers_all_and_rows_that_are_told_apart_need_none(
    text: str, table: Table
) -> None:
    state = State(None)
    state.add_name("b", "b")
    state.note_rows("b", table)
    assert list(state.reach(text)) == [Checkpoint(text)]
    assert list(state.finish()) == []


def test_rows_of_a_tap_without_states_are_loaded_anew_each_time() -> None:
    state = State(None)
    state.note_rows("b", Table("b", {}))
    assert list(state.finish()) == []


def test_numbers_of_a_record_are_read_exactly() -> None:
    message = parse_message(b'{"type":"RECORD","stream":"s","record":{"a":1.10,"b":123456789012345678901234567890}}')
    assert isinstance(message, Message)
    assert message.record == {"a": Decimal("1.10"), "b": 123456789012345678901234567890}
    assert str(message.record["a"]) == "1.10"


@pytest.mark.parametrize(
    "line",
    [b"plain text\n", b"[1, 2]\n", b'{"type":"ACTIVATE_VERSION","version":1}', b'{"type":["RECORD"],"schema":5}'],
)
def test_what_is_no_message_that_is_read_is_none(line: bytes) -> None:
    assert parse_message(line) is None


def test_what_is_nested_too_deep_or_too_large_is_refused_for_good() -> None:
    deep = b"[" * 50_000 + b"]" * 50_000
    for line, complaint in (
        (b'{"type":"RECORD","stream":"s","record":{"a":%s}}' % deep, "nested too deeply"),
        (b'{"type":"STATE","value":%s}' % deep, "nested too deeply"),
        (b'{"type":"STATE","value":%s}' % deep[49_800:-49_800], "a STATE that is nested more than 100"),
        (b'{"type":"STATE","value":"%s"}' % bytes(17 << 20).replace(b"\0", b"x"), "a STATE of more than 16 MiB"),
    ):
        with pytest.raises(ConfigurationError, match=complaint):
            parse_message(line)
    brackets_in_text = b'{"type":"STATE","value":{"a\\"%s":[[1]]}}' % (b"[" * 200)
    assert parse_message(brackets_in_text)


@pytest.mark.parametrize("line", [b'{"type":"RECORD"', b'{"type":"RECORD","record":5}', b'{"type":"RECORD"}\xff\n'])
def test_a_broken_message_is_an_error(line: bytes) -> None:
    with pytest.raises(SynclineError, match=r"^not a Singer message"):
        parse_message(line)


@pytest.mark.parametrize(
    ("patterns", "fields"),
    [
        ((), "id name city_a city_b note"),
        (("id", "city_*"), "id city_a city_b"),
        (("!note",), "id name city_a city_b"),
        (("city_*", "!city_b"), "city_a"),
        (("*", "!city_?"), "id name note"),
        (("other_*",), ""),
    ],
)
def test_patterns_take_fields(patterns: tuple[str, ...], fields: str) -> None:
    taken = filter(Fields.of(patterns).takes, ["id", "name", "city_a", "city_b", "note"])
    assert " ".join(taken) == fields


@pytest.mark.parametrize(
    ("patterns", "taken"),
    [
        ((), {"weather": "id at note", "public-planes": "id at note"}),
        (("weather.id",), {"weather": "id", "public-planes": None}),
        (("weather",), {"weather": "id at note", "public-planes": None}),
        (("!public-planes",), {"weather": "id at note", "public-planes": None}),
        (("!*.note",), {"weather": "id at", "public-planes": "id at"}),
        (("weather.*", "public-planes.a?", "!weather.at"), {"weather": "id note", "public-planes": "at"}),
    ],
)
def test_patterns_for_all_name_streams_too(patterns: tuple[str, ...], taken: dict[str, str | None]) -> None:
    for stream, fields in taken.items():
        own = Fields.of(patterns).of_stream(stream)
        found = None if own is None else " ".join(filter(own.takes, ["id", "at", "note"]))
        assert found == fields, stream


def test_selected_fields_are_marked_in_the_catalog_with_those_that_are_needed() -> None:
    properties: dict[str, Any] = {name: {} for name in ("id", "at", "note", "internal", "odd")}
    catalog: dict[str, Any] = {
        "streams": [
            {
                "tap_stream_id": "weather",
                "schema": {"properties": properties},
                "key_properties": ["id"],
                "metadata": [
                    {"breadcrumb": ["properties", "internal"], "metadata": {"inclusion": "automatic"}},
                    {"breadcrumb": ["properties", "odd"], "metadata": {"inclusion": "unsupported"}},
                ],
            }
        ]
    }
    wanted = collection("weather", cursor_field="at")
    chosen, choices = choose(catalog, wanted, Fields.of(("odd", "!note")))
    entries = chosen["streams"][0]["metadata"]
    selected = {entry["breadcrumb"][1]: entry["metadata"]["selected"] for entry in entries if entry["breadcrumb"]}
    assert selected == {"id": True, "at": True, "note": False, "internal": True, "odd": False}
    assert choices["weather"].fields.wanted == ("odd",)
    with pytest.raises(
        ConfigurationError, match=r"'select' names 'nota', which stream .* does not have; choose from 'at', 'id', 'int"
    ):
        choose(catalog, wanted, Fields.of(("nota",)))
    with pytest.raises(ConfigurationError, match="'select' matches none of the tap's streams; choose from 'weather"):
        choose(catalog, collection("all"), Fields.of(("planes",)))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            'INFO METRIC: {"type": "counter", "metric": "record_count", "value": 5, "tags": {"endpoint": "orders"}}',
            "record_count 5 (endpoint orders)",
        ),
        (
            'x INFO METRIC: {"type": "timer", "metric": "sync_duration", "value": 0.1234567, "tags": {"status": "ok"}}',
            "sync_duration 0.123457 s (status ok)",
        ),
        ('METRIC: {"type": "gauge", "metric": "m", "value": [1]}', "m [1]"),
        ("INFO METRIC: {broken}", "INFO METRIC: {broken}"),
        ("INFO a METRIC of success", "INFO a METRIC of success"),
    ],
)
def test_metrics_are_shown_as_people_read_them(line: str, shown: str) -> None:
    assert format_metric(line) == shown


def test_a_message_of_too_many_values_is_refused_but_not_a_long_text() -> None:
    begin = b'{"type":"RECORD","stream":"s","record":{"a":'
    assert parse_message(begin + b'"%s"}}' % (b"a, [b], {c}; " * 200_000))
    for many in (b"[%s0]", b'{%s"b":1}'):
        values = (b"1," if b"[" in many else b'"b":1,') * 250_000
        with pytest.raises(ConfigurationError, match="more than 250,000 values"):
            parse_message(begin + many % values + b"}}")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (
            '5% done {"stream": "s", "type": "RECORD", "record": {}}',
            'on the same line, where it would be lost: 5% done {"str',
        ),
        ('\x1b[0m{"type":"STATE","value":5}', "after text on the same line"),
        (
            '{"type": "record", "stream": "s", "record": {}}',
            "of unknown type 'record'; it must be one of RECORD, SCHEMA, STATE",
        ),
        ('{"type": "RECORD ", "stream": "s", "record": {}}', "of unknown type 'RECORD '"),
        ('{"type": "RECORD", "stream": "s", "record": {"a": 1e9999999999999999999}}', "number out of range: {"),
        (b'{"type": "STATE", "value": "\xff"}', "a STATE that is not UTF-8"),
        ('{"type": "RECORD", "stream": ' + "[" * 5000 + "]" * 5000 + "}", "not a Singer message"),
    ],
    ids=["behind", "coloured", "lower", "space", "number", "encoding", "deep"],
)
def test_a_line_that_would_lose_rows_is_an_error(line: str | bytes, complaint: str) -> None:
    with pytest.raises(SynclineError, match=re.escape(complaint)):
        parse_message(line if isinstance(line, bytes) else line.encode())


def test_a_text_that_is_like_a_message_stays_text() -> None:
    assert parse_message(b'INFO METRIC: {"type": "counter", "metric": "record_count", "value": 5}') is None
    assert parse_message(b'{"type": "info", "text": "it is a RECORD"}') is None


def test_a_discovered_catalog_is_remembered_for_a_while(tmp_path: Path) -> None:
    tap = tmp_path / "tap.py"
    tap.write_text("")

    def known(config: str = "{}", generation: int = 0, seconds: float = 60) -> DiscoveredCatalog:
        max_age = timedelta(seconds=seconds)
        return DiscoveredCatalog(tmp_path, ["python", str(tap)], config, generation=generation, max_age=max_age)

    assert known().recall() is None
    known().remember({"streams": [{"n": Decimal("1.10")}]})
    assert known().recall() == {"streams": [{"n": Decimal("1.10")}]}
    assert known(seconds=0).recall() is None
    assert known(config='{"a": 1}').recall() is None
    assert known(generation=1).recall() is None, "clear_cache forgets it"
    os.utime(tap, ns=(1, 1))
    assert known().recall() is None, "another program"
    [path] = (tmp_path / "catalogs").iterdir()
    assert path.stat().st_mode & 0o077 == 0
    os.utime(path, (0, 0))
    known().remember({})
    assert len(list((tmp_path / "catalogs").iterdir())) == 1, "the old one is gone"
    known(seconds=0).remember({"x": 1})
    assert known().recall() == {}


def test_what_a_catalog_lacks_is_remembered_with_it_and_makes_it_no_younger(tmp_path: Path) -> None:
    def known() -> DiscoveredCatalog:
        return DiscoveredCatalog(tmp_path, ["tap"], "{}", generation=0, max_age=timedelta(seconds=60))

    known().note_missing_fields("s", {"a"})
    assert not (tmp_path / "catalogs").exists(), "there is none"
    known().remember({"streams": []})
    [path] = (tmp_path / "catalogs").iterdir()
    discovered = path.stat().st_mtime - 30
    os.utime(path, (discovered, discovered))
    for field in "ab":
        asked = known()
        asked.recall()
        asked.note_missing_fields("s", {field})
    asked = known()
    assert asked.recall() == {"streams": []}
    assert (asked.missing_fields("s"), asked.missing_fields("t")) == ({"a", "b"}, set())
    assert path.stat().st_mtime == pytest.approx(discovered)
    asked.remember({})
    assert asked.missing_fields("s") == set(), "the program was asked again"


@pytest.mark.parametrize(
    ("model", "origins"), [(SingerOptions, "'package' or 'tap'"), (TargetOptions, "'package'")], ids=["tap", "target"]
)
def test_what_a_command_would_ignore_is_refused(model: Any, origins: str) -> None:
    assert model.model_validate({"package": "made==1.0", "executable": "made"}).executable == "made"
    with pytest.raises(ConfigurationError, match=f"'executable' .* {origins}$"):
        validated(model, {"command": "made", "executable": "other"}, key_path="here")
