"""The current catalogue: read again when its texts change, never replaced by a broken one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from app.config.catalogue import Catalogue, build_catalogue
from app.config.files import NamedFiles
from app.config.problems import CatalogueError, Problem
from app.config.reader import CatalogueReader
from app.config.settling import MOST_READINGS, SettledReader, have_settled
from app.connectors.options.complaints import render_path
from app.loops import Rounds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from app.config.texts import Texts

_log = structlog.get_logger(__name__)
_PREVIOUS_RUNS = "the previous version stays in use"


@dataclass(frozen=True, slots=True)
class _Unusable:
    """A version that cannot be used, with the files that its placeholders name."""

    fingerprint: str
    files: NamedFiles
    error: CatalogueError


class CatalogueWatcher:
    """Holds the `current` catalogue of the file at `path` and replaces it as a whole when there is a good new version.

    Files that placeholders name are parts of a version. A new version counts when two readings a moment apart agree.
    One that cannot be used leaves the current one in place; `problem` has the reason until that is fixed. A source that
    is broken in an otherwise good version keeps its previous version, and is listed as rejected. The constructor reads
    nothing: `await watcher.refresh()` once, then run `run()` for as long as changes matter.
    """

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._reader = CatalogueReader(path, environment)
        self._settled = SettledReader(self._reader)
        self._current: Catalogue | None = None
        self._problem: str | None = None
        self._refused: str | None = None
        self._unusable: _Unusable | None = None
        self._texts: Texts | None = None
        self._files: NamedFiles | None = None
        self._reading = Rounds(self._read)
        # Another lock, because whoever waits for a slow server's text must not hold up attempts.
        self._building = asyncio.Lock()
        self._looking = Rounds(self._look_at_files, lock=self._building)
        self._refused_fingerprint = ""

    @property
    def current(self) -> Catalogue:
        """The catalogue to work with. It is immutable: keep it for as long as one piece of work needs it."""
        if self._current is None:
            raise RuntimeError("the catalogue has not been read yet: call refresh() first")
        return self._current

    @property
    def problem(self) -> str | None:
        """One line on why the newest version is not the running one; None if it is."""
        return self._problem

    async def run(self) -> None:
        """Read again every `server.sources_reload_sec` or, if that is shorter, `destinations_reload_sec`."""
        while True:
            await asyncio.sleep(self.current.server.reload_seconds)
            await self.refresh()

    async def refresh(self) -> bool:
        """Read the texts now, until they stop changing; whether there is a new catalogue since this call.

        Calls at the same time share a reading that began after them.

        Raises:
            CatalogueError: there is no catalogue yet and this one cannot be used.
        """
        before = self._current
        await self._reading()
        return self._current is not before

    async def refresh_files(self) -> None:
        """Take up files that changed since the current catalogue was made. Its own texts are not read, which is cheap.

        Calls at the same time share a look that began after them.
        """
        if self.current.files:
            await self._looking()

    async def _look_at_files(self) -> None:
        if self._texts is None:
            return
        # The reason why newer texts are refused comes first, and stands until they are read again.
        fingerprint = self.current.fingerprint
        texts_are_refused = self._problem is not None and self._refused_fingerprint != fingerprint
        try:
            with self._reader.refusing():
                await self._take_up(self._texts)
        except CatalogueError as error:
            if not texts_are_refused:
                self._refuse(error, fingerprint)
            return
        if not texts_are_refused:
            self._accept()

    async def _read(self) -> None:
        fingerprint = ""
        try:
            with self._reader.refusing():
                texts = await self._settled.read()
                fingerprint = texts.fingerprint
                async with self._building:
                    await self._take_up(texts)
        except CatalogueError as error:
            if self._current is None:
                _log_traces(error.problems)
                raise
            self._refuse(error, fingerprint)
            return
        self._accept()

    async def _take_up(self, texts: Texts) -> None:
        """Make these documents the current catalogue unless they are, with the files as they now are."""
        new = await self._build_if_changed(texts)
        self._texts = texts
        if new is not None:
            self._replace(new)

    async def _build_if_changed(self, texts: Texts) -> Catalogue | None:
        fingerprint = texts.fingerprint
        if await _is_same(self._current, fingerprint):
            return None
        if self._unusable is None or not await _is_same(self._unusable, fingerprint):
            built = await self._build(texts)
            if isinstance(built, Catalogue):
                return built
            # Kept, so that a version that stays broken is read once, not every second.
            self._unusable = built
        # A new error each time: one that is raised repeatedly collects the traces of all times.
        raise CatalogueError(self._unusable.error.problems)

    async def _build(self, texts: Texts) -> Catalogue | _Unusable:
        """Build it until its files have stopped changing, because one may be read while it is being written."""
        for _ in range(MOST_READINGS):
            self._files = NamedFiles(self._files)
            built = await asyncio.to_thread(self._build_once, texts, self._files)
            if await have_settled(self._files):
                return built
        message = (
            f"a file that a placeholder names is being written: {MOST_READINGS} readings all differ; "
            "write to another file, then rename it"
        )
        raise CatalogueError([Problem("", message, self._reader.name)])

    def _build_once(self, texts: Texts, files: NamedFiles) -> Catalogue | _Unusable:
        try:
            with self._reader.refusing():
                return build_catalogue(texts, self._environment, directory=self._reader.directory, files=files)
        except CatalogueError as error:
            return _Unusable(texts.fingerprint, files, error)

    def _replace(self, new: Catalogue) -> None:
        previous, self._current = self._current, _with_previous(new, self._current)
        for problem in self._current.problems:
            _log.error("catalogue.rejected", problem=str(problem))
        _log_traces(self._current.problems)
        known = set(previous.warnings) if previous else set()
        for warning in (warning for warning in self._current.warnings if warning not in known):
            _log.warning("catalogue.warning", warning=str(warning))
        _log.info("catalogue.loaded", sources=len(self._current.sources), fingerprint=self._current.fingerprint[:12])

    def _refuse(self, error: CatalogueError, fingerprint: str) -> None:
        """`fingerprint` is that of the texts, empty if they could not be read."""
        reason = str(error)
        self._refused_fingerprint = fingerprint
        self._problem = f"{reason}; {_PREVIOUS_RUNS}"
        if reason != self._refused:
            self._refused = reason
            _log.error("catalogue.refused", problem=self._problem)
            _log_traces(error.problems)

    def _accept(self) -> None:
        if self._problem is not None:
            _log.info("catalogue.mended")
        self._problem = self._refused = None


async def _is_same(version: Catalogue | _Unusable | None, fingerprint: str) -> bool:
    """Whether `version` has these texts, and its files are as they were."""
    if version is None or version.fingerprint != fingerprint:
        return False
    return not version.files or not await asyncio.to_thread(version.files.have_changed)


def _log_traces(problems: Iterable[Problem]) -> None:
    for problem in problems:
        if problem.trace:
            _log.error("catalogue.unexpected", problem=str(problem), exception=problem.trace)


def _with_previous(new: Catalogue, previous: Catalogue | None) -> Catalogue:
    """`new`, in which a rejected source that was good before goes on with its previous version and destinations."""
    kept = {id_: previous.sources[id_] for id_ in new.rejected if id_ in previous.sources} if previous else {}
    if not previous or not kept:
        return new
    needed = {destination for source in kept.values() for destination in source.destinations}
    rejected = dict(new.rejected)
    for source_id in kept:
        note = Problem(
            render_path(("sources", source_id)),
            f"rejected; {_PREVIOUS_RUNS}",
            rejected[source_id][0].place,
            is_note=True,
        )
        rejected[source_id] = (*rejected[source_id], note)
    return replace(
        new,
        sources=new.sources | kept,
        destinations={id_: previous.destinations[id_] for id_ in needed - new.destinations.keys()} | new.destinations,
        rejected=rejected,
    )
