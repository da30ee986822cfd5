"""How the destinations of an attempt end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from app.attempt.sink import Sink, close
from app.connectors.contract.passes import DescribedTable, Emptied
from app.connectors.contract.schema import Kind, Table
from app.connectors.values.classic_tables import ClassicTables
from app.connectors.warehouse.classic_destination import ClassicDestination
from app.domain.errors import ConfigurationError, LeaseLostError, SynclineError

if TYPE_CHECKING:
    from app.domain.naming import Naming


class Ending:
    """A destination of which only the closing is asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.closed = False
        self._error = error

    def close(self) -> None:
        self.closed = True
        if self._error is not None:
            raise self._error


def sink(name: str, destination: Any) -> Sink:
    return Sink(name, destination)


@pytest.mark.parametrize("error", [OSError("disk full"), LeaseLostError("gone"), BrokenPipeError("no reader")])
def test_all_destinations_are_closed_whatever_the_first_raises(error: Exception) -> None:
    last = Ending()
    with pytest.raises(SynclineError, match=f"^destination 'first': .*{error}$"):
        close([sink("first", Ending(error)), sink("last", last)])
    assert last.closed


def test_what_failed_before_the_closing_is_told_first() -> None:
    failed = sink("failed", None)
    failed.failure = ConfigurationError("destination 'failed': no such table")
    with pytest.raises(SynclineError, match=r"^destination 'failed': no such table; destination 'first': .*disk full$"):
        close([sink("first", Ending(OSError("disk full"))), failed])


def test_a_destination_that_cannot_remove_rows_keeps_those_that_may_stay() -> None:
    kept, failed = sink("kept", Ending()), sink("failed", Ending())
    kept.empty(Emptied("t", "file", "a.csv", may_stay=True))
    failed.empty(Emptied("t", "window", "1"))
    assert kept.failure is None
    assert "it cannot replace the rows of an interval" in str(failed.failure)


@pytest.mark.parametrize(
    ("name", "naming"),
    [
        ("_syncline_bookmarks", "as_is"),
        ("_SyncLine_Bookmarks", "as_is"),
        ("_syncline", "as_is"),
        ("_ Syncline: bookmarks", "snake_case"),
    ],
)
def test_no_source_can_load_into_a_table_of_syncline_s_own(name: str, naming: Naming) -> None:
    """Whatever names it: a stream of a tap, a pattern of a database, or a prefix."""
    begun: list[Table] = []
    destination: Any = SimpleNamespace(begin=begun.append, close=lambda: None)
    lake = Sink("lake", destination, naming=naming)
    lake.begin(Table(name, {"id": Kind.INTEGER}))
    assert begun == []
    assert isinstance(lake.failure, ConfigurationError)
    assert "destination 'lake': table names that begin with '_syncline' are reserved" in str(lake.failure)


class Recording:
    """A destination that notes what it gets; its table already has a column."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.tables: dict[str, Table] = {}

    def begin(self, table: Table) -> None:
        self.tables[table.name] = table
        self.calls.append(("begin", [name for name in table.columns if not name.startswith(("_", "src", "eventn"))]))

    def write(self, table: str, batch: Any) -> None:
        self.calls.append((table, [{name: row[name] for name in row if name not in CLASSIC} for row in batch]))

    def empty(self, emptied: Emptied) -> None:
        self.calls.append((emptied.table, emptied.column))

    def describe_tables(self) -> list[DescribedTable]:
        return [DescribedTable(table, {}) for table in self.tables.values()]

    def close(self) -> None: ...


CLASSIC = {"_timestamp", "src", "_source_id", "eventn_ctx_event_id"}


def test_with_classics_naming_tables_and_rows_become_those_of_classic_and_others_stay() -> None:
    there = Recording()
    lake = Sink("lake", ClassicDestination(there, ClassicTables("s")), naming="classic")  # type: ignore[arg-type]
    batch: list[dict[str, Any]] = [{"Id": 1, "o": {"A b": "x"}}]
    lake.begin(Table("My-Stream", {"Id": Kind.INTEGER}, key=("Id",)))
    lake.write("My-Stream", batch)
    lake.write("My-Stream", [{"Id": 2}])
    lake.begin(Table("My-Stream bad", {"Line No": Kind.TEXT}, aside=True))
    lake.write("My-Stream bad", [{"Line No": 1}])
    lake.empty(Emptied("My-Stream", "File Name", "x"))
    assert lake.failure is None
    assert there.calls == [
        ("begin", []),
        ("begin", ["id", "o_a_b"]),
        ("my_stream", [{"id": 1, "o_a_b": "x"}]),
        ("my_stream", [{"id": 2}]),
        ("begin", ["Line No"]),
        ("my_stream_bad", [{"Line No": 1}]),
        ("my_stream", "file_name"),
    ]
    assert batch == [{"Id": 1, "o": {"A b": "x"}}], "other destinations may have the batch"
    described = lake.describe_tables()[0].table
    assert set(described.columns) == {"id", "o_a_b"}
    assert (described.source_names["id"], described.source_names["o_a_b"]) == ("Id", "o.A b")
