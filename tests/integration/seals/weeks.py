"""Weeks of events, what somebody does to them behind our back, and what verification then says."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from app.domain.task import Status
from app.seals.verification import verify

if TYPE_CHECKING:
    from uuid import UUID

    from app.seals.archive import Archive
    from tests.integration.retention.lives import Era

WEEK = timedelta(days=7)
# A week is sealed when it has been over for a day, and an era begins at noon of a Monday.
SEALED_AFTER = timedelta(days=8)


async def live_weeks(era: Era, number: int = 2) -> list[list[UUID]]:
    """Weeks with three tasks each, the second of which has failed; all of them are over for a day then, and sealed."""
    weeks = []
    for _ in range(number):
        lives = [("orders", Status.SUCCESS), ("users", Status.FAILED), ("orders", Status.SUCCESS)]
        weeks.append([await era.lived(collection, status, save=True) for collection, status in lives])
        await era.go(WEEK)
    await era.go(SEALED_AFTER - WEEK)
    assert len(await era.seal()) == number
    return weeks


async def tamper(era: Era, statement: str, *arguments: object) -> None:
    """Do what only a superuser can."""
    async with era.admin.transaction():
        await era.admin.execute("SET LOCAL session_replication_role = replica")
        await era.admin.execute(statement, *arguments)


async def findings(era: Era, *, archive: Archive | None = None, noted: bytes | None = None) -> list[str]:
    return [str(finding) async for finding in verify(era.pool, archive=archive, noted=noted)]


async def wrong(era: Era, *, archive: Archive | None = None, noted: bytes | None = None) -> list[str]:
    return [str(found) async for found in verify(era.pool, archive=archive, noted=noted) if found.is_wrong]
