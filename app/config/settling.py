"""Reads a catalogue until two readings a moment apart agree, because a file may be read while it is being written."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.config.problems import CatalogueError, Problem

if TYPE_CHECKING:
    from app.config.files import NamedFiles
    from app.config.reader import CatalogueReader
    from app.config.texts import Texts

_MOMENT_SECONDS: Final = 0.3
MOST_READINGS: Final = 20


@dataclass(frozen=True, slots=True)
class _Reading:
    """The texts at one moment, as documents or with the reason why they are none."""

    texts: tuple[str, ...]
    outcome: Texts | CatalogueError
    is_final: bool

    def agrees_with(self, other: _Reading | None) -> bool:
        if other is None:
            return False
        if isinstance(self.outcome, CatalogueError) or isinstance(other.outcome, CatalogueError):
            return (self.texts, str(self.outcome)) == (other.texts, str(other.outcome))
        # Not the texts: a server may write the time into a comment of every answer.
        return self.outcome.values == other.outcome.values


class SettledReader:
    """Returns what `reader` reads once it has stopped changing. What was returned last is not read twice."""

    def __init__(self, reader: CatalogueReader) -> None:
        self._reader = reader
        self._last: _Reading | None = None

    async def read(self) -> Texts:
        """The catalogue and its separate parts.

        Raises:
            CatalogueError: a text cannot be read, is not YAML, or keeps changing.
        """
        reading = await self._look()
        if not reading.agrees_with(self._last):
            reading = await self._settle(reading)
        self._last = reading
        if isinstance(reading.outcome, CatalogueError):
            # A new error each time: one that is raised repeatedly collects the traces of all times.
            raise CatalogueError(reading.outcome.problems)
        return reading.outcome

    async def _settle(self, reading: _Reading) -> _Reading:
        for _ in range(MOST_READINGS):
            if reading.is_final:
                return reading
            await pause()
            previous, reading = reading, await self._look()
            if reading.agrees_with(previous):
                return reading
        message = f"is being written: {MOST_READINGS} readings all differ; write to another file, then rename it"
        raise CatalogueError([Problem("", message, self._reader.name)])

    async def _look(self) -> _Reading:
        return await asyncio.to_thread(self._read)

    def _read(self) -> _Reading:
        outcome: Texts | CatalogueError
        try:
            with self._reader.refusing():
                outcome = self._reader.read()
        except CatalogueError as error:
            outcome = error
        return _Reading(tuple(self._reader.texts), outcome, self._reader.is_final)


async def have_settled(files: NamedFiles) -> bool:
    """Whether these files are the same a moment later."""
    if not files:
        return True
    await pause()
    return not await asyncio.to_thread(files.have_changed)


async def pause() -> None:
    """Let a moment pass, in which a writer may go on."""
    await asyncio.sleep(_MOMENT_SECONDS)
