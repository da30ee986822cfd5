"""Processes that cannot outlive the one that started them (Linux; elsewhere the starter has to clean up)."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from signal import Signals

_PR_SET_PDEATHSIG: Final = 1
# Loaded before any fork: between fork and exec nothing may be imported and no lock be taken.
_libc: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


def end_with_parent(number: Signals) -> Callable[[], None] | None:
    """For `preexec_fn`: the new program gets this signal as soon as the thread that starts it ends, prctl(2)."""
    return partial(_follow, os.getpid(), number) if _libc else None


def follow_parent(number: Signals) -> None:
    """The same, asked for by the started process itself.

    A parent that ended before this call is not noticed: look for it afterwards.
    """
    if _libc:
        _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def _follow(parent: int, number: Signals) -> None:
    follow_parent(number)
    if os.getppid() != parent:  # it was gone before the kernel was asked
        os._exit(1)
