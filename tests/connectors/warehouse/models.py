"""What a destination has to have after each pass, in a few lines of dicts and counts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from app.domain.writing import WriteMode
from tests.connectors.passing import Collection, Crash, Killer, Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

APPEND, UPSERT, REPLACE, HISTORY = WriteMode
WAYS = [
    *((mode, True, True) for mode in WriteMode),
    *((mode, False, True) for mode in (APPEND, UPSERT, HISTORY)),
    *((mode, True, False) for mode in (APPEND, REPLACE)),
    (APPEND, False, False),
]
"""Mode, whether all rows are read each time, whether they have a key."""
KEYS = st.integers(1, 6)
CHANGES = st.lists(st.tuples(KEYS, st.sampled_from(["a", "b", None]), st.integers(0, 1)), max_size=8)
PASSES = st.lists(
    st.tuples(CHANGES, st.sets(KEYS, max_size=2), st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=5
)
"""What has changed and what is gone before a pass, whether (3) all is loaded again, at which fail point it crashes."""

A_RESET = 2**52
"""How far one generation is from the next: further than 32 bits hold."""


class Model:
    """What the destination has to have: rows as often as they are there, or versions and whether they count now."""

    def __init__(self, mode: WriteMode, origin: Origin) -> None:
        self._mode = mode
        self._origin = origin
        self._bookmark: str | None = None
        self._rows: Counter[tuple[Any, ...]] = Counter()
        self._ended: Counter[tuple[Any, ...]] = Counter()

    def take(self, *, void: bool) -> None:
        whole = self._origin.full_refresh or void
        read = self._origin.since(None if whole else self._bookmark)
        known = {row[0]: row for row in self._rows}
        coming = {row[0]: row for row in read}
        match self._mode:
            case WriteMode.APPEND if self._origin.full_refresh:
                self._rows.update(read)
            case WriteMode.APPEND if not whole:
                self._rows.update(row for row in read if row not in self._rows)
            case WriteMode.UPSERT if not void:
                self._rows = Counter((known | coming).values())
            case WriteMode.HISTORY:
                gone = {key for key in known if whole and key not in coming}
                changed = {key for key, row in coming.items() if key in known and known[key] != row}
                self._ended.update(known.pop(key) for key in gone | changed)
                self._rows = Counter((known | coming).values())
            case _:
                self._rows = Counter(read)
        if not self._origin.full_refresh and read:
            self._bookmark = str(max(row[1] for row in read))

    @property
    def table(self) -> Counter[tuple[Any, ...]]:
        if self._mode is not HISTORY:
            return self._rows
        versions: Counter[tuple[Any, ...]] = Counter()
        versions.update({(*row, True): number for row, number in self._rows.items()})
        versions.update({(*row, False): number for row, number in self._ended.items()})
        return versions


def checked_passes(
    collection: Collection, killer: Killer, way: tuple[WriteMode, bool, bool], passes: list[Any], *, twice: bool = False
) -> Iterator[Counter[tuple[Any, ...]]]:
    """Loads pass after pass, and yields after each what has to be there. `twice`: some keys come twice in a pass."""
    mode, full_refresh, keyed = way
    origin = Origin(keyed=keyed, full_refresh=full_refresh, twice=twice and keyed and mode is not APPEND)
    model = Model(mode, origin)
    for changes, gone, void, crash_at in passes:
        for key, value, later in changes:
            origin.change(key, value, later=later)
        for key in gone:
            origin.rows.pop(key, None)
        collection.generation += (void == 3) * A_RESET
        model.take(void=void == 3)
        killer.after(crash_at)
        try:
            collection.load(origin)
        except Crash:
            killer.after(0)
            collection.load(origin, again=1)
        yield model.table
