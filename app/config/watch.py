"""The current catalogue: read again when its texts change, never replaced by a broken one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from app.config.catalogue import Catalogue, build_catalogue, fingerprint_of
from app.config.problems import CatalogueError, Problem
from app.config.reader import CatalogueReader
from app.config.settling import SettledReader
from app.connectors.options.complaints import render_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from app.config.documents import Document

_log = structlog.get_logger(__name__)
_PREVIOUS_RUNS = "the previous version stays in use"


class CatalogueWatcher:
    """Holds the `current` catalogue of the file at `path` and replaces it as a whole when there is a good new version.

    A new version counts when two readings a moment apart agree. One that cannot be used leaves the current one in
    place; `problem` has the reason until that is fixed. A source that is broken in an otherwise good version keeps its
    previous version, and is listed as rejected. The constructor reads nothing: `await watcher.refresh()` once, then
    run `run()` for as long as changes matter.
    """

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._reader = CatalogueReader(path, environment)
        self._settled = SettledReader(self._reader)
        self._current: Catalogue | None = None
        self._problem: str | None = None
        self._refused: str | None = None
        self._unusable: tuple[str, CatalogueError] | None = None
        self._lock = asyncio.Lock()
        self._begun = 0

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
        """Read again every `server.sources_reload_sec` until canceled."""
        while True:
            await asyncio.sleep(self.current.server.sources_reload_sec)
            await self.refresh()

    async def refresh(self) -> bool:
        """Read the texts now, until they stop changing; whether there is a new catalogue since this call.

        Calls at the same time share a reading that began after them.

        Raises:
            CatalogueError: there is no catalogue yet and this one cannot be used.
        """
        before, wanted = self._current, self._begun + 1
        async with self._lock:
            if self._begun < wanted:
                self._begun += 1
                await self._read()
        return self._current is not before

    async def _read(self) -> None:
        try:
            with self._reader.refusing():
                new = await asyncio.to_thread(self._build_if_changed, *await self._settled.read())
        except CatalogueError as error:
            if self._current is None:
                _log_traces(error.problems)
                raise
            self._refuse(error)
            return
        if new is not None:
            self._replace(new)
        self._accept()

    def _build_if_changed(self, main: Document, separate: Document | None) -> Catalogue | None:
        fingerprint = fingerprint_of(main, separate)
        if self._current and self._current.fingerprint == fingerprint:
            return None
        if self._unusable is None or self._unusable[0] != fingerprint:
            try:
                with self._reader.refusing():
                    return build_catalogue(main, separate, self._environment, directory=self._reader.directory)
            except CatalogueError as error:
                # Kept, so that a version that stays broken is read once, not every second.
                self._unusable = (fingerprint, error)
        # A new error each time: one that is raised repeatedly collects the traces of all times.
        raise CatalogueError(self._unusable[1].problems)

    def _replace(self, new: Catalogue) -> None:
        previous, self._current = self._current, _with_previous(new, self._current)
        for problem in self._current.problems:
            _log.error("catalogue.rejected", problem=str(problem))
        _log_traces(self._current.problems)
        known = set(previous.warnings) if previous else set()
        for warning in (warning for warning in self._current.warnings if warning not in known):
            _log.warning("catalogue.warning", warning=str(warning))
        _log.info("catalogue.loaded", sources=len(self._current.sources), fingerprint=self._current.fingerprint[:12])

    def _refuse(self, error: CatalogueError) -> None:
        reason = str(error)
        self._problem = f"{reason}; {_PREVIOUS_RUNS}"
        if reason != self._refused:
            self._refused = reason
            _log.error("catalogue.refused", problem=self._problem)
            _log_traces(error.problems)

    def _accept(self) -> None:
        if self._problem is not None:
            _log.info("catalogue.mended")
        self._problem = self._refused = None


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
        note = Problem(render_path(("sources", source_id)), f"rejected; {_PREVIOUS_RUNS}", rejected[source_id][0].place)
        rejected[source_id] = (*rejected[source_id], note)
    return replace(
        new,
        sources=new.sources | kept,
        destinations={id_: previous.destinations[id_] for id_ in needed - new.destinations.keys()} | new.destinations,
        rejected=rejected,
    )
