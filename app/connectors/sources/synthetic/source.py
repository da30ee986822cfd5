"""A source that generates its records, for demonstrations and load.

One plan says what happens when; a child process follows it with `SyntheticSource`, a worker with `run_synthetic`.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from app.connectors.contract.offers import column_types
from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Kind, Table
from app.domain.attempt_protocol import Failed, Finished, LogLine, Offered, Progress
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    from app.connectors.contract.passes import Log
    from app.connectors.sources.synthetic.options import SyntheticOptions, SyntheticParameters
    from app.domain.attempt_protocol import AttemptMessage, SourceJob
    from app.domain.interval import Interval

_RECORDS_A_STEP = 1000
_LINES_AT_ONCE = 1000
_STEPS_A_SECOND = 10
_SECONDS_BETWEEN_PROGRESS = 1.0
_LONGEST_TURN_SECONDS = 0.005
_BYTES_A_RECORD = 100
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_COLUMNS = {"id": Kind.INTEGER, "text": Kind.TEXT, "number": Kind.NUMBER, "timestamp": Kind.TIMESTAMP}


@dataclass(frozen=True, slots=True)
class Step:
    """At `at` seconds from the start: these log lines (numbers from 1) and these records (numbers from 0)."""

    at: float
    lines: range
    records: range


def plan(parameters: SyntheticParameters) -> Iterator[Step]:
    """Steps in order of time that spread records and lines evenly."""
    lines_a_step = 1 if parameters.seconds > 0 else _LINES_AT_ONCE
    steps = max(
        round(parameters.seconds * _STEPS_A_SECOND),
        -(-parameters.records // _RECORDS_A_STEP),
        -(-parameters.log_lines // lines_a_step),
        1,
    )
    for number in range(1, steps + 1):
        before, now = (number - 1, number)
        yield Step(
            at=parameters.seconds * now / steps,
            lines=range(parameters.log_lines * before // steps + 1, parameters.log_lines * now // steps + 1),
            records=range(parameters.records * before // steps, parameters.records * now // steps),
        )


async def run_synthetic(
    parameters: SyntheticParameters,
    emit: Callable[[Sequence[AttemptMessage]], Awaitable[None]],
    *,
    rng: random.Random | None = None,
) -> None:
    """Follows the plan without keeping records, with the messages of a child process; stops by cancellation.

    `emit` gets messages that come together in one call. The last one is `Finished`, or `Failed` with probability
    `fail_rate`.
    """
    loop = asyncio.get_running_loop()
    started = reported = rested = loop.time()
    for step in plan(parameters):
        now = loop.time()
        # Other tasks get their turn, however many messages there are.
        if started + step.at > now or now - rested >= _LONGEST_TURN_SECONDS:
            await asyncio.sleep(max(0.0, started + step.at - now))
            rested = loop.time()
        if step.lines:
            await emit([LogLine(level="info", message=_line(line, parameters)) for line in step.lines])
        if now - reported >= _SECONDS_BETWEEN_PROGRESS:
            reported = now
            await emit([_progress_at(step.records.stop, parameters)])
    if _fails(parameters, rng):
        await emit([Failed(error=_failure(parameters))])
    else:
        await emit([Finished(records_read=parameters.records, rows_written=0)])


class SyntheticSource:
    """The plan as a source whose records destinations can load."""

    def __init__(
        self,
        _options: SyntheticOptions,
        parameters: SyntheticParameters,
        job: SourceJob,
        *,
        work_dir: Path,  # noqa: ARG002 -- it keeps no files
        log: Log,
        rng: random.Random | None = None,
    ) -> None:
        self._parameters = parameters
        self._name = job.collection.type
        self._table = job.collection.table_name
        self._log = log
        self._rng = rng
        self._made = 0

    def check(self) -> None:
        """The parameters' model has already refused what is wrong."""

    def discover(self) -> Iterator[Offered]:
        yield Offered(name=self._name, columns=column_types(_COLUMNS), key=["id"])

    def read(self, bookmark: str | None) -> Iterator[Table | Rows | Checkpoint]:  # noqa: ARG002 -- always everything
        yield Table(name=self._table, columns=_COLUMNS, key=("id",), full_refresh=True)
        started = time.monotonic()
        for step in plan(self._parameters):
            time.sleep(max(0.0, started + step.at - time.monotonic()))
            for line in step.lines:
                self._log("info", _line(line, self._parameters))
            self._made = step.records.stop
            records = [_record(number) for number in step.records]
            yield Rows(self._table, records, size=_BYTES_A_RECORD * len(records))
        if _fails(self._parameters, self._rng):
            raise SynclineError(_failure(self._parameters))
        yield Checkpoint(None)

    def progress(self) -> float | None:
        return self._made / self._parameters.records if self._parameters.records else None

    def read_interval(self, interval: Interval) -> Iterator[Table | Rows | Checkpoint]:
        """The records whose time lies in `interval`."""
        yield Table(name=self._table, columns=_COLUMNS, key=("id",), cursor_field="timestamp")
        first, end = (_first_at(moment) for moment in (interval.start, interval.end))
        wanted = range(max(0, first), min(end, self._parameters.records))
        for begin in range(wanted.start, wanted.stop, _RECORDS_A_STEP):
            numbers = range(begin, min(begin + _RECORDS_A_STEP, wanted.stop))
            yield Rows(self._table, [_record(number) for number in numbers], size=100 * len(numbers))
            yield Checkpoint(None)

    def close(self) -> None:
        """Holds nothing."""


def _progress_at(made: int, parameters: SyntheticParameters) -> Progress:
    share = made / parameters.records if parameters.records else None
    return Progress(records_read=made, bytes_read=made * _BYTES_A_RECORD, share=share)


def _first_at(moment: datetime) -> int:
    """The number of the first record at `moment` or after it."""
    return -((_EPOCH - moment) // timedelta(seconds=1))


def _record(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "text": f"record {number}",
        "number": number / 8,
        "timestamp": (_EPOCH + timedelta(seconds=number)).isoformat(),
    }


def _line(number: int, parameters: SyntheticParameters) -> str:
    return f"synthetic line {number} of {parameters.log_lines}"


def _fails(parameters: SyntheticParameters, rng: random.Random | None) -> bool:
    return (rng or random).random() < parameters.fail_rate


def _failure(parameters: SyntheticParameters) -> str:
    return f"made to fail with probability {parameters.fail_rate:g}"
