"""Stop signals: the first one starts a drain, the second one cuts it short."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StopSignals:
    """`stop` after the first SIGTERM or SIGINT, `hurry` after the second."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def listen(cls) -> StopSignals:
        """Handle the signals in the running loop. Call it before anything that takes time."""
        signals = cls()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, signals._take_signal)
        return signals

    def _take_signal(self) -> None:
        (self.hurry if self.stop.is_set() else self.stop).set()
