"""Weeks are archived before they are removed, and what is archived is verified like the rest."""

from __future__ import annotations

import errno
import json
import os
import time
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import asyncpg
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from structlog.testing import capture_logs

from app.config.sections import Retention, Server
from app.domain.cause import NO_CAUSE
from app.domain.task import Status
from app.execution.housekeeping import Housekeeping
from app.seals.archive import Archive, ArchiveError
from app.store.redactions import Redactions
from app.store.seals import list_seals, list_unarchived
from tests.harness import until
from tests.integration.retention.lives import KEEP
from tests.integration.seals.weeks import findings, live_weeks, tamper, wrong

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from uuid import UUID

    from tests.integration.retention.lives import Era

DAYS = KEEP // timedelta(days=1)


async def keep_house(era: Era, archive: Path | None) -> list[dict[str, Any]]:
    """One round, as a worker does it; returns what it logs."""
    await era.service.project()
    server = Server(retention=Retention(days=DAYS), archive=str(archive or ""))
    logs: list[dict[str, Any]] = []

    async def done() -> bool:
        with capture_logs() as captured:
            seconds = await Housekeeping(era.pool, lambda: server).step()
        logs.extend(dict(line) for line in captured)
        return seconds > 60

    await until(done)
    return logs


async def archived(era: Era, archive: Path) -> tuple[list[list[UUID]], Archive]:
    """Two weeks that were archived and removed."""
    weeks = await live_weeks(era)
    await era.go(KEEP)
    logs = await keep_house(era, archive)
    assert [line["event"] for line in logs] == ["week.archived", "week.archived", "retention.finished"]
    return weeks, Archive(str(archive))


def files_of(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def change(file: Path, edit: Callable[[list[dict[str, Any]]], object]) -> None:
    """Write the file anew, with its metadata."""
    table = pq.read_table(file)
    rows = table.to_pylist()
    edit(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)


async def test_a_week_is_a_file_with_its_seal_before_its_events_go(era: Era, tmp_path: Path) -> None:
    weeks, archive = await archived(era, tmp_path)
    first, second, kept = await list_seals(era.pool)
    assert kept.archived
    assert files_of(tmp_path) == [
        f"events-{seal.week}.{suffix}" for seal in (first, second) for suffix in ("json", "parquet")
    ]
    table = pq.read_table(tmp_path / f"events-{first.week}.parquet")
    assert table.num_rows == 12
    assert {*table.column("task").to_pylist()} == {str(task) for task in weeks[0]}
    written = json.loads((tmp_path / f"events-{first.week}.json").read_text())
    assert written["seal"] == first.seal.hex()
    assert await wrong(era, archive=archive) == []
    lines = await findings(era, archive=archive)
    assert f"events-{second.week}.parquet: ok: 12 events of 3 streams, seal 2" in lines
    assert any(line.startswith("archive: 2 weeks not looked at") for line in await findings(era))


async def test_a_file_that_was_tampered_with_is_named_with_the_stream(era: Era, tmp_path: Path) -> None:
    weeks, archive = await archived(era, tmp_path)
    file = tmp_path / archive.list_weeks()[0].name
    task = weeks[0][1]

    def edit(rows: list[dict[str, Any]]) -> None:
        [row] = [row for row in rows if row["task"] == str(task) and row["type"] == "BookmarkSaved"]
        row["data"] = row["data"].replace('"rows": 5', '"rows": 6')

    change(file, edit)
    assert await wrong(era, archive=archive) == [f"{file.name}: WRONG: task {task}: its events were changed"]


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (lambda rows: rows.pop(1), "event 2 is missing"),
        (lambda rows: rows.__delitem__(slice(0, 4)), "8 events of 2 streams do not have the root of the seal"),
        (lambda rows: rows.append(rows[-1] | {"version": 5}), "its events were changed"),
        (lambda rows: rows[0].update(stream=b"12345678"), "the list of its streams was changed, but not its events"),
    ],
)
async def test_rows_of_a_file_that_were_added_or_removed_are_found(
    era: Era, tmp_path: Path, edit: Callable[[list[dict[str, Any]]], object], what: str
) -> None:
    _, archive = await archived(era, tmp_path)
    change(tmp_path / archive.list_weeks()[0].name, edit)
    assert what in " ".join(await wrong(era, archive=archive))


