"""Names for rows that have no key, so that those which a source sends again are found and not loaded twice.

Sources send all rows at their last cursor value again. Equal rows have equal cursor values, so either all of them come
again or none. The nth of several equal rows therefore is the same row each time, and "these values, nth" its name.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

_BYTES: Final = 16


class Occurrences:
    """The equal rows of one pass; `cursor` is the column by which the source goes on."""

    def __init__(self, cursor: str) -> None:
        self._cursor = cursor
        self._seen: dict[bytes, int] = {}
        self._highest: Any = None
        self._at_highest: set[bytes] = set()

    def names(self, batch: pa.RecordBatch) -> list[str]:
        names = []
        for row in batch.to_pylist():
            # Without NULLs: a column that is added later does not rename the rows that lack it.
            told = repr(sorted((name, value) for name, value in row.items() if value is not None))
            digest = hashlib.blake2b(told.encode(), digest_size=_BYTES).digest()
            nth = self._seen.get(digest, 0)
            self._seen[digest] = nth + 1
            self._watch(row[self._cursor], digest)
            names.append(f"{digest.hex()}-{nth}")
        return names

    def committed(self) -> None:
        """What comes from now on is at the highest cursor value or beyond it."""
        self._seen = {digest: self._seen[digest] for digest in self._at_highest}

    def _watch(self, value: Any, digest: bytes) -> None:
        if value is None:
            return
        if self._highest is None or value > self._highest:
            self._highest, self._at_highest = value, set()
        if value == self._highest:
            self._at_highest.add(digest)
