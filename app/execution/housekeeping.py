"""Hourly maintenance of the tables, done by whichever worker comes first."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from app.store.leases import Leases
from app.store.partitions import ensure_partitions
from app.store.retention import retire

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.config.sections import Server
    from app.store.database import Pool

_EVERY_SECONDS: Final = 3600.0
_AGAIN_SECONDS: Final = 60.0

_logger = structlog.get_logger("syncline.housekeeping")


class Housekeeping:
    """Creates partitions for the coming weeks, and deletes old data and old workers."""

    def __init__(self, pool: Pool, server: Callable[[], Server]) -> None:
        self._pool = pool
        self._server = server

    async def step(self) -> float:
        """Do one round. Returns the seconds until the next one."""
        await ensure_partitions(self._pool)
        await Leases(self._pool).forget()
        server = self._server()
        retired = await retire(
            self._pool,
            keep=_days(server.retention.days),
            last_runs=server.sync_tasks.store_logs.last_runs or None,
            keep_statistics=_days(server.retention.statistics_days),
        )
        if retired.rounds:
            _logger.info("retention.finished", rounds=retired.rounds)
        if retired.complete:
            return _EVERY_SECONDS
        _logger.info(
            "retention.delayed",
            error="a long statement reads events, tasks or log lines",
            again_in_seconds=_AGAIN_SECONDS,
        )
        return _AGAIN_SECONDS


def _days(number: int) -> timedelta | None:
    return timedelta(days=number) if number else None
