"""Rows that cannot be read, while those after them can: refused, or put aside up to a limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from app.connectors.sources.files.options import FilesParameters

USUAL_LIMIT: Final = 1000
LONGEST_ROW: Final = 4096
"""Characters of a row that are kept."""


class BadRowError(ConfigurationError):
    """One row is wrong; those after it can be read."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """`line` is where it begins; `row` its text, which may be cut."""

    line: int
    reason: str
    row: str


class BadRows:
    """The bad rows of one part: `count` in all, and those that were found since they were last drained."""

    def __init__(self, file: str, parameters: FilesParameters) -> None:
        self.refused = parameters.bad_rows == "refuse"
        self.count = 0
        self._file = file
        self._limit = USUAL_LIMIT if parameters.max_bad_rows is None else parameters.max_bad_rows
        self._needs_a_good_one = parameters.max_bad_rows is None
        self._found: list[BadRow] = []
        self._last: BadRowError | None = None

    def add(self, error: BadRowError, *, line: int, row: str) -> None:
        """Raises `error` if bad rows are refused, and ConfigurationError if there are too many of them."""
        if self.refused:
            raise error
        self.count += 1
        self._last = error
        if self.count > self._limit:
            raise ConfigurationError(
                f"{self._file}: more than {self._limit:,} rows cannot be read, so the options may be wrong; correct "
                f"them, or raise 'max_bad_rows'. The last one: {error}"
            )
        reason = str(error).removeprefix(f"{self._file}, ").removeprefix(f"line {line}, ")
        self._found.append(BadRow(line, reason, _shortened(row)))

    @property
    def waiting(self) -> bool:
        """Whether there are some to drain."""
        return bool(self._found)

    def drain(self) -> list[BadRow]:
        found, self._found = self._found, []
        return sorted(found, key=lambda bad: bad.line)

    def check_end(self, good: int) -> None:
        """Call after the last row; raises ConfigurationError if not one of several was good."""
        if self._needs_a_good_one and self.count > 1 and not good:
            raise ConfigurationError(
                f"{self._file}: not one of its rows can be read, so the options may be wrong; correct them, or set "
                f"'max_bad_rows' if a file may have bad rows alone. The last one: {self._last}"
            )


def _shortened(row: str) -> str:
    text = row.rstrip("\r\n")
    text = text if len(text) <= LONGEST_ROW else f"{text[: LONGEST_ROW - 1]}…"
    # Most databases have no text with this character.
    return text.replace("\0", "\u2400")
