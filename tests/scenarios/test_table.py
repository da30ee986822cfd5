"""The table of docs/connectors.md says what a run has seen, no more and no less."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.kinds import DESTINATION_TYPES, SOURCE_TYPES
from tests.scenarios.table import (
    BEGIN,
    DECIMALS,
    DESTINATIONS,
    END,
    PAGE,
    SOURCES,
    claims,
    difference,
    in_page,
    put_into,
    read,
    table,
)

if TYPE_CHECKING:
    from pathlib import Path

SEEN = {"source": "python", "destination": "duckdb", "mode": "upsert", "killed": ["after"]}
CELL = ("python", "duckdb", "upsert")


def results(directory: Path, *shown: dict[str, Any], **others: list[dict[str, Any]]) -> Path:
    file = directory / "seen.json"
    file.write_text(json.dumps({"shown": shown, "skipped": [], "refused": []} | others))
    return file


def test_a_cell_tells_what_all_tests_have_seen_of_it(tmp_path: Path) -> None:
    file = results(tmp_path, SEEN, SEEN | {"killed": ["before"]}, SEEN | {"mode": "append", "killed": []})
    shown, _ = read(file)
    assert shown == {CELL: "✓ b a", ("python", "duckdb", "append"): "✓"}
    assert claims(f"{BEGIN}\n{table(shown)}\n{END}") == shown


def test_a_page_that_claims_more_or_less_than_the_run_is_told(tmp_path: Path) -> None:
    page = put_into(f"before {BEGIN} old {END} after", table(read(results(tmp_path, SEEN))[0]))
    assert page.startswith("before ")
    assert page.endswith(" after")
    assert difference(page, *read(results(tmp_path, SEEN))) == []
    told = difference(page, *read(results(tmp_path, SEEN | {"mode": "append"})))
    assert told == [
        "python → duckdb, append: the page says '·', the run has seen '✓ a'",
        "python → duckdb, upsert: the page says '✓ a', the run has seen '·'",
    ]


def test_what_could_not_run_here_does_not_contradict_the_page(tmp_path: Path) -> None:
    page = put_into(BEGIN + END, table({CELL: "✓ b"}))
    assert difference(page, *read(results(tmp_path, skipped=[SEEN]))) == []
    assert difference(page, *read(results(tmp_path)))


def test_what_is_refused_stands_above_the_table_with_the_source_that_was_seen(tmp_path: Path) -> None:
    ways = [{"source": "python", "destination": to, "mode": "history"} for to in ("parquet", "dlt:duckdb")]
    shown, _ = read(results(tmp_path, SEEN, refused=ways))
    made = table(shown)
    assert made.startswith("Refused, as seen with `python`: `parquet` history, `dlt:duckdb` history.\n\n| Source")
    assert claims(f"{BEGIN}\n{made}\n{END}") == shown
    assert "refused" not in made.partition("| Source")[2]


def test_only_lines_with_something_that_works_are_in_the_table() -> None:
    made = table({CELL: "✓ b"})
    assert made.splitlines()[2:] == ["| python | upsert | · | ✓ b | · | · | · | · |"]


def test_the_last_column_tells_where_decimals_stay_exact(tmp_path: Path) -> None:
    shown, _ = read(results(tmp_path, SEEN, SEEN | {"mode": DECIMALS, "killed": []}))
    assert shown[("python", "duckdb", DECIMALS)] == "✓"
    assert table(shown).splitlines()[2:] == ["| python | upsert | · | ✓ a | · | · | · | `duckdb` |"]
    assert claims(f"{BEGIN}\n{table(shown)}\n{END}") == shown


def test_a_cell_that_works_and_is_refused_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seen working and refused"):
        read(results(tmp_path, SEEN, refused=[SEEN | {"source": "files"}]))
    with pytest.raises(ValueError, match="not in the table"):
        table({("python", "nowhere", "upsert"): "✓"})


def test_the_table_of_the_page_is_written_by_make_matrix() -> None:
    assert in_page(PAGE.read_text()) == table(claims(PAGE.read_text()))


def test_every_kind_is_in_the_table_but_for_those_that_the_page_names() -> None:
    sources = {each.partition(" ")[0] for each in SOURCES}
    destinations = {each.partition(":")[0] for each in DESTINATIONS}
    assert set(SOURCE_TYPES) - sources == {
        "google_analytics", "facebook_marketing", "google_ads", "google_play", "amplitude",
    }  # fmt: skip
    assert {each.partition(":")[0] for each in DESTINATION_TYPES} - destinations == {"singer", "none"}
