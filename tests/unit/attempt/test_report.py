"""What an attempt tells its worker of the columns that it has loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.attempt.report import Report
from app.attempt.sink import Sink
from app.attempt.windows import INTERVAL_COLUMN
from app.connectors.contract.passes import DescribedTable
from app.connectors.contract.schema import Digits, Kind, Table
from app.domain.attempt_protocol import TableDescribed
from app.domain.table_columns import TableColumn

if TYPE_CHECKING:
    from app.domain.attempt_protocol import AttemptMessage


class Pipe:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[AttemptMessage] = []

    def send(self, message: AttemptMessage) -> None:
        self.sent.append(message)


class Describer:
    """A destination of which only the description is asked."""

    def __init__(self, *tables: DescribedTable) -> None:
        self._tables = tables

    def describe_tables(self) -> list[DescribedTable]:
        return list(self._tables)


def told(*tables: DescribedTable, with_rows: set[str]) -> list[Any]:
    pipe, destination = Pipe(), Describer(*tables)
    stand_ins: Any = pipe, destination
    Report(stand_ins[0]).report_tables(Sink("lake", stand_ins[1]), with_rows=with_rows)
    return pipe.sent


TABLE = Table(
    "made",
    {"Id": Kind.INTEGER, "cost": Kind.DECIMAL, "note": Kind.TEXT, INTERVAL_COLUMN: Kind.TIMESTAMP},
    digits={"cost": Digits(18, 2)},
    inferred=frozenset({"note"}),
)
DESCRIBED = DescribedTable(TABLE, {"Id": ("id", "BIGINT"), "note": ("note", "VARCHAR")})
ID = TableColumn(field="Id", field_type="integer", column="id", column_type="BIGINT")
COST = TableColumn(field="cost", field_type="decimal(18,2)")
NOTE = TableColumn(field="note", field_type="text", column="note", column_type="VARCHAR", inferred=True)


def test_fields_are_told_with_both_types_and_without_the_mark_of_a_window() -> None:
    assert told(DESCRIBED, with_rows={"made"}) == [TableDescribed("lake", "made", [ID, COST, NOTE])]


def test_without_rows_only_declared_fields_are_told() -> None:
    assert told(DESCRIBED, with_rows=set()) == [TableDescribed("lake", "made", [ID, COST])]
    inferred = Table("seen", {"note": Kind.TEXT}, inferred=frozenset({"note"}))
    assert told(DescribedTable(inferred, {}), with_rows={"made"}) == []


def test_only_a_full_reading_with_rows_is_whole() -> None:
    full = DescribedTable(Table("made", {"Id": Kind.INTEGER}, full_refresh=True), {})
    for with_rows in ({"made"}, set[str]()):
        [message] = told(full, with_rows=with_rows)
        assert message.whole == bool(with_rows)


def test_names_that_the_store_cannot_keep_are_told_with_replacement_characters() -> None:
    odd = DescribedTable(Table("made\0", {"half \ud800": Kind.TEXT}), {})
    [message] = told(odd, with_rows=set())
    assert (message.table, message.columns[0].field) == ("made\ufffd", "half ?")


def test_a_destination_that_keeps_nothing_is_not_asked() -> None:
    nothing: Any = object()
    pipe: Any = Pipe()
    Report(pipe).report_tables(Sink("nowhere", nothing), with_rows={"made"})
    assert pipe.sent == []
