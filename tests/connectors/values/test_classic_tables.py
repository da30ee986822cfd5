"""Tables and rows as Jitsu Classic v1.44.8 writes them to Postgres."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.contract.batches import Columns
from app.connectors.contract.json_schema import columns_of, nested_of
from app.connectors.contract.schema import Kind, Table
from app.connectors.values import jsontext
from app.connectors.values.classic_tables import ClassicTables
from app.domain.errors import ConfigurationError
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from app.domain.attempt_protocol import Level

OWN = {
    "eventn_ctx_event_id": Kind.TEXT,
    "_timestamp": Kind.LOCAL_TIMESTAMP,
    "src": Kind.TEXT,
    "_source_id": Kind.TEXT,
}
NOW = "2026-12-01T10:00:00.000005"
# The stream and the record with which both servers were compared.
STREAM: dict[str, Any] = {
    "properties": {
        "Id": {"type": "integer"},
        "firstName": {"type": ["null", "string"]},
        "Order Total": {"type": "number"},
        "nested": {"type": "object", "properties": {"b": {"type": "integer"}, "Deep": {"properties": {"X": {}}}}},
        "tags": {"type": "array"},
        "day": {"type": "string", "format": "date"},
        "when": {"type": "string", "format": "date-time"},
        "unused": {"type": "string"},
    }
}
RECORD = jsontext.decode(
    b'{"Id":1,"firstName":"A","Order Total":1.5,"nested":{"b":2,"Deep":{"X":"y"}},"tags":["<a>",1.50],'
    b'"day":"2024-01-02","when":"2024-01-02T03:04:05Z","unused":null}'
)


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class Loaded:
    """What comes out of it, and the warnings."""

    def __init__(self, table: Table, *batches: Any, **options: Any) -> None:
        self.warnings: list[str] = []
        now = dt.datetime(2026, 12, 1, 11, 0, 0, 5, dt.timezone(dt.timedelta(hours=1)))
        classic = ClassicTables("quick", log=self._log, now=lambda: now, **options)
        self.tables = [classic.announce(table)]
        self.batches: list[Any] = []
        for batch in batches:
            wider, rows = classic.shape("t", batch)
            self.tables += [wider] if wider else []
            self.batches.append(rows)

    def _log(self, level: Level, message: str) -> None:
        assert level == "warn"
        self.warnings.append(message)

    @property
    def new(self) -> dict[str, Kind]:
        return {name: kind for name, kind in self.tables[-1].columns.items() if name not in OWN}

    @property
    def ids(self) -> list[str]:
        return [row["eventn_ctx_event_id"] for rows in self.batches for row in rows]


def table(schema: dict[str, Any] | None = None, **fields: Any) -> Table:
    return Table("t", columns_of(schema or {}), nested=nested_of(schema or {}), **({"mode": WriteMode.UPSERT} | fields))


def test_the_table_and_the_row_that_classic_writes() -> None:
    loaded = Loaded(table(STREAM, key=("Id",)), [RECORD])
    assert loaded.tables[0].columns == OWN, "columns come with their first values"
    assert loaded.tables[1].columns == OWN | {
        "id": Kind.INTEGER,
        "firstname": Kind.TEXT,
        "order_total": Kind.FLOAT,
        "nested_b": Kind.INTEGER,
        "nested_deep_x": Kind.TEXT,
        "tags": Kind.TEXT,
        "day": Kind.TEXT,
        "when": Kind.LOCAL_TIMESTAMP,
    }
    assert loaded.tables[1].key == ("eventn_ctx_event_id",)
    assert loaded.batches == [
        [
            {
                "id": 1,
                "firstname": "A",
                "order_total": jsontext.fraction("1.5"),
                "nested_b": 2,
                "nested_deep_x": "y",
                "tags": '["\\u003ca\\u003e",1.50]',
                "day": "2024-01-02",
                "when": "2024-01-02T03:04:05Z",
                "unused": None,
                "src": "source",
                "_source_id": "quick",
                "_timestamp": NOW,
                "eventn_ctx_event_id": md5("1|"),
            }
        ]
    ]


def test_a_row_is_recognised_by_its_key_or_by_all_that_it_has() -> None:
    rows = [{"b": 1, "a": None, "c": {"y": [True], "x": "z"}}]
    assert Loaded(table(key=("b", "a")), rows).ids == [md5("<nil>|1|")]
    # In the order of bytes: _source_id, a, b, c, src.
    assert Loaded(table(), rows).ids == [md5("quick|<nil>|1|map[x:z y:[true]]|source|")]
    assert Loaded(table(), [{"b": 1, "_timestamp": "x"}]).ids == [md5("quick|x|1|source|")]


def test_what_is_without_a_key_elsewhere_is_one_row_if_it_is_equal() -> None:
    for mode, becomes in ((WriteMode.APPEND, WriteMode.UPSERT), (WriteMode.REPLACE, WriteMode.REPLACE)):
        (made,) = Loaded(table(mode=mode, cursor_field="at")).tables
        assert (made.mode, made.key, made.cursor_field) == (becomes, ("eventn_ctx_event_id",), None)


def test_another_key_of_the_destination() -> None:
    loaded = Loaded(table(STREAM, key=("Id",)), [RECORD], key=["id"])
    assert loaded.tables[0].columns == OWN | {"id": Kind.INTEGER}, "it is known before the first row"
    assert loaded.tables[0].key == ("id",)
    assert loaded.ids == [md5("1|")]


def test_a_key_that_the_source_does_not_declare_is_there_before_the_first_row() -> None:
    loaded = Loaded(table(STREAM, key=("Id",)), [{"user": {"Id": 7}}], key=["user_id", "src"])
    assert loaded.tables[0].columns == OWN | {"user_id": Kind.TEXT}
    assert loaded.tables[0].key == ("user_id", "src")
    assert loaded.batches[0][0]["user_id"] == 7


def test_a_key_that_no_record_has_is_refused_in_one_sentence() -> None:
    with pytest.raises(ConfigurationError) as refused:
        Loaded(table(STREAM, key=("Id",)), [], [{"Id": 1, "day": None}], key=["usr_id", "id"])
    assert str(refused.value) == (
        "table 't': no record has a value for 'usr_id', by which 'primary_key_fields' of the destination recognises "
        "rows: choose from '_source_id', '_timestamp', 'eventn_ctx_event_id', 'id', 'src'"
    )


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True], Kind.BOOLEAN),
        ([1], Kind.INTEGER),
        ([2**70, 1], Kind.BIG_INTEGER),
        ([1, jsontext.fraction("1.5")], Kind.FLOAT),
        (["a"], Kind.TEXT),
        ([1, "a"], Kind.TEXT),
        ([[1]], Kind.TEXT),
        (["2024-01-02T03:04:05Z"], Kind.LOCAL_TIMESTAMP),
        (["2024-01-02T03:04:05.123456789+02:00"], Kind.LOCAL_TIMESTAMP),
        (["2024-01-02T03:04:05+0200"], Kind.LOCAL_TIMESTAMP),
        (["2024-01-02T03:04:05.1"], Kind.LOCAL_TIMESTAMP),
        (["2024-13-02T03:04:05Z"], Kind.TEXT),
        (["2024-01-02"], Kind.TEXT),
        (["2024-01-02T03:04:05Z", "a"], Kind.TEXT),
    ],
)
def test_what_the_source_does_not_declare_has_the_type_of_its_values(values: list[Any], kind: Kind) -> None:
    rows = [{"v": value} for value in [None, *values]]
    assert Loaded(table(), rows).new == {"v": kind}
    anything = Table("t", {"v": Kind.JSON}, mode=WriteMode.UPSERT)
    assert Loaded(anything, rows).new == {"v": kind}


def test_declared_types_count_whatever_the_values_are() -> None:
    schema = {
        "properties": {
            "n": {"type": "number"},
            "o": {"type": "object", "properties": {"n": {"type": "number"}, "t": {"type": "string"}}},
        }
    }
    rows = [{"n": 1, "o": {"n": 2, "t": "2024-01-02T03:04:05Z"}}]
    assert Loaded(table(schema), rows).new == {"n": Kind.FLOAT, "o_n": Kind.FLOAT, "o_t": Kind.TEXT}


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05+02:00", "2024-01-02T01:04:05"),
        ("2024-01-02T03:04:05.123456-0230", "2024-01-02T05:34:05.123456"),
        ("2024-01-02T03:04:05.1234567+02:00", "2024-01-02T03:04:05.1234567+02:00"),
        ("0001-01-01T00:00:00+02:00", "0001-01-01T00:00:00+02:00"),
        ("soon", "soon"),
    ],
)
def test_points_in_time_are_those_of_utc(text: str, stored: str) -> None:
    moment = Table("t", {"at": Kind.TIMESTAMP}, mode=WriteMode.UPSERT)
    loaded = Loaded(moment, [{"at": text}])
    assert loaded.new == {"at": Kind.LOCAL_TIMESTAMP}
    assert loaded.batches[0][0]["at"] == stored


def test_a_time_that_the_record_has_stays_and_one_of_the_load_makes_no_other_row() -> None:
    assert Loaded(table(), [{"a": 1}]).tables[-1].stamps == {"_timestamp"}
    own = Table("t", {"_timestamp": Kind.TIMESTAMP}, mode=WriteMode.UPSERT)
    loaded = Loaded(own, [{"_timestamp": "2020-01-01T00:00:00Z"}])
    assert loaded.tables[-1].stamps == frozenset()
    assert loaded.batches[0][0]["_timestamp"] == "2020-01-01T00:00:00Z"


def test_what_classic_overwrites_is_told_once() -> None:
    record = {"src": "mine", "eventn_ctx_event_id": "x", "eventn_ctx": {"event_id": "y", "kept": 1}, "id": 1}
    loaded = Loaded(table(key=("id",)), [record], [record])
    (row,) = loaded.batches[1]
    assert row["src"] == "source"
    assert row["eventn_ctx_event_id"] == md5("1|")
    assert row["eventn_ctx_kept"] == 1
    (warning,) = loaded.warnings
    assert warning == (
        "table 't': the values of 'src', 'eventn_ctx_event_id' are overwritten, as Jitsu Classic does it: to keep "
        "them, give the fields other names with 'columns.rename'"
    )


def test_two_fields_that_become_one_column_are_refused() -> None:
    expected = (
        "table 't': 'Id' and 'id' would both become the column 'id' with 'naming: classic': rename one of them with "
        "'columns', or leave it out"
    )
    with pytest.raises(ConfigurationError) as refused:
        Loaded(Table("t", {"Id": Kind.INTEGER, "id": Kind.TEXT}))
    assert str(refused.value) == expected
    with pytest.raises(ConfigurationError, match=r"'a\.b' and 'a_b' would both become"):
        Loaded(table(), [{"a": {"b": 1}, "a_b": 2}])
    with pytest.raises(ConfigurationError, match=r"'a\.b' and 'a > b' would both become"):
        Loaded(table(), [{"a.b": 1, "a": {"b": 2}}])


def test_what_an_object_lacks_becomes_null_if_it_is_declared_or_has_come_before() -> None:
    declared = table({"properties": {"o": {"type": "object", "properties": {"d": {"type": "integer"}}}}})
    batch = [{"o": {"a": 1}, "o_own": 2}, {"o": {}}, {"x": 1}]
    shown = [{name: row[name] for name in row if name[0] in "ox"} for row in Loaded(declared, batch).batches[0]]
    assert shown == [{"o_a": 1, "o_d": None, "o_own": 2}, {"o_a": None, "o_d": None}, {"x": 1}]


def test_everything_about_a_table_follows_its_columns() -> None:
    source = Table(
        "t",
        {"Id": Kind.INTEGER, "At": Kind.JSON, "_syncline_interval": Kind.TIMESTAMP},
        key=("Id",),
        newest_by=("At", "Time"),
        mode=WriteMode.HISTORY,
        source_types={"Id": "int8"},
        required=frozenset({"Id"}),
        delete_marker="_SDC_deleted_at",
        about_changes=frozenset({"LSN"}),
        partial=True,
    )
    made = Loaded(source, [{"Id": 1, "At": {"Time": "x"}, "_syncline_interval": "w"}]).tables[-1]
    assert made.newest_by == ("at_time",)
    assert made.columns == OWN | {
        "_syncline_interval": Kind.TIMESTAMP,
        "at_time": Kind.TEXT,
        "id": Kind.INTEGER,
    }
    assert made.mode is WriteMode.HISTORY
    assert made.source_types == {"id": "int8"}
    assert made.inferred == {"id", "at_time", "_syncline_interval"}
    assert made.delete_marker == "_sdc_deleted_at"
    assert made.change_prefix == "_SDC_"
    assert made.about_changes == {"lsn"}
    assert made.source_names["id"] == "Id"
    assert made.source_names["at_time"] == "At.Time"
    assert made.partial
    assert not made.required


def test_rows_of_classics_own_drivers_name_their_collection_which_is_not_hashed() -> None:
    loaded = Loaded(table(), Columns({"a": [1], "b": ["x"]}), driver="redis", collection="words")
    (row,) = loaded.batches[0]
    assert (row["_collection_id"], row["_time_interval"]) == ("words", "UTC_ALL_ALL")
    assert loaded.ids == [md5("1|x|source|")]
    assert "_time_interval" not in Loaded(table(), driver="amplitude", collection="words").tables[0].columns


def test_the_key_is_that_of_the_destination_s_description() -> None:
    described = ClassicTables.from_description({"primary_key_fields": ["id", "src"]}, source="quick")
    assert described.announce(table()).key == ("id", "src")
    assert ClassicTables.from_description({}).announce(table()).key == ("eventn_ctx_event_id",)


def test_a_table_can_be_described_before_there_are_rows() -> None:
    classic = ClassicTables("quick")
    source = dataclasses.replace(table(STREAM, key=("Id",)), nested={})
    made = classic.announce_all(source)
    assert made.columns["nested"] is Kind.TEXT
    assert classic.describe(source)["Order Total"] == "order_total"
