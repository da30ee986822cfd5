"""A reading of all rows that suddenly brings none, or far fewer than the table has, changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.contract.passes import Checkpoint, Emptied, Rows
from app.connectors.contract.schema import Kind, Table
from app.connectors.warehouse.shrinkage import check_shrinkage
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.writing import WriteMode
from tests.connectors.passing import Collection, Sent

if TYPE_CHECKING:
    from pathlib import Path

    from app.domain.writing import Empty
    from tests.connectors.attempts import Warehouse

T = Table("t", {"id": Kind.INTEGER}, key=("id",), full_refresh=True)
GUARDED = replace(T, empty="refuse", max_shrink=50)
WHOLE = [WriteMode.REPLACE, WriteMode.HISTORY]
ONCE = "or run 'syncline sources reset' to accept it once"
NO_ROWS = f"the source sent none: the table stays as it is. If that is right, set 'empty: allow', {ONCE}"
CURRENT = "SELECT count(*) FROM loaded.t WHERE _syncline_valid_to IS NULL"
COUNT = "SELECT count(*) FROM loaded.t"


def whole(*ids: int, table: Table = T) -> Sent:
    """A reading of all rows."""
    return Sent(table, Rows("t", [{"id": number} for number in ids], 1), Checkpoint(str(len(ids))))


def collection(warehouse: Warehouse, directory: Path, mode: WriteMode | None = None) -> Collection:
    return Collection(warehouse.options(), directory / "work", mode=mode, empty="refuse", max_shrink=50)


def refusal(loaded: Collection, source: Sent) -> str:
    """What a retry may mend: the source may be complete by then."""
    before = bookmark(loaded)
    with pytest.raises(SynclineError) as refused:
        loaded.load(source)
    assert not isinstance(refused.value, ConfigurationError)
    assert bookmark(loaded) == before
    return str(refused.value)


def bookmark(loaded: Collection) -> str | None:
    destination = loaded.destination()
    try:
        return destination.open().bookmark
    finally:
        destination.close()


@pytest.mark.parametrize(
    ("had", "sent", "empty", "max_shrink", "fine"),
    [
        (0, 0, "refuse", 50, True),
        (1, 0, "refuse", 50, False),
        (1, 0, "refuse", None, False),
        (1, 0, "allow", 50, True),
        (5000, 0, "allow", 0, True),
        (1, 0, None, None, True),
        (999, 1, "refuse", 50, True),
        (1000, 500, "refuse", 50, True),
        (1000, 499, "refuse", 50, False),
        (1000, 499, "allow", 50, False),
        (1000, 499, "refuse", None, True),
        (1001, 500, "refuse", 50, False),
        (1000, 1, "refuse", 100, True),
        (1000, 999, "refuse", 0, False),
        (1000, 1001, "refuse", 0, True),
        (3000, 2001, "refuse", 33.3, True),
        (3000, 2000, "refuse", 33.3, False),
    ],
)
def test_empty_decides_about_no_rows_and_max_shrink_about_fewer_rows_of_a_thousand_or_more(
    had: int,
    sent: int,
    empty: Empty | None,
    max_shrink: float | None,
    fine: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    def check() -> None:
        check_shrinkage(replace(T, empty=empty, max_shrink=max_shrink), had=lambda: had, sent=sent)

    if fine:
        check()
    else:
        with pytest.raises(
            SynclineError, match=f"table 't' has {had:,} rows?, but the source sent (none|only {sent:,})"
        ):
            check()


def test_rows_are_only_counted_where_it_matters() -> None:
    def had() -> int:
        raise AssertionError("counted")

    check_shrinkage(replace(GUARDED, max_shrink=None), had=had, sent=1)
    check_shrinkage(replace(GUARDED, empty="allow"), had=had, sent=0)
    check_shrinkage(T, had=had, sent=0)


@pytest.mark.parametrize("mode", WHOLE)
@pytest.mark.parametrize("columns", [{"id": Kind.INTEGER}, {}], ids=["known", "unknown"])
def test_a_full_refresh_that_suddenly_brings_nothing_leaves_the_table_as_it_is(
    warehouse: Warehouse, tmp_path: Path, mode: WriteMode, columns: dict[str, Kind]
) -> None:
    loaded = collection(warehouse, tmp_path, mode)
    nothing = Sent(Table("t", columns, key=("id",) if columns else (), full_refresh=True), Checkpoint("0"))
    loaded.load(nothing)
    loaded.load(whole(1, 2, 3))
    current, rows = (CURRENT, "current rows") if mode is WriteMode.HISTORY else (COUNT, "rows")
    assert refusal(loaded, nothing) == f"destination 'd': table 't' has 3 {rows}, but {NO_ROWS}"
    assert warehouse.execute(current) == [(3,)]
    loaded.load(whole(1))
    assert warehouse.execute(current) == [(1,)]
    loaded.empty = "allow"
    loaded.load(nothing)
    assert warehouse.execute(current) == [(0,)]
    loaded.empty = "refuse"
    loaded.load(nothing)
    loaded.load(whole(4))
    assert warehouse.execute(current) == [(1,)]


@pytest.mark.parametrize("mode", WHOLE)
def test_a_reading_of_less_than_half_of_a_large_table_leaves_it_as_it_is(
    warehouse: Warehouse, tmp_path: Path, mode: WriteMode
) -> None:
    loaded = collection(warehouse, tmp_path, mode)
    loaded.load(whole(*range(2000)))
    current, rows = (CURRENT, "current rows") if mode is WriteMode.HISTORY else (COUNT, "rows")
    # Rows that come twice are one row.
    few = [*range(1500, 2000), *range(3000, 3499), *[1500] * 2000]
    assert refusal(loaded, whole(*few)) == (
        f"destination 'd': table 't' has 2,000 {rows}, but the source sent only 999, and 'max_shrink' is 50%: the "
        f"table stays as it is. If that is right, set 'max_shrink: none' or a higher percentage, {ONCE}"
    )
    assert warehouse.execute(current) == [(2000,)]
    loaded.load(whole(*few, 3499))
    assert warehouse.execute(current) == [(1000,)]
    loaded.max_shrink = None
    loaded.load(whole(1))
    assert warehouse.execute(current) == [(1,)]


def test_a_history_counts_changed_rows_as_neither_new_nor_gone(warehouse: Warehouse, tmp_path: Path) -> None:
    loaded = collection(warehouse, tmp_path, WriteMode.HISTORY)
    valued = replace(T, columns=T.columns | {"v": Kind.TEXT})
    loaded.load(Sent(valued, Rows("t", [{"id": number, "v": "old"} for number in range(2000)], 1), Checkpoint("1")))
    changed = Rows("t", [{"id": number, "v": "new"} for number in range(999)], 1)
    assert "has 2,000 current rows, but the source sent only 999," in refusal(loaded, Sent(valued, changed))
    assert warehouse.execute(COUNT) == [(2000,)]


@pytest.mark.parametrize("mode", WHOLE)
def test_a_reset_accepts_a_smaller_table_once(warehouse: Warehouse, tmp_path: Path, mode: WriteMode) -> None:
    loaded = collection(warehouse, tmp_path, mode)
    loaded.load(whole(1, 2, 3))
    loaded.generation += 1
    loaded.load(whole())
    current = CURRENT if mode is WriteMode.HISTORY else COUNT
    assert warehouse.execute(current) == [(0,)]
    loaded.load(whole(1, 2, 3))
    assert NO_ROWS in refusal(loaded, whole())


def test_a_table_that_was_emptied_by_hand_takes_what_comes(warehouse: Warehouse, tmp_path: Path) -> None:
    loaded = collection(warehouse, tmp_path, WriteMode.REPLACE)
    loaded.load(whole(*range(2000)))
    warehouse.execute("DELETE FROM loaded.t")
    loaded.load(whole())
    loaded.load(whole(1))
    assert warehouse.execute(COUNT) == [(1,)]


@pytest.mark.parametrize("mode", [WriteMode.UPSERT, WriteMode.APPEND])
def test_what_removes_no_rows_may_bring_none(warehouse: Warehouse, tmp_path: Path, mode: WriteMode) -> None:
    loaded = collection(warehouse, tmp_path, mode)
    loaded.load(whole(1, 2, 3))
    loaded.load(whole())
    loaded.load(Sent(Table("t", {}, full_refresh=True), Checkpoint(None)))
    assert warehouse.execute(COUNT) == [(3,)]


@pytest.mark.parametrize("mode", [WriteMode.UPSERT, WriteMode.HISTORY])
def test_rows_of_a_table_that_was_announced_without_columns_need_a_key(
    warehouse: Warehouse, tmp_path: Path, mode: WriteMode
) -> None:
    loaded = collection(warehouse, tmp_path, mode)
    with pytest.raises(ConfigurationError, match=f"write_mode '{mode}' needs a key"):
        loaded.load(Sent(Table("t", {}, full_refresh=True), Rows("t", [{"id": 1}], 1)))


def test_rows_that_replace_others_because_a_source_forgets_are_guarded_too(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    loaded = collection(warehouse, tmp_path)
    forgetful = Table("t", {"id": Kind.INTEGER})
    loaded.load(Sent(forgetful, Rows("t", [{"id": 1}], 1)))
    assert NO_ROWS in refusal(loaded, Sent(forgetful))
    assert warehouse.execute(COUNT) == [(1,)]


def windows(*counts: int) -> Sent:
    """Windows of time that are read again: their number is their mark."""
    items: list[Any] = [Table("t", {"id": Kind.INTEGER, "window": Kind.INTEGER})]
    for number, count in enumerate(counts):
        items += [Emptied("t", "window", str(number)), Rows("t", [{"id": 1, "window": number}] * count, 1)]
    return Sent(*items, Checkpoint("9"))


def test_windows_that_suddenly_bring_nothing_keep_their_rows(warehouse: Warehouse, tmp_path: Path) -> None:
    loaded = collection(warehouse, tmp_path)
    loaded.load(windows(3, 2, 1))
    again = "rows in the windows of time that were read again"
    assert refusal(loaded, windows(0, 0)) == f"destination 'd': table 't' has 5 {again}, but {NO_ROWS}"
    assert warehouse.execute(COUNT) == [(6,)]
    loaded.load(windows(1, 0))
    assert warehouse.execute(COUNT) == [(2,)]
    loaded.empty = "allow"
    loaded.load(windows(0, 0))
    assert warehouse.execute(COUNT) == [(1,)]


def test_windows_that_suddenly_bring_far_less_keep_their_rows(warehouse: Warehouse, tmp_path: Path) -> None:
    loaded = collection(warehouse, tmp_path)
    loaded.load(windows(600, 600))
    assert "has 1,200 rows in the windows of time that were read again, but the source sent only 599" in refusal(
        loaded, windows(599, 0)
    )
    assert warehouse.execute(COUNT) == [(1200,)]
    loaded.load(windows(600, 0))
    assert warehouse.execute(COUNT) == [(600,)]
