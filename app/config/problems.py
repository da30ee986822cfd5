"""What is wrong in a catalogue, one line each: its place in the file, the key's path, and what is valid."""

from __future__ import annotations

import traceback
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.connectors.options.complaints import KeyPath, render_path
from app.domain.errors import ConfigurationError
from app.domain.redaction import mask_secrets
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from collections.abc import Iterable

PlaceOf = typing.Callable[[KeyPath], str]

_LONGEST_TRACE = 40


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    `path` is the key (`sources.load.collections[0].schedule`), `place` is `file:line` where it is known. `trace` is
    where in Syncline an unexpected error came from: only the calls, not the error's own message. `is_note`: it says
    what a watcher does about the others.
    """

    path: str
    message: str
    place: str = ""
    trace: str = ""
    is_note: bool = False

    def __post_init__(self) -> None:
        # A URL with a password may stand anywhere, even in the place of a name.
        object.__setattr__(self, "path", mask_secrets(self.path))
        object.__setattr__(self, "message", mask_secrets(self.message))

    def __str__(self) -> str:
        """Always one line: line breaks, terminal commands and invisible characters are escaped."""
        return make_visible(": ".join(part for part in (self.place, self.path, self.message) if part))


class CatalogueError(ConfigurationError):
    """The catalogue as a whole cannot be used; `problems` has everything that is wrong with it at once."""

    def __init__(self, problems: Iterable[Problem], warnings: Iterable[Problem] = ()) -> None:
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)
        super().__init__("; ".join(map(str, self.problems)))


def in_file_order(problems: Iterable[Problem]) -> list[Problem]:
    """Sorted by file, then by line."""
    return sorted(problems, key=_file_and_line)


def _file_and_line(problem: Problem) -> tuple[str, int]:
    name, _, line = problem.place.rpartition(":")
    return (name, int(line)) if line.isdecimal() else (problem.place, 0)


def nowhere(_path: KeyPath) -> str:
    """The place of a key in a text without lines."""
    return ""


def problem_at(path: KeyPath, message: str, place: PlaceOf = nowhere) -> Problem:
    return Problem(render_path(path), message, place(path))


def unexpected(error: Exception, path: KeyPath, place: PlaceOf = nowhere) -> Problem:
    """A bug in Syncline as a problem: reading a catalogue must never end a process that has a good one.

    Without the error's own message, which may hold any part of the text, such as half of a password with a `#`.
    """
    calls = ((frame.f_globals.get("__name__", ""), line) for frame, line in traceback.walk_tb(error.__traceback__))
    module, line = next((call for call in reversed([*calls]) if call[0].startswith("app.")), ("syncline", 0))
    return Problem(
        render_path(path),
        f"unexpected error: {type(error).__name__} in {module}, line {line}; this is a bug, please report it",
        place(path),
        # Only the last calls: an endless recursion has a thousand.
        trace="".join(traceback.format_tb(error.__traceback__, limit=-_LONGEST_TRACE)),
    )
