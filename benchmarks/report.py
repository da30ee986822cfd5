"""The results of a benchmark: a table for people, and JSON in `benchmarks/results/` for `docs/benchmarks.md`.

The machines are shared and noisy, so a figure keeps every run of every side. Quoted figures are medians, and compared
ones were measured in turn within one run of the benchmark.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

RESULTS: Final = Path(__file__).parent / "results"
# Of runs that were smaller than those which docs/benchmarks.md quotes.
TRIED: Final = RESULTS / "tried"
OURS: Final = "syncline"


@dataclass(frozen=True, slots=True)
class Figure:
    """One quantity: the value of each run, by side. `OURS` names our side."""

    what: str
    unit: str
    runs: dict[str, list[float]]

    def median(self, side: str = OURS) -> float:
        return statistics.median(self.runs[side])

    def ratio(self, side: str, *, ours: str = OURS) -> float:
        """Our median over another side's."""
        return self.median(ours) / self.median(side)


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal and what was measured; it is met when the value is at least, or at most, the bound."""

    text: str
    measured: float
    bound: float
    kind: Literal["at least", "at most"]

    @property
    def met(self) -> bool:
        return self.measured >= self.bound if self.kind == "at least" else self.measured <= self.bound


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one benchmark. `settings` are its sizes and the versions of what it ran against."""

    name: str
    title: str
    settings: Mapping[str, str | int | float]
    figures: list[Figure]
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Published:
    """A report as it was written, with the time (UTC) and the machine of its measurement."""

    report: Report
    measured_at: str
    machine: dict[str, str | int]


def publish(report: Report, results: Path = RESULTS) -> None:
    """Print the tables and write `{results}/{name}.json`."""
    print(table(report))
    results.mkdir(parents=True, exist_ok=True)
    document = asdict(report) | {
        "settings": dict(report.settings),
        "goals": [asdict(goal) | {"met": goal.met} for goal in report.goals],
        "measured_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": machine(),
    }
    (results / f"{report.name}.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def read_published(path: Path) -> Published:
    """What `publish` has written."""
    written = json.loads(path.read_text())
    report = Report(
        name=written["name"],
        title=written["title"],
        settings=written["settings"],
        figures=[Figure(**figure) for figure in written["figures"]],
        goals=[Goal(**{key: value for key, value in goal.items() if key != "met"}) for goal in written["goals"]],
        notes=written["notes"],
    )
    return Published(report, written["measured_at"], written["machine"])


def table(report: Report) -> str:
    """Markdown: the figures with median and range of each side, then the goals.

    The ratio is our median over the side's.
    """
    lines = [f"### {report.title}", "", "| Figure | Side | Median | Lowest | Highest | Runs | Unit | Syncline ÷ side |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | --- | ---: |")
    for figure in report.figures:
        for side, runs in figure.runs.items():
            row = (format_value(figure.median(side)), format_value(min(runs)), format_value(max(runs)), len(runs))
            ratio = (
                format_value(figure.ratio(side)) if OURS in figure.runs and side != OURS and figure.median(side) else ""
            )
            lines.append(f"| {figure.what} | {side} | {' | '.join(map(str, row))} | {figure.unit} | {ratio} |")
    if report.goals:
        lines += ["", "| Goal | Measured | |", "| --- | ---: | --- |"]
        lines += [f"| {goal.text} | {format_value(goal.measured)} | {verdict(goal)} |" for goal in report.goals]
    lines += [f"\n{note}" for note in report.notes]
    return "\n".join([*lines, ""])


def verdict(goal: Goal) -> str:
    return "met" if goal.met else "**missed**"


def format_value(value: float) -> str:
    """Three significant digits, whole numbers from a thousand on."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def machine() -> dict[str, str | int]:
    """What the figures depend on, without anything that identifies the machine."""
    cpu = Path("/proc/cpuinfo")
    models = [line for line in cpu.read_text().splitlines() if line.startswith("model name")] if cpu.exists() else []
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30
    return {
        "processor": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": os.cpu_count() or 0,
        "memory_gib": memory,
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
    }
