"""What a process shows to others of its user. A tap is such a process, and somebody else's program."""

from __future__ import annotations

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def hide_from_others() -> None:
    """Deny other processes of this user the environment and the memory of this one, on Linux: prctl(2), proc(5).

    A process that it forks is hidden as well, a program that it starts is not. Its command line stays visible. It
    leaves no core dump, and only root can debug it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
