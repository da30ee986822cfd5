"""`syncline events verify` and `redact`, as people type them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from app.cli.causes import who_runs_this
from app.domain.cause import Actor, Cause
from app.seals.archive import Archive
from app.store.seals import list_seals
from tests.integration.retention.lives import running_era
from tests.integration.seals.weeks import live_weeks, tamper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.integration.retention.lives import Era


@pytest.fixture
async def era(database_url: str) -> AsyncIterator[Era]:
    async with running_era(database_url) as era:
        yield era


def syncline(url: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "DATABASE_URL": url, "DATABASE_DIRECT_URL": url, **environment}
    command = [sys.executable, "-m", "app.cli", "events", *arguments]
    return subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=60)


async def test_verify_has_a_line_for_each_week_and_says_by_its_code_whether_all_is_well(
    era: Era, database_url: str
) -> None:
    (task, *_), _ = await live_weeks(era)
    first, second = await list_seals(era.pool)
    fine = syncline(database_url, "verify", "--seal", first.seal.hex().upper())
    assert (fine.returncode, fine.stderr) == (0, "")
    assert fine.stdout.splitlines()[:3] == [
        f"seal {first.seal.hex()}: number 1 of 2 in the chain",
        f"{first.week}: ok: 12 events of 3 streams, seal 1",
        f"{second.week}: ok: 12 events of 3 streams, seal 2",
    ]
    await tamper(era, "UPDATE syncline.events SET attempt = 9 WHERE task = $1 AND version = 2", task)
    found = syncline(database_url, "verify")
    assert found.returncode == 1
    assert f"{first.week}: WRONG: task {task} (shop/orders): its events were changed\n" in found.stdout


async def test_verify_reads_the_archive_that_is_named_and_that_of_the_catalogue(
    era: Era, database_url: str, tmp_path: Path
) -> None:
    await live_weeks(era)
    first, _ = await list_seals(era.pool)
    place = tmp_path / "history"
    await Archive(str(place)).ensure(era.pool, first)
    catalogue = tmp_path / "syncline.yaml"
    catalogue.write_text(f"server: {{archive: {place}}}\nsources: {{}}\n")
    line = f"events-{first.week}.parquet: ok: 12 events of 3 streams, seal 1\n"
    assert line in syncline(database_url, "verify", "--archive", str(place)).stdout
    assert line in syncline(database_url, "verify", "--config", str(catalogue)).stdout
    assert line in syncline(database_url, "verify", SYNCLINE_CONFIG=str(catalogue)).stdout
    (place / f"events-{first.week}.parquet").write_bytes(b"")
    broken = syncline(database_url, "verify", "--archive", str(place))
    assert broken.returncode == 1
    assert f"events-{first.week}.parquet: WRONG: the file cannot be read" in broken.stdout


async def test_redact_names_what_else_has_the_same_text(era: Era, database_url: str) -> None:
    claim = await era.claimed("orders")
    await era.service.schedule("orders", again=True, cause=Cause(Actor("token", "Ann"), "for Bob"))
    assert await era.service.end(claim) == []
    after = await era.admin.fetchval("SELECT task FROM syncline.collections")
    done = syncline(database_url, "redact", str(claim.task), "3", "--field", "note")
    assert (done.returncode, done.stdout) == (0, "Redacted note of event 3 (RunAgainRequested) of shop/orders.\n")
    assert done.stderr == f"Also in 'note' of event 1 (TaskScheduled) of {after}: redact it too.\n"


async def test_redact_says_what_it_did_and_who_did_it_stands_in_the_feed(era: Era, database_url: str) -> None:
    (_, task, _), (_, next_one, _) = await live_weeks(era)
    arguments = ("redact", f"shop_users_{task}", "4", "--field", "error")
    done = syncline(database_url, *arguments, "--note", "a name")
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "Redacted error of event 4 (TaskFailed) of shop/users.\n",
        f"Also in 'error' of event 4 (TaskFailed) of {next_one}: redact it too.\n",
    )
    again = syncline(database_url, *arguments)
    assert (again.returncode, again.stderr) == (2, "syncline: 'error' is redacted already\n")
    data = await era.admin.fetchval("SELECT data::text FROM syncline.events WHERE type = 'EventRedacted'")
    assert f'"who": {{"kind": "command", "name": "{who_runs_this().name}"}}' in data
    assert '"note": "a name"' in data
    shown = syncline(database_url, "--types", "event.redacted")
    assert "event.redacted" in shown.stdout
    assert "shop/users" in shown.stdout
    assert syncline(database_url, "--json").stdout.count("it did not work") == 1, "the other week has one"
    assert syncline(database_url, "verify").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("verify", "--seal", "12ab"), "expected 64 hexadecimal digits, as 'syncline events verify' prints them"),
        (("redact", "shop_orders_x", "1", "--field", "error"), "'shop_orders_x' is not a task"),
        (("redact", "x" * 36, "0", "--field", "error"), "0 is not in the range"),
        (("redact", "x" * 36, "1", "--field", "error", "--line", "3"), "'3' is not ATTEMPT:LINE, such as 1:17"),
        (("redact", "x" * 36, "1"), "Missing option '--field'"),
        (("--json", "verify"), "--json cannot be used with 'verify'"),
        (("verify", "--archive", "ftp://host/path"), "unsupported address ftp://"),
        (("verify", "--archive", "/nowhere/history"), "there is no directory /nowhere/history; --archive is"),
        (("verfy",), "No such command 'verfy'"),
    ],
)
def test_a_mistake_is_told(database_url: str, arguments: tuple[str, ...], told: str) -> None:
    refused = syncline(database_url, *arguments)
    assert refused.returncode == 2
    assert told in " ".join(refused.stderr.split())
    assert "Traceback" not in refused.stderr
