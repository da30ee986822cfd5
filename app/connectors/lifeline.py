"""A process that cannot outlive the one that started it (Linux; elsewhere the starter has to clean up)."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: between fork and exec nothing may be imported.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """SIGKILL for this process as soon as the thread that started it ends, prctl(2).

    A parent that ended before this call is not noticed: look for it afterwards.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
