"""A changed catalogue is taken up without restart; a broken one never replaces a good one."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from structlog.testing import capture_logs

from app.config import settling
from app.config.catalogue import build_catalogue
from app.config.problems import CatalogueError
from app.config.watch import CatalogueWatcher

if TYPE_CHECKING:
    from pathlib import Path

    from app.config.entry import Entry


# Each line is shallow; the last one is not, for it stands for all before.
CHAIN = "destinations:\n  a0: &a0 [1]\n" + "".join(f"  a{n}: &a{n} [[[[*a{n - 1}]]]]\n" for n in range(1, 300))


class UnexpectedError(Exception):
    """What nobody has thought of."""


def fail(*_args: object, **_options: object) -> NoReturn:
    raise UnexpectedError("hunter22")


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


@pytest.mark.parametrize(
    "broken",
    ["", "sources: [", "servr: {}", "sources: /does/not/exist", "sources: http://[x", "sources: file://[x", CHAIN],
)
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
    assert watcher.problem.endswith("; the previous version stays in use")
    write(path, catalogue_text("one"))
    assert not await watcher.refresh()
    assert watcher.problem is None


@pytest.mark.parametrize("place", ["app.config.watch.build_catalogue", "app.config.reader.parse_document"])
async def test_an_error_that_nobody_expected_refuses_the_new_version(
    path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = await started(path)
    running = watcher.current
    write(path, catalogue_text("two"))
    with monkeypatch.context() as broken, capture_logs() as logs:
        broken.setattr(place, fail)
        assert not await watcher.refresh()
        assert not await watcher.refresh()
    assert watcher.current is running
    problem = str(watcher.problem)
    assert problem.startswith(f"{path}: unexpected error: UnexpectedError in app.config.")
    assert problem.endswith("; this is a bug, please report it; the previous version stays in use")
    assert [entry["event"] for entry in logs] == ["catalogue.refused", "catalogue.unexpected"]
    assert "in fail" in logs[1]["exception"] or "fail(" in logs[1]["exception"]
    assert "hunter22" not in f"{problem}{logs[0]}{logs[1]['problem']}"
    write(path, catalogue_text("one", "two"))
    assert await watcher.refresh()
    assert watcher.problem is None


async def test_at_the_start_it_is_the_one_error_and_its_trace_is_in_the_log(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.config.watch.build_catalogue", fail)
    watcher = CatalogueWatcher(path, {})
    with capture_logs() as logs, pytest.raises(CatalogueError, match="unexpected error: UnexpectedError in "):
        await watcher.refresh()
    assert [entry["event"] for entry in logs] == ["catalogue.unexpected"]


async def test_without_a_thread_to_read_it_the_previous_version_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = await started(path)
    monkeypatch.setattr("asyncio.to_thread", fail)
    assert not await watcher.refresh()
    assert "unexpected error" in str(watcher.problem)


async def test_an_error_that_nobody_expected_in_one_source_leaves_the_others_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = await started(path)
    before = watcher.current.sources["one"]

    def check(entry: Entry, *rest: Any) -> Any:
        return rest[-1] if entry.id == "two" else fail()

    monkeypatch.setattr("app.config.sources.check_classic", check)
    write(path, catalogue_text("two", "one"))
    with capture_logs() as logs:
        assert await watcher.refresh()
    assert watcher.current.sources["one"] == before
    assert list(watcher.current.sources) == ["two", "one"]
    [problem, _] = watcher.current.rejected["one"]
    assert str(problem).startswith(f"{path}:4: sources.one: unexpected error: UnexpectedError in app.config.sources, ")
    assert [entry["event"] for entry in logs] == ["catalogue.rejected"] * 2 + [
        "catalogue.unexpected",
        "catalogue.loaded",
    ]


async def test_a_pipe_that_nobody_writes_to_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.config.files._PIPE_SECONDS", 0.01)
    watcher = await started(path)
    remove(path)
    os.mkfifo(path)
    assert not await watcher.refresh()
    assert "nothing could be read from this pipe within 0.01 seconds" in str(watcher.problem)


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
    assert watcher.problem == f"{path}: cannot be read: no such file or directory; the previous version stays in use"


async def test_a_source_that_breaks_goes_on_in_its_previous_version(path: Path) -> None:
    watcher = await started(path)
    before = watcher.current.sources["one"]
    write(path, catalogue_text("two", more="  one: {type: synthetic}\n  three: {type: synthetic}\n"))
    await watcher.refresh()
    assert watcher.current.sources["one"] == before
    assert set(watcher.current.sources) == {"one", "two"}
    assert watcher.problem is None
    assert (
        str(watcher.current.rejected["one"][-1])
        == f"{path}:4: sources.one: rejected; the previous version stays in use"
    )
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


class Writer:
    """Writes the next of the texts whenever the watcher pauses between two readings."""

    def __init__(self, path: Path, *texts: str | None) -> None:
        self.path = path
        self.texts = list(texts)
        self.pauses = 0

    async def write(self) -> None:
        self.pauses += 1
        if self.texts:
            text = self.texts.pop(0)
            write(self.path, text) if text is not None else remove(self.path)


def half_of(text: str) -> str:
    """Valid YAML in which the last of the sources is missing, and all that follows."""
    return text[: text.index("  three:")]


WHOLE = catalogue_text("one", "two", "three")


@pytest.mark.parametrize(
    "half",
    [half_of(WHOLE), WHOLE[: WHOLE.index("three") + 9], "", None],
    ids=["valid", "not valid", "empty", "missing"],
)
async def test_a_file_that_is_half_written_does_not_count(
    path: Path, half: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = await started(path)
    writer = Writer(path, half, WHOLE)
    monkeypatch.setattr(settling, "pause", writer.write)
    write(path, "sources: {}\n")
    with capture_logs() as logs:
        assert await watcher.refresh()
    assert list(watcher.current.sources) == ["one", "two", "three"]
    assert watcher.problem is None
    assert [entry["event"] for entry in logs] == ["catalogue.loaded"]
    assert writer.pauses == 3


async def test_a_process_that_starts_meanwhile_waits_for_the_rest(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, half_of(WHOLE))
    monkeypatch.setattr(settling, "pause", Writer(path, WHOLE).write)
    assert list((await started(path)).current.sources) == ["one", "two", "three"]


async def test_a_separate_file_that_is_half_written_does_not_count(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    separate = path.with_name("sources.yaml")
    write(path, "sources: sources.yaml\ndestinations: {nowhere: {type: none}}")
    source = "{type: synthetic, destinations: nowhere, collections: [a]}\n"
    write(separate, f"a: {source}")
    monkeypatch.setattr(settling, "pause", Writer(separate, f"a: {source}b: {source}").write)
    assert list((await started(path)).current.sources) == ["a", "b"]


async def test_a_file_that_is_never_finished_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = await started(path)
    running = watcher.current
    writer = Writer(path, *(catalogue_text(f"s{number}") for number in range(100)))
    monkeypatch.setattr(settling, "pause", writer.write)
    write(path, WHOLE)
    assert not await watcher.refresh()
    assert watcher.current is running
    assert watcher.problem == (
        f"{path}: is being written: 20 readings all differ; write to another file, then rename it; "
        "the previous version stays in use"
    )
    writer.texts.clear()
    assert await watcher.refresh()
    assert list(watcher.current.sources) == ["s19"]
    assert watcher.problem is None


async def test_a_comment_that_differs_in_every_answer_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(path, *(f"# {number}\n{WHOLE}" for number in range(100)))
    monkeypatch.setattr(settling, "pause", writer.write)
    write(path, WHOLE)
    watcher = await started(path)
    assert list(watcher.current.sources) == ["one", "two", "three"]
    assert writer.pauses == 1


async def test_what_does_not_change_is_not_read_twice(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = await started(path)
    writer = Writer(path)
    monkeypatch.setattr(settling, "pause", writer.write)
    await watcher.refresh()
    assert writer.pauses == 0
    for broken in ("servr: {}", "sources: ["):
        write(path, broken)
        for _ in range(3):
            await watcher.refresh()
    remove(path)
    for _ in range(3):
        await watcher.refresh()
    assert writer.pauses == 3


async def test_a_pipe_is_read_once(path: Path) -> None:
    remove(path)
    os.mkfifo(path)
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(path.write_text, WHOLE))
        assert list((await started(path)).current.sources) == ["one", "two", "three"]


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
    async with asyncio.timeout(60):
        while watcher.current is before:  # noqa: ASYNC110 - the watcher tells nobody; whoever works looks
            await asyncio.sleep(0.01)
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop
    assert list(watcher.current.sources) == ["two"]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a watcher has read the texts, and looked at the files."""
    times: Counter[str] = Counter()

    def count(step: str) -> None:
        whole = getattr(CatalogueWatcher, step)

        async def counting(watcher: CatalogueWatcher) -> None:
            times[step] += 1
            await whole(watcher)

        monkeypatch.setattr(CatalogueWatcher, step, counting)

    count("_read")
    count("_look_at_files")
    return times


