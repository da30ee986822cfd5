"""Signs of life of a source: what it has read may wait in a batch for long before it is passed on."""

from __future__ import annotations

from typing import Final


class Reads:
    """How often something has come from the source of this process's attempt; only that it grows matters."""

    def __init__(self) -> None:
        self.count = 0

    def note(self) -> None:
        """Something has come."""
        self.count += 1


READS: Final = Reads()
"""Those of this process, which carries out one attempt."""
