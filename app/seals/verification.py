"""Compares the events, in the database and in the archive, with their seals, and the seals with each other.

Everything is hashed anew here, of the rows themselves: the functions of the database may have been changed as well.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.domain.counts import count
from app.domain.seal import Comparison, Difference, Seal, SealedEvent, current, find_broken_links, first_id, names_in
from app.domain.seal_ranges import find_wrong_ranges
from app.domain.seal_redactions import list_unexplained
from app.store import seals as store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
    from datetime import date
    from uuid import UUID

    from app.domain.seal_redactions import RedactedField, ToldRedaction
    from app.seals.archive import Archive, ArchivedWeek, Examination
    from app.store.database import Pool
    from app.store.seals import OpenWeek

# The transaction that ends a task has committed within this time.
_LONG: Final = timedelta(hours=1)
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
    misplaced = dict(find_wrong_ranges(seals, await store.get_horizon(pool)))
    for finding in _chain(seals, misplaced, noted):
        yield finding
    standing = current(seal for seal in seals if seal.number not in misplaced)
    survivors: dict[UUID, bytes] = {}
    for seal in standing:
        async for finding in _week(pool, seal, survivors, since=seals[-1].number):
            yield finding
    for week in await store.list_open_weeks(pool, standing):
        yield _open_week(week, seals)
    for task, version, field in await store.list_unexplained_redactions(pool):
        yield _unexplained("", task, version, field)
    told = await store.list_told_redactions(pool) if archive else []
    for finding in await _archive(archive, seals, survivors, told):
        yield finding
    for finding in _newest(seals):
        yield finding


def _chain(seals: Sequence[Seal], misplaced: Mapping[int, str], noted: bytes | None) -> Iterator[Finding]:
    for number, what in [*find_broken_links(seals), *misplaced.items()]:
        yield Finding(f"seal {number}", what, is_wrong=True)
    if noted is None:
        return
    found = next((seal for seal in seals if seal.seal == noted), None)
    if found is None:
        text = "not in the chain: seals were changed or removed since it was noted, or it is of another store"
        yield Finding(f"seal {noted.hex()}", text, is_wrong=True)
    else:
        yield Finding(f"seal {noted.hex()}", f"number {found.number} of {len(seals)} in the chain")


def _open_week(week: OpenWeek, seals: Sequence[Seal]) -> Finding:
    if week.active:
        return Finding(f"{week.week}", f"not sealed yet: it has {count(week.active, 'active task')}")
    # Weeks are sealed in their order, but for those with an active task; and a task ends with an event.
    later = [seal.sealed_at for seal in seals if not seal.replaces and seal.week > week.week]
    if later and week.changed_at < max(later) - _LONG:
        text = "not sealed, although a later week was sealed when none of its tasks was active any more"
        return Finding(f"{week.week}", text, is_wrong=True)
    return Finding(f"{week.week}", f"not sealed yet: {_WHEN_SEALED}")


async def _week(pool: Pool, seal: Seal, survivors: dict[UUID, bytes], *, since: int) -> AsyncIterator[Finding]:
    """The streams that retention has left go to `survivors`, each with what names it."""
    async with store.open_week(pool, seal) as week:
        if not await week.is_current(since=since):
            return  # retention has verified it and removed it meanwhile
        named = await week.list_named()
        comparison = Comparison(seal, named)
        async for events in week.page_events():
            await asyncio.to_thread(_take, comparison, events)
        redacted = len(await week.list_redacted())
    problems = comparison.finish()
    names = await store.list_collections(pool, [each.task for each in comparison.differences])
    for finding in _wrong(_days(seal), comparison.differences, problems, names):
        yield finding
    if not problems and not comparison.differences:
        if seal.replaces:
            survivors.update(names_in(named))
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


async def _archive(
    archive: Archive | None, seals: Sequence[Seal], survivors: Mapping[UUID, bytes], told: Sequence[ToldRedaction]
) -> list[Finding]:
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
    return await asyncio.to_thread(_examine, archive, by_number, expected, survivors, told)


def _examine(
    archive: Archive,
    by_number: Mapping[int, Seal],
    expected: Mapping[date, Seal],
    survivors: Mapping[UUID, bytes],
    told: Sequence[ToldRedaction],
) -> list[Finding]:
    told = [*told]
    examined: list[tuple[ArchivedWeek, list[Finding], Sequence[RedactedField]]] = []
    for archived in archive.list_weeks():
        seal, examination = archived.seal, archive.examine(archived)
        problems = [*examination.problems]
        if seal is not None and by_number.get(seal.number) != seal:
            problems.append(f"it has another seal {seal.number} than the chain of the database")
        wrong = [*_wrong(archived.name, examination.differences, problems, {})]
        if seal is not None and not wrong:
            wrong += _wrong(archived.name, _differ_from(survivors, seal, examination), [], {})
            told += examination.told
        examined.append((archived, wrong, examination.redacted))
    findings = []
    for archived, wrong, redacted in examined:
        # The event that tells of a redaction may be in any of the files.
        unexplained = [_unexplained(f"{archived.name}: ", *each[:3]) for each in list_unexplained(redacted, told)]
        findings += [*wrong, *unexplained] or [_archived_well(archived)]
    missing = sorted(expected.keys() - {archived.week for archived, *_ in examined})
    return findings + [
        Finding(str(week), f"not in the archive {archive.address}, although retention has removed it", is_wrong=True)
        for week in missing
    ]


def _unexplained(where: str, task: UUID, version: int, field: str) -> Finding:
    text = f"{field!r} was redacted, and no event says who did it"
    return Finding(f"{where}task {task}, event {version}", text, is_wrong=True)


def _archived_well(archived: ArchivedWeek) -> Finding:
    seal = archived.seal
    text = f"{count(seal.events, 'event')} of {count(seal.streams, 'stream')}, seal {seal.number}" if seal else ""
    return Finding(archived.name, f"ok: {text}")


def _differ_from(survivors: Mapping[UUID, bytes], seal: Seal, examination: Examination) -> list[Difference]:
    """The streams that retention has left of the week of a file, and that are not as they are in the file."""
    archived = dict(names_in(examination.streams))
    low, high = first_id(seal.week), first_id(seal.before)
    return [
        Difference(task, "what retention has left of it in the database differs from the file")
        for task, name in survivors.items()
        if low <= task < high and archived.get(task) != name
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