async def test_missing_broken_and_exchanged_files_are_named(era: Era, tmp_path: Path) -> None:
    _, archive = await archived(era, tmp_path)
    first, second, _ = await list_seals(era.pool)
    one, two = (tmp_path / f"events-{seal.week}.parquet" for seal in (first, second))
    content = one.read_bytes()
    one.unlink()
    assert await wrong(era, archive=archive) == [
        f"{first.week}: WRONG: not in the archive {tmp_path}, although retention has removed it"
    ]
    one.write_bytes(content[:100])
    [found] = await wrong(era, archive=archive)
    assert found.startswith(f"{one.name}: WRONG: the file cannot be read: ")
    one.write_bytes(two.read_bytes())
    assert await wrong(era, archive=archive) == [f"{one.name}: WRONG: the file has the seal of the week {second.week}"]
    two.write_bytes(content)
    assert len(await wrong(era, archive=archive)) == 2


async def test_a_file_of_another_chain_is_found(era: Era, tmp_path: Path) -> None:
    """Rows and seal fit each other, and still it is not the week that was sealed here."""
    _, archive = await archived(era, tmp_path)
    first, *_ = await list_seals(era.pool)
    file = tmp_path / f"events-{first.week}.parquet"
    table = pq.read_table(file)
    seal = json.loads(table.schema.metadata[b"syncline.seal"])
    seal["seal"] = "00" * 32
    metadata = table.schema.metadata | {b"syncline.seal": json.dumps(seal).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), file)
    assert await wrong(era, archive=archive) == [
        f"{file.name}: WRONG: it has another seal 1 than the chain of the database"
    ]


async def test_other_files_in_the_archive_are_left_alone(era: Era, tmp_path: Path) -> None:
    await archived(era, tmp_path)
    archive = Archive(str(tmp_path))
    before = await findings(era, archive=archive)
    for name in ("all", "2026-13-45", "20261130", "2026-W49-1", "2026-11-30 (copy)"):
        (tmp_path / f"events-{name}.parquet").write_text("mine")
    assert await findings(era, archive=archive) == before


async def test_a_week_that_cannot_be_archived_is_kept(era: Era, tmp_path: Path) -> None:
    await live_weeks(era)
    await era.go(KEEP)
    before = await era.streams()
    place = tmp_path / "archive"
    place.write_text("not a directory")
    logs = await keep_house(era, place)
    assert [line["archive"] for line in logs if line["event"] == "archive.failed"] == [str(place)] * 2
    assert await era.streams() == before
    place.unlink()
    await keep_house(era, place)
    assert await era.streams() < before
    assert await wrong(era, archive=Archive(str(place))) == []


async def test_a_worker_without_an_archive_keeps_what_others_have_to_archive(era: Era, tmp_path: Path) -> None:
    await live_weeks(era)
    assert await keep_house(era, tmp_path) == []
    await era.go(KEEP)
    first, second = await list_seals(era.pool)
    before = await era.streams()
    [line] = [line for line in await keep_house(era, None) if line["event"] == "retention.unarchived"]
    assert line["weeks"] == [str(first.week), str(second.week)]
    assert not await era.pool.fetchval("SELECT syncline.retire_tasks($1::interval)", KEEP), "as an older release"
    assert await era.streams() == before
    await keep_house(era, tmp_path)
    assert await era.streams() < before
    assert await list_unarchived(era.pool) == []


async def test_only_the_owner_switches_off_that_weeks_must_be_archived(era: Era, tmp_path: Path) -> None:
    await live_weeks(era)
    await keep_house(era, tmp_path)
    await era.go(KEEP)
    before = await era.streams()
    off = "UPDATE syncline.retention SET archive_wanted = false"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await era.pool.execute(off)
    await era.admin.execute(off)
    assert {line["event"] for line in await keep_house(era, None)} == {"retention.finished"}
    assert await era.streams() < before


