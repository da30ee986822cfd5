"""A changed catalogue is taken up without restart; a broken one never replaces a good one."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from app.config.problems import CatalogueError
from app.config.watch import CatalogueWatcher

if TYPE_CHECKING:
    from pathlib import Path


def catalogue_text(*names: str, more: str = "") -> str:
    sources = "".join(f"  {name}: {{type: synthetic, destinations: [nowhere], collections: [a]}}\n" for name in names)
    return f"server: {{sources_reload_sec: 0.01}}\nsources:\n{sources}{more}destinations: {{nowhere: {{type: none}}}}\n"


def write(path: Path, text: str, *, keep_times: bool = False) -> None:
    before = path.stat() if path.exists() else None
    path.write_text(text)
    if before and keep_times:
        assert path.stat().st_size == before.st_size
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def remove(path: Path) -> None:
    path.unlink()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "syncline.yaml"
    path.write_text(catalogue_text("one"))
    return path


async def started(path: Path) -> CatalogueWatcher:
    watcher = CatalogueWatcher(path, {})
    await watcher.refresh()
    return watcher


async def test_the_first_reading_must_succeed(tmp_path: Path) -> None:
    watcher = CatalogueWatcher(tmp_path / "missing.yaml", {})
    with pytest.raises(CatalogueError, match="no such file"):
        await watcher.refresh()


async def test_a_change_is_taken_up(path: Path) -> None:
    watcher = await started(path)
    before = watcher.current
    write(path, catalogue_text("one", "two"))
    assert await watcher.refresh()
    assert list(watcher.current.sources) == ["one", "two"]
    assert watcher.current.fingerprint != before.fingerprint
    assert list(before.sources) == ["one"]


async def test_nothing_new_changes_nothing(path: Path) -> None:
    watcher = await started(path)
    before = watcher.current
    os.utime(path, (1, 1))
    assert not await watcher.refresh()
    assert watcher.current is before


async def test_a_change_that_keeps_size_and_time_is_seen(path: Path) -> None:
    watcher = await started(path)
    write(path, catalogue_text("two"), keep_times=True)
    assert await watcher.refresh()
    assert list(watcher.current.sources) == ["two"]


@pytest.mark.parametrize("broken", ["", "sources: [", "servr: {}", "sources: /does/not/exist"])
async def test_a_broken_version_keeps_the_old_one_and_says_so_once(path: Path, broken: str) -> None:
    watcher = await started(path)
    running = watcher.current
    write(path, broken)
    with capture_logs() as logs:
        assert not await watcher.refresh()
        assert not await watcher.refresh()
    assert watcher.current is running
    assert [entry["event"] for entry in logs] == ["catalogue.refused"]
    assert watcher.problem is not None
    assert watcher.problem.startswith(str(path))
    assert watcher.problem.endswith("; the previous version goes on")
    write(path, catalogue_text("one"))
    assert not await watcher.refresh()
    assert watcher.problem is None


async def test_a_version_that_stays_broken_is_built_once(path: Path) -> None:
    watcher = await started(path)
    write(path, "servr: {}")
    await watcher.refresh()
    refused = watcher._unusable
    await watcher.refresh()
    assert watcher._unusable is refused


async def test_a_deleted_file_keeps_the_old_version_running(path: Path) -> None:
    watcher = await started(path)
    remove(path)
    assert not await watcher.refresh()
    assert list(watcher.current.sources) == ["one"]
    assert watcher.problem == f"{path}: cannot be read: no such file or directory; the previous version goes on"


async def test_a_source_that_breaks_goes_on_in_its_previous_version(path: Path) -> None:
    watcher = await started(path)
    before = watcher.current.sources["one"]
    write(path, catalogue_text("two", more="  one: {type: synthetic}\n  three: {type: synthetic}\n"))
    await watcher.refresh()
    assert watcher.current.sources["one"] == before
    assert set(watcher.current.sources) == {"one", "two"}
    assert watcher.problem is None
    assert str(watcher.current.rejected["one"][-1]) == "sources.one: rejected; the previous version goes on"
    assert "the previous version" not in str(watcher.current.rejected["three"])
    write(path, catalogue_text("two"))
    await watcher.refresh()
    assert list(watcher.current.sources) == ["two"]


async def test_a_source_whose_destination_breaks_goes_on_with_both_as_they_were(path: Path) -> None:
    watcher = await started(path)
    before = watcher.current.destinations["nowhere"]
    write(path, catalogue_text("one").replace("type: none", "type: non"))
    await watcher.refresh()
    assert list(watcher.current.sources) == ["one"]
    assert watcher.current.destinations == {"nowhere": before}
    assert list(watcher.current.rejected_destinations) == ["nowhere"]


async def test_a_separate_file_is_watched_too(path: Path) -> None:
    separate = path.with_name("sources.yaml")
    write(path, "sources: sources.yaml\ndestinations: {nowhere: {type: none}}")
    write(separate, "{}")
    watcher = await started(path)
    write(separate, "s: {type: synthetic, destinations: nowhere, collections: [a]}")
    assert await watcher.refresh()
    assert list(watcher.current.sources) == ["s"]
    write(separate, "s: [")
    assert not await watcher.refresh()
    assert str(watcher.problem).startswith(str(separate))


async def test_the_loop_takes_up_a_change_by_itself(path: Path) -> None:
    watcher = await started(path)
    before = watcher.current
    loop = asyncio.create_task(watcher.run())
    write(path, catalogue_text("two"))
    async with asyncio.timeout(10):
        while watcher.current is before:  # noqa: ASYNC110 - the watcher tells nobody; whoever works looks
            await asyncio.sleep(0.01)
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop
    assert list(watcher.current.sources) == ["two"]


async def test_many_callers_at_once_share_a_reading(path: Path) -> None:
    watcher = await started(path)
    write(path, catalogue_text("two"))
    assert all(await asyncio.gather(*(watcher.refresh() for _ in range(50))))
    # One that the first of them began, and one for all who came after it had begun.
    assert watcher._begun <= 3
