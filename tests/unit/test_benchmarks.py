"""The benchmarks' results: what is written is read again, and the page shows what was measured."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from benchmarks import attempts, fleet, peer_queues
from benchmarks.bars import bars
from benchmarks.drain import PROCESSES, SIDES, Drained, both_figures, check_each_once
from benchmarks.history import BYTES_A_TASK, fitting
from benchmarks.page import NOTES, page
from benchmarks.peer_queues import PREVIOUS
from benchmarks.report import OURS, Figure, Goal, Published, Report, publish, read_published
from benchmarks.run import BENCHMARKS

if TYPE_CHECKING:
    from pathlib import Path

RATE = Figure("rate", "tasks/s", {OURS: [900.0, 1100.0, 1000.0], "<other> & co": [2000.0, 2200.0, 1900.0]})
REPORT = Report(
    name="made_up",
    title="Made up, twice",
    settings={"tasks": 60_000, "other 1.0": "batch 100"},
    figures=[RATE, Figure("alone", "s", {OURS: [0.5]})],
    goals=[Goal("≥ 0.9 × other", RATE.ratio("<other> & co"), 0.9, "at least"), Goal("≤ 1 s", 0.5, 1, "at most")],
    notes=["third was not measured: it is not installed"],
)
MACHINE: dict[str, str | int] = {
    "processor": "x", "cores": 2, "memory_gib": 8, "system": "Linux 6", "python": "3.11",
}  # fmt: skip


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_is_a_program_that_measures(name: str) -> None:
    assert callable(importlib.import_module(f"benchmarks.{name}").measure)


def test_a_published_report_is_read_again_as_it_was(tmp_path: Path) -> None:
    publish(REPORT, tmp_path)
    published = read_published(tmp_path / "made_up.json")
    assert published.report == REPORT
    assert published.machine["cores"]


def test_the_page_shows_medians_ratios_goals_and_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "made_up.svg").touch()
    (tmp_path / "made_up-size.svg").touch()
    (tmp_path / "made_up_too.svg").touch()
    text = page([Published(REPORT, "2024-02-29T12:00:00Z", MACHINE)], tmp_path)
    assert text.startswith((NOTES / "introduction.md").read_text().strip())
    assert "1 of 2 goals are met" in text
    assert "| [Made up, twice](#made-up-twice) | ≥ 0.9 × other | 0.5 | **missed** |" in text
    assert "| rate | <other> & co | 2,000 | 1,900 | 2,200 | 3 | tasks/s | 0.5 |" in text
    assert "third was not measured" in text
    assert text.count("![Made up, twice](") == 2
    assert "* tasks: 60,000" in text


@pytest.mark.parametrize("started", [[0, 1], [0, 1, 1, 2], [0, 1, 3]])
def test_a_drain_counts_only_when_every_task_has_started_once(started: list[int]) -> None:
    check_each_once("side", [(2, 0.0), (0, 0.0), (1, 0.0)], 3)
    with pytest.raises(RuntimeError, match=f"{len(started)} starts"):
        check_each_once("side", [(number, 0.0) for number in started], 3)


def test_a_drain_tells_of_the_queue_and_of_the_worker_each_beside_the_peers() -> None:
    rates = {SIDES["queue"].name: 9000.0, SIDES["worker"].name: 3000.0, "peer": 6000.0}
    runs = {
        (processes, name): [Drained(scheduled=1.0, rate=rate, server=60.0, workers=20.0)]
        for processes in PROCESSES
        for name, rate in rates.items()
    }
    figures = {figure.what: figure for figure in both_figures(runs, ["peer"])}
    assert figures["queue: CPU of both, 1 process"].runs == {OURS: [80.0], "peer": [80.0]}
    assert figures["queue: drain, 1 process"].runs == {OURS: [9000.0], "peer": [6000.0]}
    assert figures["worker: drain, 1 process"].ratio("peer") == 0.5
    assert figures["queue: schedule"].runs == {OURS: [1.0]}
    del runs[1, SIDES["queue"].name]
    assert not [figure for figure in both_figures(runs, ["peer"]) if figure.what.startswith("queue")]


def test_the_previous_release_is_not_measured_where_the_history_does_not_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_queues, "INSTALLED", tmp_path)
    monkeypatch.setattr(peer_queues, "_commit", lambda: "0" * 40)
    assert "commit 00000000 is not in the history" in (PREVIOUS.missing() or "")


def test_a_history_that_the_disk_has_no_room_for_is_shorter() -> None:
    tasks = 10_000_000
    assert fitting(tasks, tasks * BYTES_A_TASK) == tasks
    assert fitting(tasks, tasks * BYTES_A_TASK - 1) == 9_000_000
    with pytest.raises(RuntimeError, match="the disk has 1"):
        fitting(tasks, 1)


def test_bars_show_only_what_compares_sides() -> None:
    drawn = bars(REPORT)
    assert drawn is not None
    root = ET.fromstring(drawn)  # noqa: S314 - our own
    assert root.findtext("{http://www.w3.org/2000/svg}title") == REPORT.title
    assert "prefers-color-scheme: dark" in drawn
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["rate (tasks/s)", OURS, "1,000", "<other> & co", "2,000"]


def test_the_goals_for_attempts_are_those_of_the_sides_that_were_measured() -> None:
    rates = {OURS: [50.0, 60.0, 40.0], "dlt": [1.0, 1.0, 1.0]}
    measured = {
        "syncs": rates,
        "POST → SUCCESS of one alone, p50": {OURS: [50.0]},
        "POST → SUCCESS of one alone, p99": {OURS: [160.0]},
        "memory of an attempt (PSS)": {OURS: [14.0]},
        "worker and its attempt servers, idle (PSS)": {OURS: [121.0]},
    }
    goals = {goal.text: goal for goal in attempts.goals_of(measured)}
    assert goals["≥ 25 × as many syncs a second as dlt"].measured == 50
    assert [goal.met for goal in goals.values()] == [True, True, False, True, False]
    assert attempts.goals_of({"syncs": {"dlt": [1.0]}}) == []


def test_a_fleet_is_told_by_the_intervals_between_its_samples() -> None:
    def sample(at: float, worker: float) -> fleet.Sample:
        return fleet.Sample(at=at, waiting=1, running=1, oldest=0.0, cpu=(worker, 7.0, 1.0), answer=1.0)

    every = fleet.SAMPLE_SECONDS.full
    samples = [sample(100.0, 0.0), sample(100.0 + every, every / 2), sample(100.0 + 2 * every, every / 4)]
    lines = fleet.lines_of(samples, [100.0, 101.0, 100.5 + every, 100.5 + 2 * every], seconds=every)
    assert lines["attempts"] == [2 / every, 1 / every]
    assert lines["worker and attempts"] == [50.0, 0.0]
    assert lines["API"] == lines["PostgreSQL"] == [0.0, 0.0]