async def test_many_callers_at_once_share_a_reading(path: Path, counted: Counter[str]) -> None:
    watcher = await started(path)
    counted.clear()
    write(path, catalogue_text("two"))
    assert all(await asyncio.gather(*(watcher.refresh() for _ in range(50))))
    # One that the first of them began, and one for all who came after it had begun.
    assert counted["_read"] == 2


def with_file(path: Path, *, default: str = "") -> tuple[Path, Path]:
    """A catalogue whose destination has its password from a file, and that file."""
    secret = path.with_name("password")
    secret.write_text("first-password\n")
    password = f"${{file.{secret}{default}}}"
    destination = f"destinations: {{w: {{type: postgres, host: h, password: '{password}'}}}}\n"
    sources = "sources:\n  one: {type: synthetic, destinations: [w], collections: [a]}\n"
    path.write_text(sources + destination)
    return path, secret


def password_of(watcher: CatalogueWatcher) -> object:
    return watcher.current.destinations["w"].options["password"]


@pytest.mark.parametrize("look", ["refresh", "refresh_files"])
async def test_a_file_that_a_placeholder_names_is_read_again(path: Path, look: str) -> None:
    """As a whole: what becomes of it is masked, and what it was made of says that it may change."""
    path, secret = with_file(path)
    watcher = await started(path)
    before = watcher.current
    await getattr(watcher, look)()
    assert watcher.current is before
    write(secret, "other-password\n", keep_times=True)
    await getattr(watcher, look)()
    assert password_of(watcher) == "other-password"
    assert "other-password" in watcher.current.secrets()
    assert watcher.current.destinations["w"].from_files
    assert not watcher.current.sources["one"].from_files


