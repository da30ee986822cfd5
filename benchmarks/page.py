"""Writes `docs/benchmarks.md` and its bars from the results in `benchmarks/results/`: `make bench-report`.

`benchmarks/notes/{name}.md` has comments on the figures and is copied into the page; it must explain a missed goal. The
page's introduction is `benchmarks/notes/introduction.md`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.bars import bars
from benchmarks.report import RESULTS, Published, format_value, read_published, table, verdict
from benchmarks.run import BENCHMARKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).parent.parent
NOTES: Final = Path(__file__).parent / "notes"


def main() -> None:
    """Write the page. Ends the program where there are no results."""
    published = sorted(map(read_published, RESULTS.glob("*.json")), key=_place)
    if not published:
        sys.exit("there are no results in benchmarks/results: run `make bench`")
    pictures = ROOT / "docs" / "benchmarks"
    pictures.mkdir(exist_ok=True)
    for one in published:
        if (drawn := bars(one.report)) is not None:
            (pictures / f"{one.report.name}.svg").write_text(drawn)
    (ROOT / "docs" / "benchmarks.md").write_text(page(published, pictures))


def page(published: Sequence[Published], pictures: Path) -> str:
    """The whole page; `pictures` are linked as they lie there, `{name}.svg` and `{name}-….svg`."""
    sections = [section for one in published for section in _section(one, pictures)]
    return "\n\n".join([*_introduction(published), *_goals(published), *sections]) + "\n"


def _introduction(published: Sequence[Published]) -> Iterator[str]:
    yield (NOTES / "introduction.md").read_text().strip()
    for machine in dict.fromkeys(tuple(one.machine.items()) for one in published):
        known = dict(machine)
        yield (
            f"Measured on {known['cores']} cores of {known['processor']} with {known['memory_gib']} GiB of memory, "
            f"{known['system']}, Python {known['python']}."
        )


def _goals(published: Sequence[Published]) -> Iterator[str]:
    yield "## Goals"
    goals = [goal for one in published for goal in one.report.goals]
    yield f"{sum(goal.met for goal in goals)} of {len(goals)} goals are met."
    rows = [
        f"| [{report.title}](#{_anchor(report.title)}) | {goal.text} | {format_value(goal.measured)} "
        f"| {verdict(goal)} |"
        for report in (one.report for one in published)
        for goal in report.goals
    ]
    yield "\n".join(["| Benchmark | Goal | Measured | |", "| --- | --- | ---: | --- |", *rows])


def _section(one: Published, pictures: Path) -> Iterator[str]:
    report = one.report
    heading, _, tables = table(report).strip().partition("\n\n")
    yield heading.removeprefix("#")
    notes = NOTES / f"{report.name}.md"
    if notes.exists():
        yield notes.read_text().strip()
    for picture in sorted({*pictures.glob(f"{report.name}.svg"), *pictures.glob(f"{report.name}-*.svg")}):
        yield f"![{report.title}]({pictures.name}/{picture.name})"
    yield tables
    settings = [f"* {name}: {_setting(value)}" for name, value in report.settings.items()]
    yield "\n".join([f"Measured at {one.measured_at} by `make bench ONLY={report.name}` with", "", *settings])


def _setting(value: str | float) -> str:
    return f"{value:,}" if isinstance(value, int | float) else value


def _anchor(title: str) -> str:
    """As GitHub makes it."""
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


def _place(one: Published) -> tuple[int, str]:
    name = one.report.name
    return (BENCHMARKS.index(name) if name in BENCHMARKS else len(BENCHMARKS)), name


if __name__ == "__main__":
    main()
