"""What a source yields, with the columns that its collection asks for."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from app.attempt.shaping import shaped
from app.attempt.sink import Sink
from app.attempt.windows import INTERVAL_COLUMN
from app.attempt.writing import Writing
from app.connectors.contract.batches import Columns
from app.connectors.contract.passes import Checkpoint, Emptied, Position, Reload, Rows
from app.connectors.contract.schema import Digits, Kind, Table
from app.connectors.contract.standing import Standing
from app.domain.attempt_protocol import SourceJob
from app.domain.collection import CollectionJob
from app.domain.columns import ColumnRules
from app.domain.errors import ConfigurationError
from app.domain.writing import Deletes, WriteMode

if TYPE_CHECKING:
    from app.connectors.contract.passes import Item
    from app.domain.attempt_protocol import Level

LOADED = Position(bookmark="1", loaded=True, standing=Standing("orders", "orders"))
ORDERS = Table(
    "orders",
    {"id": Kind.INTEGER, "at": Kind.TIMESTAMP, "price": Kind.DECIMAL, "mail": Kind.TEXT, "tmp": Kind.JSON},
    key=("id",),
    cursor_field="at",
    newest_by=("at", "inner"),
    digits={"price": Digits(10, 2)},
    source_types={"mail": "varchar(20)", "tmp": "jsonb"},
    required=frozenset({"id", "mail", "tmp"}),
    inferred=frozenset({"price", "tmp"}),
    delete_marker="_sdc_deleted_at",
    partial=True,
)


class Shaped:
    """What comes out, and the warnings."""

    def __init__(
        self,
        rules: ColumnRules | None,
        *items: Item,
        positions: tuple[Position, ...] = (),
        mode: WriteMode | None = None,
        deletes: Deletes | None = None,
    ) -> None:
        self.warnings: list[str] = []
        collection = CollectionJob(
            "orders", "orders", "orders", "2024-01-01", columns=rules, write_mode=mode, deletes=deletes
        )
        job = SourceJob(source="s", source_type="t", source_config={}, collection=collection, data_dir="")
        given = list(items)
        sinks = [Sink(f"sink {number}", None, position) for number, position in enumerate(positions)]
        passed = shaped(given, job, writing=Writing.of(job), sinks=sinks, log=self._log)
        self.untouched = passed is given
        self.items = list(passed)

    def _log(self, level: Level, message: str) -> None:
        assert level == "warn"
        self.warnings.append(message.removeprefix("source 's', collection 'orders': "))

    @property
    def tables(self) -> list[Table]:
        return [item for item in self.items if isinstance(item, Table)]

    @property
    def batches(self) -> list[Any]:
        return [item.batch for item in self.items if isinstance(item, Rows)]


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def records(*rows: dict[str, Any]) -> Rows:
    return Rows("orders", list(rows), 1)


def test_without_columns_nothing_is_on_the_way() -> None:
    assert Shaped(None, ORDERS).untouched
    assert Shaped(None, ORDERS, positions=(LOADED,)).untouched
    hashed = Standing("orders", "orders", columns=ColumnRules(hash=("tmp",)))
    assert not Shaped(None, ORDERS, positions=(Position(loaded=True, standing=hashed),)).untouched


def test_everything_about_a_table_follows_its_columns() -> None:
    rules = ColumnRules(
        exclude=("tmp",),
        rename={"id": "key", "at": "changed", "price": "cost", "_sdc_deleted_at": "gone", "_sdc_lsn": "lsn"},
        hash=("mail", "price"),
    )
    (table,) = Shaped(rules, ORDERS).tables
    assert table.columns == {"key": Kind.INTEGER, "changed": Kind.TIMESTAMP, "cost": Kind.TEXT, "mail": Kind.TEXT}
    assert table.key == ("key",)
    assert table.cursor_field == "changed"
    assert table.newest_by == ("changed", "inner")
    assert table.digits == {}
    assert table.source_types == {"mail": "varchar(20)", "cost": "decimal(10,2)"}
    assert table.required == {"key", "mail"}
    assert table.inferred == {"cost"}
    assert table.delete_marker == "gone"
    assert table.change_prefix == "_sdc_"
    assert table.about_changes == {"gone", "lsn"}
    assert table.source_names == {
        "key": "id",
        "changed": "at",
        "cost": "price",
        "gone": "_sdc_deleted_at",
        "lsn": "_sdc_lsn",
    }
    assert table.partial


@pytest.mark.parametrize("values", [["a", None], pa.array(["a", None])])
def test_columns_of_values_are_shaped_as_records_are(values: Any) -> None:
    rules = ColumnRules(include=("id", "at", "m*"), rename={"id": "key"}, hash=("mail",))
    batch = Columns({"id": [1, 2], "at": ["x", "y"], "mail": values, "tmp": [{}, {}]})
    found = Shaped(rules, ORDERS, Rows("orders", batch, 7))
    (columns,) = found.batches
    assert columns.values == {"key": [1, 2], "at": ["x", "y"], "mail": [sha("a"), None]}
    assert batch.values["mail"] is values, "other destinations may have the batch"
    given: list[dict[str, Any]] = [{"id": 1, "at": "x", "mail": "a", "tmp": {}}, {"id": 2}]
    (shaped_records,) = Shaped(rules, ORDERS, Rows("orders", given, 7)).batches
    assert shaped_records == [{"key": 1, "at": "x", "mail": sha("a")}, {"key": 2}]
    assert given[0]["mail"] == "a"


def test_windows_of_time_keep_their_mark() -> None:
    marked = Table("orders", {"v": Kind.TEXT, INTERVAL_COLUMN: Kind.TIMESTAMP})
    emptied = Emptied("orders", INTERVAL_COLUMN, "x")
    rows = records({"v": "a", INTERVAL_COLUMN: "x"})
    found = Shaped(ColumnRules(exclude=("_*",), hash=("*",)), marked, emptied, rows, Checkpoint("1"))
    assert found.tables[0].columns == {"v": Kind.TEXT, INTERVAL_COLUMN: Kind.TIMESTAMP}
    assert found.batches == [[{"v": sha("a"), INTERVAL_COLUMN: "x"}]]
    assert emptied in found.items
    assert Checkpoint("1") in found.items


def test_a_late_field_that_is_hashed_is_announced_as_text_once_it_has_a_value() -> None:
    rules = ColumnRules(rename={"phone": "tel"}, hash=("phone",))
    rows = [
        records({"id": 1, "at": "x", "phone": None}),
        records({"id": 1, "phone": "5"}),
        records({"id": 2, "phone": 6}),
    ]
    found = Shaped(rules, ORDERS, *rows, ORDERS)
    assert ["tel" in table.columns for table in found.tables] == [False, True, True]
    assert found.tables[1].columns["tel"] is Kind.TEXT
    assert "tel" in found.tables[2].inferred
    assert found.batches[1:] == [[{"id": 1, "tel": sha("5")}], [{"id": 2, "tel": sha("6")}]]


def test_a_late_field_must_not_take_the_name_of_another() -> None:
    with pytest.raises(ConfigurationError, match="the fields 'mail' and 'm' of table 'orders' would both become 'm'"):
        Shaped(ColumnRules(rename={"mail": "m"}), ORDERS, records({"id": 1, "m": None}))


def test_the_marker_of_deleted_rows_may_only_be_left_out_where_it_means_nothing() -> None:
    excluded = ColumnRules(exclude=("_sdc_*",))
    with pytest.raises(ConfigurationError, match=r"'columns\.exclude' leaves out '_sdc_deleted_at'"):
        Shaped(excluded, ORDERS)
    assert Shaped(excluded, ORDERS, mode=WriteMode.APPEND).tables[0].delete_marker is None
    included = ColumnRules(include=("id", "at"))
    assert Shaped(included, ORDERS).tables[0].delete_marker == "_sdc_deleted_at"
    assert Shaped(included, ORDERS, mode=WriteMode.APPEND).tables[0].delete_marker is None


def test_a_key_under_its_new_name_is_refused_with_the_name_of_the_source() -> None:
    table = Table("orders", {"id": Kind.INTEGER}, key=("key",))
    with pytest.raises(ConfigurationError, match="set 'primary_key' to 'id'"):
        Shaped(ColumnRules(rename={"id": "key"}), table)


def test_the_cursor_of_a_full_refresh_may_be_left_out() -> None:
    table = Table("orders", {"id": Kind.INTEGER, "at": Kind.TEXT}, cursor_field="at", full_refresh=True)
    assert Shaped(ColumnRules(include=("id",)), table).tables[0].cursor_field is None


def test_text_that_is_no_unicode_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="cannot hash 'tmp' of table 'orders'"):
        Shaped(ColumnRules(hash=("tmp",)), ORDERS, records({"id": 1, "tmp": {"a": "\ud800"}}))


def test_names_that_nothing_has_are_told_only_after_rows() -> None:
    rules = ColumnRules(exclude=("mial", "nothing*"), hash=("m",), rename={"mail": "m"})
    assert Shaped(rules, ORDERS).warnings == []
    assert Shaped(rules, ORDERS, records({"id": 1})).warnings == [
        "'columns.exclude' names 'mial', which no table and no record had; did you mean 'mail'?",
        "'columns.hash' names 'm', which no table and no record had; did you mean 'mail'?",
    ]
    assert Shaped(ColumnRules(hash=("late",)), ORDERS, records({"id": 1, "late": 2})).warnings == []


def test_a_destination_that_remembers_no_rules_takes_any() -> None:
    found = Shaped(ColumnRules(rename={"id": "key"}), ORDERS, positions=(Position(bookmark="1", loaded=True),))
    assert found.tables[0].key == ("key",)
    assert found.warnings == []


RULES = ColumnRules(rename={"id": "key"}, hash=("mail",))
CHANGED = Position(bookmark="1", loaded=True, standing=Standing("orders", "orders", columns=RULES))


@pytest.mark.parametrize(
    ("table", "mode", "field"),
    [
        (ORDERS, None, "id"),
        (ORDERS, WriteMode.HISTORY, "id"),
        (ORDERS, WriteMode.APPEND, "id"),
        (Table("orders", {"mail": Kind.TEXT}, cursor_field="mail"), None, "mail"),
    ],
)
def test_rules_that_no_longer_recognise_rows_are_refused(table: Table, mode: WriteMode | None, field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"names or hashes '{field}' in another way than before"):
        Shaped(None, table, positions=(LOADED, CHANGED), mode=mode)


def test_rows_that_are_marked_when_they_are_gone_must_be_recognised_too() -> None:
    whole = dataclasses.replace(ORDERS, full_refresh=True)
    assert Shaped(None, whole, positions=(CHANGED,)).warnings == []
    with pytest.raises(ConfigurationError, match="names or hashes 'id' in another way than before"):
        Shaped(None, whole, positions=(CHANGED,), deletes=Deletes.MARK)


@pytest.mark.parametrize(
    ("table", "position", "told"),
    [
        (Table("orders", {"id": Kind.INTEGER}, full_refresh=True), CHANGED, []),
        (Table("orders", {"other": Kind.TEXT, "mail": Kind.TEXT}, key=("other",)), CHANGED, ["'columns' has changed"]),
        (ORDERS, Position(loaded=True, reload=Reload.RESET, standing=CHANGED.standing), []),
        (ORDERS, Position(), []),
        (ORDERS, Position(loaded=True, standing=Standing("", "", earlier={"other": RULES})), []),
    ],
)
def test_other_changes_are_at_most_told(table: Table, position: Position, told: list[str]) -> None:
    warnings = Shaped(None, table, positions=(position,)).warnings
    assert [each.partition(":")[0] for each in warnings] == told
