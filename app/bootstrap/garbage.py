"""How often a long-running process collects garbage."""

from __future__ import annotations

import gc
from typing import Final

_OBJECTS_BETWEEN_COLLECTIONS: Final = 10_000


def tune_garbage_collector() -> None:
    """Run the garbage collector less often, and exclude objects that exist now, which stay.

    With a catalogue of 30,000 collections, it took a quarter of a busy worker's time; with pages of 10,000 events,
    a sixth of a replica's.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 10, 10)
