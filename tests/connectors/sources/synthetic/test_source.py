from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.connectors.contract.passes import Rows
from app.connectors.sources.synthetic.options import SyntheticOptions, SyntheticParameters
from app.connectors.sources.synthetic.source import SyntheticSource, plan, run_synthetic
from app.domain.attempt_protocol import Failed, Finished, LogLine, SourceJob
from app.domain.collection import CollectionJob
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.connectors.contract.passes import Log
    from app.domain.attempt_protocol import AttemptMessage


def made(
    parameters: SyntheticParameters, log: Log = lambda *_: None, rng: random.Random | None = None
) -> SyntheticSource:
    job = SourceJob(
        source="load",
        source_type="synthetic",
        source_config={},
        collection=CollectionJob(name="load", type="load", table_name="t", start_date="2024-01-01"),
        data_dir="",
    )
    return SyntheticSource(SyntheticOptions(), parameters, job, work_dir=Path(), log=log, rng=rng)


@pytest.mark.parametrize(
    ("records", "lines", "seconds"), [(0, 0, 0.0), (10, 3, 0.5), (2500, 50, 0.0), (7, 500, 2.0), (3, 2500, 0.0)]
)
def test_a_plan_has_every_record_and_every_line_once_and_in_order(records: int, lines: int, seconds: float) -> None:
    steps = list(plan(SyntheticParameters(records=records, log_lines=lines, seconds=seconds)))
    assert [number for step in steps for number in step.records] == list(range(records))
    assert [number for step in steps for number in step.lines] == list(range(1, lines + 1))
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    assert steps[-1].at == seconds


async def test_a_worker_hears_what_a_child_would_say() -> None:
    heard = await told(SyntheticParameters(records=5, log_lines=2))
    assert [type(message) for message in heard] == [LogLine, LogLine, Finished]
    assert heard[-1] == Finished(records_read=5, rows_written=0)


async def test_a_failure_is_the_last_message_and_may_be_retried() -> None:
    heard = await told(SyntheticParameters(fail_rate=1))
    assert isinstance(heard[-1], Failed)
    assert heard[-1].retryable


async def test_a_running_one_can_be_canceled() -> None:
    begun = asyncio.Event()

    async def emit(messages: Sequence[AttemptMessage]) -> None:
        assert messages
        begun.set()

    running = asyncio.create_task(run_synthetic(SyntheticParameters(log_lines=100, seconds=60), emit))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def test_the_source_makes_the_records_of_the_plan() -> None:
    lines: list[str] = []
    source = made(SyntheticParameters(records=1500, log_lines=1), lambda _, text: lines.append(text))
    rows = [record for item in source.read(None) if isinstance(item, Rows) for record in item.records]
    assert [row["id"] for row in rows] == list(range(1500))
    assert lines == ["synthetic line 1 of 1"]


def test_the_source_fails_as_often_as_it_was_told() -> None:
    parameters = SyntheticParameters(records=0, fail_rate=0.5)
    rng, failures = random.Random(7), 0  # noqa: S311 -- made failures
    for _ in range(200):
        try:
            list(made(parameters, rng=rng).read(None))
        except SynclineError:
            failures += 1
    assert 70 < failures < 130


async def told(parameters: SyntheticParameters) -> list[AttemptMessage]:
    heard: list[AttemptMessage] = []

    async def emit(messages: Sequence[AttemptMessage]) -> None:
        heard.extend(messages)

    await run_synthetic(parameters, emit)
    return heard
