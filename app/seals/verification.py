"""Compares the events, in the database and in the archive, with their seals, and the seals with each other.

Everything is hashed anew here, of the rows themselves: the functions of the database may have been changed as well.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.domain.counts import count
from app.domain.seal import Comparison, Difference, Seal, SealedEvent, current, find_broken_links
from app.store import seals as store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
    from datetime import date
    from uuid import UUID

    from app.seals.archive import Archive
    from app.store.database import Pool

_WHEN_SEALED: Final = "a week is sealed one day after it ends"


@dataclass(frozen=True, slots=True)
class Finding:
    """A line about `subject`, such as a week or a file."""

    subject: str
    text: str
    is_wrong: bool = False

    def __str__(self) -> str:
        return f"{self.subject}: {'WRONG: ' if self.is_wrong else ''}{self.text}"


async def verify(pool: Pool, *, archive: Archive | None = None, noted: bytes | None = None) -> AsyncIterator[Finding]:
    """Verify everything: the chain, then week by week the events, the redactions, and the archive.

    Args:
        pool: connections to the database.
        archive: where weeks were archived; None to leave that out.
        noted: a seal that was noted elsewhere, which must be in the chain.
    """
    seals = await store.list_seals(pool)
    for finding in _chain(seals, noted):
        yield finding
    standing = current(seals)
    for seal in standing:
        async for finding in _week(pool, seal):
            yield finding
    for week in await store.list_open_weeks(pool, standing):
        why = f"it has {count(week.active, 'active task')}" if week.active else _WHEN_SEALED
        yield Finding(f"{week.week}", f"not sealed yet: {why}")
    for task, version, field in await store.list_unexplained_redactions(pool):
        text = f"{field!r} was redacted, and no event says who did it"
        yield Finding(f"task {task}, event {version}", text, is_wrong=True)
    for finding in await _archive(archive, seals):
        yield finding
    for finding in _newest(seals):
        yield finding


def _chain(seals: Sequence[Seal], noted: bytes | None) -> Iterator[Finding]:
    for number, what in find_broken_links(seals):
        yield Finding(f"seal {number}", what, is_wrong=True)
    if noted is None:
        return
    found = next((seal for seal in seals if seal.seal == noted), None)
    if found is None:
        text = "not in the chain: seals were changed or removed since it was noted, or it is of another store"
        yield Finding(f"seal {noted.hex()}", text, is_wrong=True)
    else:
        yield Finding(f"seal {noted.hex()}", f"number {found.number} of {len(seals)} in the chain")


async def _week(pool: Pool, seal: Seal) -> AsyncIterator[Finding]:
    async with store.open_week(pool, seal) as week:
        if not await week.is_current():
            return  # retention has verified it and removed it meanwhile
        comparison = Comparison(seal, await week.list_named())
        async for events in week.page_events():
            await asyncio.to_thread(_take, comparison, events)
        redacted = await week.count_redacted()
    problems = comparison.finish()
    names = await store.list_collections(pool, [each.task for each in comparison.differences])
    for finding in _wrong(_days(seal), comparison.differences, problems, names):
        yield finding
    if not problems and not comparison.differences:
        text = f"ok: {count(seal.events, 'event')} of {count(seal.streams, 'stream')}, seal {seal.number}"
        if redacted:
            text += f"; {count(redacted, 'field')} redacted"
        if seal.replaces:
            text += "; retention has removed the others" if seal.streams else "; retention has removed all"
        yield Finding(_days(seal), text)


def _take(comparison: Comparison, events: Iterable[SealedEvent]) -> None:
    for event in events:
        comparison.take(event)


def _wrong(
    subject: str, differences: Sequence[Difference], problems: Sequence[str], names: dict[UUID, str]
) -> Iterator[Finding]:
    for task, what in differences:
        name = f" ({names[task]})" if task in names else ""
        yield Finding(subject, f"task {task}{name}: {what}", is_wrong=True)
    for problem in problems:
        yield Finding(subject, problem, is_wrong=True)


async def _archive(archive: Archive | None, seals: Sequence[Seal]) -> list[Finding]:
    by_number = {seal.number: seal for seal in seals}
    expected = {
        by_number[number].week: by_number[number]
        for seal in seals
        if seal.archived
        for number in seal.replaces
        if number in by_number and not by_number[number].replaces and by_number[number].streams
    }
    if archive is None:
        weeks = count(len(expected), "week")
        text = f"{weeks} not looked at: name the archive with --archive, or the catalogue with --config"
        return [Finding("archive", text)] if expected else []
    return await asyncio.to_thread(_examine, archive, by_number, expected)


def _examine(archive: Archive, by_number: dict[int, Seal], expected: dict[date, Seal]) -> list[Finding]:
    findings = []
    weeks = archive.list_weeks()
    for archived in weeks:
        seal = archived.seal
        differences, problems = archive.examine(archived)
        problems = [*problems]
        if seal is not None and by_number.get(seal.number) != seal:
            problems.append(f"it has another seal {seal.number} than the chain of the database")
        found = [*_wrong(archived.name, differences, problems, {})]
        if not found and seal is not None:
            text = f"ok: {count(seal.events, 'event')} of {count(seal.streams, 'stream')}, seal {seal.number}"
            found = [Finding(archived.name, text)]
        findings += found
    missing = sorted(expected.keys() - {archived.week for archived in weeks})
    return findings + [
        Finding(str(week), f"not in the archive {archive.address}, although retention has removed it", is_wrong=True)
        for week in missing
    ]


def _newest(seals: Sequence[Seal]) -> Iterator[Finding]:
    if seals:
        last = seals[-1]
        yield Finding(
            "newest seal",
            f"{last.seal.hex()} (number {last.number}, of {_days(last)}). Keep it where nobody who can change this"
            " database can change it, and compare later with --seal",
        )
    else:
        yield Finding("newest seal", f"none yet: {_WHEN_SEALED}")


def _days(seal: Seal) -> str:
    return f"{seal.week}" if not seal.replaces else f"{seal.week} to {seal.before}"