async def test_an_attempt_looks_at_the_files_only(path: Path) -> None:
    path, secret = with_file(path)
    watcher = await started(path)
    write(path, "sources: [")
    write(secret, "other-password")
    await watcher.refresh_files()
    assert password_of(watcher) == "other-password"
    assert watcher.problem is None
    await watcher.refresh()
    assert "not valid YAML" in str(watcher.problem)
    write(secret, "third-password")
    await watcher.refresh_files()
    assert password_of(watcher) == "third-password"
    assert "not valid YAML" in str(watcher.problem)


async def test_many_attempts_at_once_share_a_look(path: Path, counted: Counter[str]) -> None:
    path, secret = with_file(path)
    watcher = await started(path)
    write(secret, "other-password")
    await asyncio.gather(*(watcher.refresh_files() for _ in range(50)))
    assert password_of(watcher) == "other-password"
    assert counted["_look_at_files"] == 2


@pytest.mark.parametrize("refused_by", ["refresh", "refresh_files"])
async def test_a_problem_of_files_ends_when_they_are_mended(
    path: Path, monkeypatch: pytest.MonkeyPatch, refused_by: str
) -> None:
    path, secret = with_file(path)
    watcher = await started(path)
    write(secret, "other-password")

    def refuse(*arguments: Any, **options: Any) -> NoReturn:
        build_catalogue(*arguments, **options)  # which reads the files
        fail()

    with monkeypatch.context() as context:
        context.setattr("app.config.watch.build_catalogue", refuse)
        await getattr(watcher, refused_by)()
    assert watcher.problem is not None
    write(secret, "third-password")
    await watcher.refresh_files()
    assert password_of(watcher) == "third-password"
    assert watcher.problem is None


async def test_a_catalogue_without_files_costs_an_attempt_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = await started(path)
    monkeypatch.setattr("asyncio.to_thread", fail)
    await watcher.refresh_files()
    assert watcher.problem is None


