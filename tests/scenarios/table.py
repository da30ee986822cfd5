"""The table of docs/connectors.md: which kinds of sources and destinations were seen working together, and how."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PAGE: Final = Path(__file__).parents[2] / "docs" / "connectors.md"
RESULTS: Final = Path(__file__).parent / "results" / "seen.json"
BEGIN: Final = "<!-- what `make matrix` has seen: begin -->"
END: Final = "<!-- what `make matrix` has seen: end -->"

SOURCES: Final = (
    "singer",
    "sql (PostgreSQL)",
    "sql (SQLite)",
    "sql (DuckDB)",
    "airbyte",
    "rest",
    "files",
    "python",
    "redis",
    "synthetic",
)
DESTINATIONS: Final = ("postgres", "duckdb", "parquet", "dlt:duckdb", "dlt:filesystem")
MODES: Final = ("append", "upsert", "replace", "history")
DECIMALS: Final = "decimals"
"""Stands for a mode in the cells of those pairs in which decimals were seen to stay exact."""
_LETTERS: Final = {"before": "b", "inside": "i", "after": "a"}
_NOT_RUN: Final = "·"
_REFUSED: Final = "refused"
_REFUSALS: Final = re.compile(r"Refused, as seen with `(?P<source>[^`]+)`: (?P<ways>.*)\.")
_WAY: Final = re.compile(r"`(?P<destination>[^`]+)` (?P<mode>\w+)")
_HEAD: Final = ("Source", "`write_mode`", *(f"`{each}`" for each in DESTINATIONS), "Exact decimals into")

Cell = tuple[str, str, str]


def read(file: Path) -> tuple[dict[Cell, str], set[Cell]]:
    """The cells that a run has seen, as the table shows them, and those that it had to skip."""
    document = json.loads(file.read_text())
    killed: dict[Cell, set[str]] = defaultdict(set)
    for each in document["shown"]:
        killed[_cell(each)] |= set(each["killed"])
    shown = {cell: " ".join(["✓", *(_LETTERS[each] for each in _LETTERS if each in at)]) for cell, at in killed.items()}
    refused = {_cell(each): _REFUSED for each in document["refused"]}
    if both := {cell[1:] for cell in shown} & {cell[1:] for cell in refused}:
        raise ValueError(f"seen working and refused: {sorted(both)}")
    return shown | refused, {_cell(each) for each in document["skipped"]}


def table(cells: Mapping[Cell, str]) -> str:
    """Markdown: what is refused, then a line for each source and mode with something that works."""
    unknown = [
        cell
        for cell in cells
        if cell[0] not in SOURCES or cell[1] not in DESTINATIONS or cell[2] not in (*MODES, DECIMALS)
    ]
    if unknown:
        raise ValueError(f"not in the table: {sorted(unknown)}")
    working = {cell: said for cell, said in cells.items() if said != _REFUSED}
    lines = [_HEAD, ["---"] * len(_HEAD)]
    for source in SOURCES:
        for mode in MODES:
            found = [working.get((source, destination, mode), _NOT_RUN) for destination in DESTINATIONS]
            if set(found) != {_NOT_RUN}:
                lines.append([source, mode, *found, _exact(source, working)])
    return "\n".join([*_refusals(cells), *(f"| {' | '.join(line)} |" for line in lines)])


def _exact(source: str, working: Mapping[Cell, str]) -> str:
    return ", ".join(f"`{to}`" for to in DESTINATIONS if (source, to, DECIMALS) in working) or _NOT_RUN


def _refusals(cells: Mapping[Cell, str]) -> Iterator[str]:
    for source in SOURCES:
        ways = [
            f"`{destination}` {mode}"
            for destination in DESTINATIONS
            for mode in MODES
            if cells.get((source, destination, mode)) == _REFUSED
        ]
        if ways:
            yield f"Refused, as seen with `{source}`: {', '.join(ways)}.\n"


def in_page(text: str) -> str:
    """What stands between the marks."""
    return text.partition(BEGIN)[2].partition(END)[0].strip()


def put_into(text: str, made: str) -> str:
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{made}\n{END}{rest.partition(END)[2]}"


def claims(text: str) -> dict[Cell, str]:
    """The cells of the table in a page, and what is said above it to be refused."""
    made = in_page(text)
    lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in made.splitlines() if line[:1] == "|"]
    working = {
        (source, destination, mode): said
        for source, mode, *found, _ in lines[2:]
        for destination, said in zip(DESTINATIONS, found, strict=True)
        if said != _NOT_RUN
    }
    exact = {
        (line[0], destination.strip("`"), DECIMALS): "✓"
        for line in lines[2:]
        for destination in line[-1].split(", ")
        if destination != _NOT_RUN
    }
    return (
        working
        | exact
        | {
            (refusals["source"], way["destination"], way["mode"]): _REFUSED
            for refusals in _REFUSALS.finditer(made)
            for way in _WAY.finditer(refusals["ways"])
        }
    )


def difference(text: str, shown: Mapping[Cell, str], skipped: set[Cell]) -> list[str]:
    """Where a page says something else than the run; what it had to skip it cannot contradict."""
    claimed = claims(text)
    found = dict(shown) | {cell: claimed[cell] for cell in skipped - shown.keys() if cell in claimed}
    return [
        f"{' → '.join(cell[:2])}, {cell[2]}: the page says {claimed.get(cell, _NOT_RUN)!r}, "
        f"the run has seen {found.get(cell, _NOT_RUN)!r}"
        for cell in sorted(claimed.keys() | found.keys())
        if claimed.get(cell) != found.get(cell)
    ]


def _cell(told: Mapping[str, Any]) -> Cell:
    return told["source"], told["destination"], told["mode"]
