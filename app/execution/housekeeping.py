"""Hourly maintenance of the tables, done by whichever worker comes first."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from app.domain.errors import SynclineError
from app.store.leases import Leases
from app.store.partitions import ensure_partitions
from app.store.retention import retire, want_archive
from app.store.seals import list_archivable, list_differing, list_unarchived, seal_weeks

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from app.config.sections import Server
    from app.store.database import Pool

_EVERY_SECONDS: Final = 3600.0
_AGAIN_SECONDS: Final = 60.0

_logger = structlog.get_logger("syncline.housekeeping")


class Housekeeping:
    """Creates partitions for the coming weeks, seals and archives past ones, and deletes old data and old workers."""

    def __init__(self, pool: Pool, server: Callable[[], Server]) -> None:
        self._pool = pool
        self._server = server

    async def step(self) -> float:
        """Do one round. Returns the seconds until the next one."""
        await ensure_partitions(self._pool)
        await Leases(self._pool).forget()
        server = self._server()
        keep = _days(server.retention.days)
        delay = await self._seal()
        if server.archive:
            await want_archive(self._pool)
        retired = await retire(
            self._pool,
            keep=keep,
            last_runs=server.sync_tasks.store_logs.last_runs or None,
            keep_statistics=_days(server.retention.statistics_days),
            archived=await self._archive(server.archive, keep) if server.archive and keep else None,
        )
        if retired.rounds:
            _logger.info("retention.finished", rounds=retired.rounds)
        if keep and not server.archive and (weeks := await list_unarchived(self._pool)):
            _logger.warning(
                "retention.unarchived",
                weeks=[str(week) for week in weeks],
                error="they are not archived, so they are kept: this worker's catalogue has no 'server.archive', but"
                " another one's had; see Archive in docs/history.md",
            )
        for week in await list_differing(self._pool):
            _logger.error(
                "retention.week_differs",
                week=str(week),
                error="its events are not as they were sealed, so it is kept: run 'syncline events verify'",
            )
        if delay:
            _logger.info("sealing.delayed", error=delay, again_in_seconds=_AGAIN_SECONDS)
            return _AGAIN_SECONDS
        if retired.complete:
            return _EVERY_SECONDS
        _logger.info(
            "retention.delayed",
            error="a long statement reads events, tasks or log lines",
            again_in_seconds=_AGAIN_SECONDS,
        )
        return _AGAIN_SECONDS

    async def _seal(self) -> str | None:
        """Seal the weeks that are complete. Their seals are logged too, so whoever collects the log can compare them.

        Returns why one is left to try again soon.
        """
        sealed = await seal_weeks(self._pool)
        for seal in sealed.seals:
            _logger.info(
                "week.sealed",
                week=str(seal.week),
                number=seal.number,
                seal=seal.seal.hex(),
                events=seal.events,
                streams=seal.streams,
            )
        return sealed.delay

    async def _archive(self, address: str, keep: timedelta) -> list[date]:
        """Archive the weeks that may be deleted. Returns those that are archived."""
        # Here, because nobody else needs pyarrow in a worker.
        from app.seals.archive import Archive  # noqa: PLC0415

        archive, archived = Archive(address), []
        for seal in await list_archivable(self._pool, keep):
            try:
                if await archive.ensure(self._pool, seal):
                    _logger.info("week.archived", week=str(seal.week), archive=address, events=seal.events)
            except SynclineError as error:
                _logger.warning("archive.failed", week=str(seal.week), archive=address, error=str(error))
            else:
                archived.append(seal.week)
        return archived


def _days(number: int) -> timedelta | None:
    return timedelta(days=number) if number else None
