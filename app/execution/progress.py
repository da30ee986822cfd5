"""Appends the progress of a worker's attempts as events, in batches, and less often the longer an attempt runs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

from app.causes import describe_error

if TYPE_CHECKING:
    from uuid import UUID

    from app.domain.attempt_protocol import Progress
    from app.domain.claim import Claim
    from app.store.streams import AttemptStreams

_SECONDS_BETWEEN: Final = 1.0
# An attempt of a minute reports every second, one of a day every quarter of an hour: hundreds of events, not 86,400.
_SHARE_OF_ITS_TIME: Final = 0.01

_logger = structlog.get_logger("syncline.progress")


@dataclass(slots=True)
class _Report:
    """The latest progress of an attempt; `sent_at` is when it was last appended."""

    claim: Claim
    progress: Progress
    began_at: float
    sent_at: float
    is_new: bool = True

    def is_due(self, now: float) -> bool:
        pause = max(_SECONDS_BETWEEN, (now - self.began_at) * _SHARE_OF_ITS_TIME)
        return self.is_new and now - self.sent_at >= pause


class ProgressReports:
    """The progress of a worker's attempts. A report that cannot be stored is dropped: another one follows soon."""

    def __init__(self, streams: AttemptStreams, worker: UUID) -> None:
        self._streams = streams
        self._worker = worker
        self._reports: dict[tuple[UUID, int], _Report] = {}
        self._has_news = asyncio.Event()

    def put(self, claim: Claim, progress: Progress) -> None:
        """Set the current progress of an attempt."""
        now = time.monotonic()
        report = self._reports.get(claim.key)
        if report is None:
            report = self._reports[claim.key] = _Report(claim, progress, now, now - _SECONDS_BETWEEN)
        report.progress, report.is_new = progress, True
        self._has_news.set()

    def forget(self, claim: Claim) -> None:
        """Drop the progress of an attempt that has ended."""
        self._reports.pop(claim.key, None)

    async def run(self) -> None:
        """Append new progress once a second, until canceled."""
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            now = time.monotonic()
            due = [report for report in self._reports.values() if report.is_due(now)]
            if due:
                await self._send(due, now)
            if any(report.is_new for report in self._reports.values()):
                self._has_news.set()
            await asyncio.sleep(_SECONDS_BETWEEN)

    async def _send(self, due: list[_Report], now: float) -> None:
        for report in due:
            report.sent_at, report.is_new = now, False
        try:
            await self._streams.report_progress(
                self._worker, [(report.claim, _describe(report.progress)) for report in due]
            )
        except Exception as error:  # noqa: BLE001 - nothing depends on it
            _logger.info("progress.lost", attempts=len(due), error=describe_error(error))


def _describe(progress: Progress) -> dict[str, Any]:
    counts: dict[str, Any] = {"records_read": progress.records_read, "bytes_read": progress.bytes_read}
    return counts if progress.share is None else counts | {"share": round(progress.share, 4)}
