"""A pass that commits several times and dies at a later one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scenarios.lives import AFTER, BEFORE, INSIDE, SEALED, Life
from tests.scenarios.rows import made

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scenarios.conftest import LandingOf, SourceOf

KILLS = (f"{BEFORE}@3", f"{INSIDE}@2", f"{SEALED}@2", f"{AFTER}@2")


@pytest.mark.parametrize(
    "way",
    [
        ("sql (PostgreSQL)", "upsert", "postgres"),
        ("singer", "append", "duckdb"),
        ("files", "append", "postgres"),
    ],
    ids=" ".join,
)
def test_what_was_committed_stays_and_the_rest_comes_once(
    way: tuple[str, str, str], source_of: SourceOf, landing_of: LandingOf, tmp_path: Path
) -> None:
    kind, mode, destination = way
    source, landing = source_of(kind), landing_of(destination)
    life = Life(source, [landing], mode, tmp_path)
    life.trial.commit_records = 5
    rows = [(row.id, row.text) for row in source.put(made(40))]
    committed = 0
    for again, point in enumerate(KILLS):
        life.trial.die(point, again=again)
        found = landing.rows()
        assert committed < len(found) < len(rows), point
        assert found == rows[: len(found)], "whole commits, in the order of the source"
        committed = len(found)
    told = life.trial.run(again=len(KILLS))
    assert told.finished.records_read <= len(rows) - committed + source.resent
    assert landing.rows() == rows
    assert life.trial.run().finished.rows_written == 0