@pytest.mark.parametrize("look", ["refresh", "refresh_files"])
async def test_without_its_file_a_part_goes_on_in_its_previous_version_and_is_reported(path: Path, look: str) -> None:
    path, secret = with_file(path)
    watcher = await started(path)
    remove(secret)
    with capture_logs() as logs:
        for _ in range(3):
            await getattr(watcher, look)()
    assert password_of(watcher) == "first-password"
    assert f"file {secret} cannot be read: No such file or directory" in str(
        watcher.current.rejected_destinations["w"][0]
    )
    assert [entry["event"] for entry in logs].count("catalogue.loaded") == 1
    write(secret, "other-password")
    await getattr(watcher, look)()
    assert password_of(watcher) == "other-password"
    assert watcher.current.problems == []


async def test_without_the_file_of_a_section_the_previous_version_stays(path: Path) -> None:
    secret = path.with_name("token")
    secret.write_text("first-token")
    write(path, catalogue_text("one").replace("{sources_reload_sec: 0.01}", f"{{admin_token: '${{file.{secret}}}'}}"))
    watcher = await started(path)
    remove(secret)
    with capture_logs() as logs:
        for _ in range(3):
            await watcher.refresh()
    assert [entry["event"] for entry in logs] == ["catalogue.refused"]
    assert f"file {secret} cannot be read: No such file" in str(watcher.problem)
    assert watcher.current.server.admin_token == "first-token"
    write(secret, "other-token")
    assert await watcher.refresh()
    assert (watcher.current.server.admin_token, watcher.problem) == ("other-token", None)


async def test_a_file_that_comes_later_replaces_the_default(path: Path) -> None:
    path, secret = with_file(path, default="|none-yet")
    remove(secret)
    watcher = await started(path)
    assert password_of(watcher) == "none-yet"
    assert not watcher.current.destinations["w"].from_files
    write(secret, "first-password")
    await watcher.refresh_files()
    assert password_of(watcher) == "first-password"


@pytest.mark.parametrize("half", ["fir", "", None], ids=["half", "empty", "missing"])
async def test_a_named_file_that_is_half_written_does_not_count(
    path: Path, half: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, secret = with_file(path)
    watcher = await started(path)
    writer = Writer(secret, half, "other-password")
    monkeypatch.setattr(settling, "pause", writer.write)
    write(secret, "o")
    with capture_logs() as logs:
        await watcher.refresh_files()
    assert password_of(watcher) == "other-password"
    assert [entry["event"] for entry in logs] == ["catalogue.loaded"]


async def test_a_named_file_that_is_never_finished_is_reported(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, secret = with_file(path)
    watcher = await started(path)
    monkeypatch.setattr(settling, "pause", Writer(secret, *(f"password-{n}" for n in range(100))).write)
    write(secret, "o")
    await watcher.refresh_files()
    assert password_of(watcher) == "first-password"
    assert "a file that a placeholder names is being written: 20 readings all differ" in str(watcher.problem)


async def test_a_named_pipe_is_read_once(path: Path) -> None:
    path, secret = with_file(path)
    remove(secret)
    os.mkfifo(secret)
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(secret.write_text, "first-password"))
        watcher = await started(path)
    write(path, path.read_text() + "server: {port: 1}\n")
    await watcher.refresh()
    assert watcher.current.server.port == 1
    assert password_of(watcher) == "first-password"


async def test_a_named_pipe_that_nobody_wrote_to_is_forgotten(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.config.files._PIPE_SECONDS", 0.01)
    path, secret = with_file(path)
    watcher = await started(path)
    remove(secret)
    os.mkfifo(secret)
    await watcher.refresh()
    assert "nothing could be read from this pipe within 0.01 seconds" in str(
        watcher.current.problems or watcher.problem
    )
    refused = watcher._unusable, watcher._current
    await watcher.refresh()
    assert (watcher._unusable, watcher._current) == refused
    remove(secret)
    secret.write_text("other-password")
    await watcher.refresh()
    assert not watcher.current.problems
    assert password_of(watcher) == "other-password"


async def test_a_file_that_takes_the_place_of_a_named_pipe_counts(path: Path) -> None:
    path, secret = with_file(path)
    remove(secret)
    os.mkfifo(secret)
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(secret.write_text, "first-password"))
        watcher = await started(path)
    remove(secret)
    secret.write_text("other-password")
    await watcher.refresh_files()
    assert password_of(watcher) == "other-password"
