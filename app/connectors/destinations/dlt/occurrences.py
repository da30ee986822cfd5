"""Names for rows without a key, so that rows which a source sends again are recognised and not loaded twice.

Sources send all rows at their last cursor value again. Equal rows have equal cursor values, so either all of them are
sent again or none. The nth of several equal rows is therefore the same row each time, and "these values, nth" its name.
As rows need not be in the order of the cursor, all rows of a pass are counted, in a file of the attempt.

A row without a cursor value is never sent again: it gets a unique name.
"""

from __future__ import annotations

import hashlib
import sqlite3
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa  # type: ignore[import-untyped]

_BYTES: Final = 16
UNIQUE: Final = "~"
"""The first character of unique names."""
_COUNT: Final = "INSERT INTO seen VALUES (?, 0) ON CONFLICT (digest) DO UPDATE SET nth = nth + 1 RETURNING nth"


class Occurrences:
    """Counts equal rows of one pass; `cursor` is the source's cursor column, `attempt` a unique name."""

    def __init__(self, cursor: str, *, attempt: str, path: Path) -> None:
        self._cursor = cursor
        self._attempt = attempt
        self._unique = 0
        # Never rolled back, and removed with the attempt.
        self._counts = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._counts.execute("PRAGMA journal_mode = OFF")
        self._counts.execute("PRAGMA synchronous = OFF")
        self._counts.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY, nth INTEGER NOT NULL) WITHOUT ROWID")

    def names(self, batch: pa.RecordBatch) -> list[str]:
        names = []
        self._counts.execute("BEGIN")
        for row in batch.to_pylist():
            if row[self._cursor] is None:
                self._unique += 1
                names.append(f"{UNIQUE}{self._attempt}-{self._unique}")
                continue
            # Without NULLs: a column that is added later does not rename the rows that lack it.
            values = repr(sorted((name, value) for name, value in row.items() if value is not None))
            digest = hashlib.blake2b(values.encode(), digest_size=_BYTES).digest()
            ((nth,),) = self._counts.execute(_COUNT, (digest,)).fetchall()
            names.append(f"{digest.hex()}-{nth}")
        self._counts.execute("COMMIT")
        return names

    def close(self) -> None:
        self._counts.close()
