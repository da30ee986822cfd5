"""Pages with the same rows as an earlier one: the API ignores the parameter that asks for the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.connectors.sources.rest.answers import has_id
from app.connectors.sources.rest.requested import digest
from app.connectors.values import jsontext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.connectors.contract.passes import Log

_MOST_EQUAL_PAGES: Final = 100
_PREVIOUS: Final = "with the same rows as the previous page"


class Repeats:
    """Compares the pages of one request; `key` are the columns that identify a row, if they are known.

    Rows that nothing identifies may repeat, so pages of them are compared only with the page before.
    """

    def __init__(self, key: Sequence[str], *, log: Log) -> None:
        self._key = key
        self._log = log
        self._seen: set[bytes] = set()
        self._before: bytes | None = None
        self._equal = 1
        self._full = 0

    def describe(self, page: Sequence[Any], outcome: str, *, guessed: bool) -> str | None:
        """Why `page` is one that was read before; a paginator that was `guessed` is wrong more often."""
        if not page:
            return None
        self._full = self._full or len(page)
        # The number of rows and three of them tell pages apart as well as all of them.
        sample = list(page) if guessed or len(page) == 1 else [page[0], page[len(page) // 2], page[-1]]
        found = digest(jsontext.encode([len(page), *sample]))
        self._equal = self._equal + 1 if found == self._before else 1
        self._before = found
        if self._identifies(sample):
            if found in self._seen:
                return _PREVIOUS if self._equal > 1 else "with the same rows as an earlier page"
            self._seen.add(found)
            return None
        # Likewise the last rows of a paginator that was guessed.
        is_wrong = guessed and len(page) >= self._full and all(isinstance(row, dict) and row for row in sample)
        if self._equal > 1 and (is_wrong or self._equal >= _MOST_EQUAL_PAGES):
            return _PREVIOUS
        if self._equal == 2 and sample[0] != sample[-1]:  # noqa: PLR2004 -- once
            self._log("warn", f"{outcome}, {_PREVIOUS}: they are doubled if the API ignores which page is asked for")
        return None

    def _identifies(self, sample: list[Any]) -> bool:
        """Whether its rows differ, and have an id or the key."""
        if len(sample) > 1 and sample[0] == sample[-1]:
            return False
        return all(isinstance(row, dict) and (has_id(row) or self._has_key(row)) for row in sample)

    def _has_key(self, row: dict[str, Any]) -> bool:
        return bool(self._key) and all(row.get(name) is not None for name in self._key)
