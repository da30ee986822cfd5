"""Kinds of sources × kinds of destinations × modes: each pair of them meets, and something dies at every commit.

Several destinations are loaded at once, as often happens; `@2` is the commit of the second of those that lack rows. Of
Parquet files one manifest is both bookmark and commit: nothing dies between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from app.connectors import kinds as options
from tests.scenarios.lives import AFTER, BEFORE, INSIDE, SEALED, Life
from tests.scenarios.recording import plans, shows, shows_refusal
from tests.scenarios.rows import FIRST
from tests.scenarios.table import DESTINATIONS, MODES, SOURCES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scenarios.conftest import LandingOf, SourceOf


@dataclass(frozen=True)
class Cell:
    """Where attempts die: at these points of the `first` commit, one after the other, and of the `later` one."""

    source: str
    mode: str
    destinations: tuple[str, ...] = ("postgres", "duckdb")
    first: tuple[str, ...] = ()
    later: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.source} {self.mode} {'+'.join(self.destinations)}"


P, D, F = "postgres", "duckdb", "parquet"
CELLS = [
    Cell("singer", "append", (P, D, F), first=(INSIDE, AFTER), later=(BEFORE, f"{INSIDE}@2")),
    Cell("singer", "history", (D, P), first=(BEFORE,), later=(AFTER, SEALED)),
    Cell("sql (PostgreSQL)", "replace", (P, F, D), first=(AFTER,), later=(BEFORE, f"{INSIDE}@2")),
    Cell("sql (SQLite)", "append", (F, D, P), first=(AFTER,), later=(f"{INSIDE}@3",)),
    Cell("sql (DuckDB)", "append", (P, D, F), first=(f"{INSIDE}@2",), later=(BEFORE, AFTER)),
    Cell("files", "append", (D, F, P), first=(f"{INSIDE}@2",), later=(BEFORE, AFTER)),
    Cell("files", "upsert", (P, D), first=(BEFORE, AFTER), later=(f"{INSIDE}@2",)),
    Cell("files", "replace", (D, P), later=(AFTER,)),
    Cell("python", "append", (F, P, D), first=(BEFORE, INSIDE), later=(AFTER, SEALED)),
    Cell("python", "upsert", (D, P), first=(AFTER,), later=(BEFORE, f"{INSIDE}@2")),
    Cell("python", "replace", (P, D, F), later=(f"{INSIDE}@2", f"{AFTER}@2")),
    Cell("python", "history", (P, D), first=(INSIDE,), later=(AFTER, INSIDE)),
    Cell("python", "replace", ("dlt:filesystem", "dlt:duckdb"), first=(f"{INSIDE}@2",), later=(AFTER,)),
    Cell("redis", "replace", (D, P, F), first=(AFTER,), later=(INSIDE, f"{SEALED}@2")),
    Cell("synthetic", "replace", (P, D, F), first=(SEALED,), later=(f"{INSIDE}@3",)),
]


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_each_row_arrives_once_whatever_is_killed(
    cell: Cell, source_of: SourceOf, landing_of: LandingOf, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    plans(request.node, cell.source, cell.destinations, cell.mode)
    life = Life(source_of(cell.source), [landing_of(each) for each in cell.destinations], cell.mode, tmp_path)
    life.runs(cell.first, cell.later)
    for destination, killed in zip(cell.destinations, life.deaths.killed, strict=True):
        shows(request.node, cell.source, destination, cell.mode, killed=killed)


REFUSED = [(to, mode) for to in DESTINATIONS for mode in MODES if mode not in options.DESTINATIONS[to].write_modes]


@pytest.mark.parametrize("way", REFUSED, ids=" ".join)
def test_what_a_destination_cannot_do_it_refuses(
    way: tuple[str, str], source_of: SourceOf, landing_of: LandingOf, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    destination, mode = way
    kind = "python"
    source, landing = source_of(kind), landing_of(destination)
    source.put(FIRST)
    failed = Life(source, [landing], mode, tmp_path).trial.run().failed
    assert f"write_mode '{mode}'" in failed.error
    assert not failed.retryable
    assert landing.rows() == []
    shows_refusal(request.node, kind, destination, mode)


def test_every_kind_of_source_meets_every_warehouse_and_these_every_mode() -> None:
    """But for those that take long to start, which `test_offline.py` has."""
    met = {(each.source, to) for each in CELLS for to in each.destinations}
    assert {(source, to) for source in SOURCES for to in (P, D, F)} - met == {
        (source, to) for source in ("airbyte", "rest") for to in (P, D, F)
    }
    used = {(to, each.mode) for each in CELLS for to in each.destinations}
    assert {(to, mode) for to in (P, D, F) for mode in MODES} - used == {way for way in REFUSED if way[0] == F}