async def test_a_week_that_another_worker_has_archived_and_removed_is_not_written(era: Era, tmp_path: Path) -> None:
    await archived(era, tmp_path / "one")
    first, *_ = await list_seals(era.pool)
    assert not await Archive(str(tmp_path / "other")).ensure(era.pool, first)
    assert files_of(tmp_path / "other") == []


async def test_what_a_killed_worker_has_left_is_removed_after_a_day(era: Era, tmp_path: Path) -> None:
    await live_weeks(era, 1)
    [seal] = await list_seals(era.pool)
    for name, age in (("old", 90_000), ("young", 60)):
        (left := tmp_path / f".archive-{name}").mkdir()
        os.utime(left, (time.time() - age,) * 2)
    assert await Archive(str(tmp_path)).ensure(era.pool, seal)
    assert files_of(tmp_path) == [".archive-young", f"events-{seal.week}.json", f"events-{seal.week}.parquet"]


async def test_a_full_disk_is_an_error_that_names_the_week(
    era: Era, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live_weeks(era, 1)
    [seal] = await list_seals(era.pool)
    monkeypatch.setattr("app.seals.archive.tempfile.TemporaryDirectory", _full)
    with pytest.raises(ArchiveError, match=f"week {seal.week} cannot be written to .*: .*No space left"):
        await Archive(str(tmp_path)).ensure(era.pool, seal)


def _full(**_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_week_that_is_not_as_it_was_sealed_is_neither_archived_nor_removed(era: Era, tmp_path: Path) -> None:
    (task, *_), _ = await live_weeks(era)
    await era.go(KEEP)
    before = await era.streams()
    await tamper(era, "UPDATE syncline.events SET attempt = 7 WHERE task = $1 AND version = 2", task)
    logs = await keep_house(era, tmp_path)
    [failed] = [line for line in logs if line["event"] == "archive.failed"]
    assert str(task) in failed["error"]
    assert await era.streams() == before


async def test_a_redacted_week_is_archived_as_it_is_and_written_anew_if_it_was_before(era: Era, tmp_path: Path) -> None:
    """Nobody else reads the value after it was redacted, as long as its event has not been removed."""
    (_, task, _), _ = await live_weeks(era)
    await era.go(KEEP)
    archive = Archive(str(tmp_path))
    first, _ = await list_seals(era.pool)
    assert await archive.ensure(era.pool, first)
    assert not await archive.ensure(era.pool, first)
    file = tmp_path / f"events-{first.week}.parquet"
    assert "it did not work" in str(pq.read_table(file).column("data").to_pylist())
    await Redactions(era.admin).redact(str(task), 4, ["error"], NO_CAUSE)
    assert await archive.ensure(era.pool, first)
    assert "it did not work" not in str(pq.read_table(file).column("data").to_pylist())
    assert archive.examine(archive.list_weeks()[0])[:2] == ([], [])
    change(file, lambda rows: [row.update(data='{"error": "[redacted] "}') for row in rows if row["redacted"]])
    assert archive.examine(archive.list_weeks()[0]).differences == [(task, "its events were changed")]


async def test_a_file_that_has_lost_its_rows_is_written_again_before_its_week_is_removed(
    era: Era, tmp_path: Path
) -> None:
    """Its metadata still says that it is the week."""
    await live_weeks(era)
    await era.go(KEEP)
    archive = Archive(str(tmp_path))
    first, second = await list_seals(era.pool)
    for seal in (first, second):
        assert await archive.ensure(era.pool, seal)
    change(tmp_path / f"events-{first.week}.parquet", lambda rows: rows.clear())
    logs = await keep_house(era, tmp_path)
    assert [line["week"] for line in logs if line["event"] == "week.archived"] == [str(first.week)]
    assert pq.read_table(tmp_path / f"events-{first.week}.parquet").num_rows == first.events
    assert await wrong(era, archive=archive) == []


def redact_silently(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        if row["type"] == "TaskFailed":
            digest = sha256(b'"it did not work"').hexdigest()
            row.update(data='{"error": "[redacted]"}', redacted=json.dumps({"error": digest}))


async def test_a_field_of_a_file_that_was_redacted_without_an_event_is_named(era: Era, tmp_path: Path) -> None:
    weeks, archive = await archived(era, tmp_path)
    file = tmp_path / archive.list_weeks()[0].name
    task = weeks[0][1]
    change(file, redact_silently)
    assert archive.examine(archive.list_weeks()[0])[:2] == ([], [])
    assert await wrong(era, archive=archive) == [
        f"{file.name}: task {task}, event 4: WRONG: 'error' was redacted, and no event says who did it"
    ]


async def test_a_file_in_which_more_was_redacted_than_in_the_database_is_written_again(
    era: Era, tmp_path: Path
) -> None:
    await live_weeks(era, 1)
    await era.go(KEEP)
    archive = Archive(str(tmp_path))
    [seal] = await list_seals(era.pool)
    assert await archive.ensure(era.pool, seal)
    change(tmp_path / f"events-{seal.week}.parquet", redact_silently)
    assert await archive.ensure(era.pool, seal)
    assert not await archive.ensure(era.pool, seal)


async def test_the_event_that_tells_of_a_redaction_may_be_in_the_archive_only(era: Era, tmp_path: Path) -> None:
    (_, task, _), _ = await live_weeks(era)
    await Redactions(era.admin).redact(str(task), 4, ["error"], NO_CAUSE)
    for _ in range(3):
        for status in (Status.SUCCESS, Status.FAILED):
            for collection in ("orders", "users"):
                await era.lived(collection, status, save=True)
        await era.go(2 * KEEP)
        await era.seal()
        await keep_house(era, tmp_path)
    assert await era.admin.fetch("SELECT FROM syncline.events WHERE type = 'EventRedacted'") == []
    assert await era.admin.fetch("SELECT FROM syncline.redactions") == []
    assert await wrong(era, archive=Archive(str(tmp_path))) == []


async def test_what_retention_has_left_is_compared_with_the_archive(era: Era, tmp_path: Path) -> None:
    """Somebody who can forge the newest seal can change what is left, but not what it was in the file."""
    weeks, archive = await archived(era, tmp_path)
    *_, kept = await list_seals(era.pool)
    task = weeks[1][1]
    assert task in await era.streams()
    await tamper(era, "UPDATE syncline.events SET attempt = 9 WHERE task = $1 AND version = 3", task)
    bounds = "syncline.week_floor($1), syncline.week_floor($2), NULL"
    row = await era.admin.fetchrow(
        "SELECT sum(events)::bigint AS events, sum(streams)::bigint AS streams, sha256(string_agg(hash, '')) AS root,"
        f" string_agg(named, '') AS named FROM syncline.sealed_blocks({bounds})",
        kept.week,
        kept.before,
    )
    assert row is not None
    forged = kept._replace(events=row["events"], streams=row["streams"], root=row["root"])
    await tamper(
        era,
        "UPDATE syncline.seals SET events = $2, streams = $3, root = $4, seal = $5 WHERE number = $1",
        kept.number,
        *(forged.events, forged.streams, forged.root, forged.computed),
    )
    await tamper(era, "UPDATE syncline.sealed_streams SET streams = $2 WHERE seal = $1", kept.number, row["named"])
    assert await wrong(era) == []
    file = archive.list_weeks()[1].name
    assert await wrong(era, archive=archive) == [
        f"{file}: WRONG: task {task}: what retention has left of it in the database differs from the file"
    ]


@pytest.mark.parametrize("redacted", ["[]", '{"error": 1}', "7", "{", '{"error": "zz"}'])
async def test_whatever_stands_in_a_file_verification_goes_on(era: Era, tmp_path: Path, redacted: str) -> None:
    _, archive = await archived(era, tmp_path)
    file = tmp_path / archive.list_weeks()[0].name
    change(file, lambda rows: rows[0].update(redacted=redacted))
    [found] = await wrong(era, archive=archive)
    assert found.startswith(f"{file.name}: WRONG: the file cannot be read: ")


async def test_redaction_says_when_an_archive_may_have_the_value(era: Era, tmp_path: Path) -> None:
    weeks, _ = await archived(era, tmp_path)
    done = await Redactions(era.admin).redact(str(weeks[1][1]), 4, ["error"], NO_CAUSE)
    assert done.archived
    assert await wrong(era, archive=Archive(str(tmp_path))) == []
