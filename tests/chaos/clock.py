"""Clocks that jump: libfaketime before one process, told by a file how far its clock is off."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

_OFFSET = 600.0
_ENOUGH = 300.0
# A fork becomes another program within milliseconds.
_LONGEST_FORK_SECONDS = 5.0


def find_libfaketime() -> Path | None:
    """The library of the wheel `libfaketime`; None where there is none, or it does not work on this machine."""
    found = importlib.util.find_spec("libfaketime")
    if found is None or found.origin is None:
        return None
    library = Path(found.origin).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
    return library if library.exists() and _works(library) else None


def jumping_environment(library: Path, file: Path) -> dict[str, str]:
    """The wall clock alone jumps, as it does when a machine's clock is set; what counts intervals goes on."""
    set_clock(file, 0)
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def set_clock(file: Path, seconds: float) -> None:
    file.write_text(f"{seconds:+g}")


async def free_forks(parent: Callable[[], int | None]) -> None:
    """Kill forks of the process with this pid that never become another program. Until canceled.

    libfaketime takes a lock in `pthread_cond_init`, which Python calls in a fork. If another thread has held it at the
    moment of the fork, the fork waits forever, and its parent with it. Without the library there is no such lock.
    """
    before: set[int] = set()
    while True:
        pid = parent()
        forks = set() if pid is None else await asyncio.to_thread(_forks_of, pid)
        for fork in forks & before:
            with suppress(ProcessLookupError):
                os.kill(fork, signal.SIGKILL)
        before = forks
        await asyncio.sleep(_LONGEST_FORK_SECONDS)


def _forks_of(pid: int) -> set[int]:
    """The children that are still the program of their parent."""
    found = set()
    with suppress(psutil.Error):
        parent = psutil.Process(pid)
        command = parent.cmdline()
        for child in parent.children():
            with suppress(psutil.Error):
                if child.cmdline() == command:
                    found.add(child.pid)
    return found


@cache
def _works(library: Path) -> bool:
    told = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time())"],
        env={"LD_PRELOAD": str(library), "FAKETIME": f"+{_OFFSET:g}"},
        capture_output=True,
        text=True,
        check=False,
    )
    now = subprocess.run([sys.executable, "-c", "import time; print(time.time())"], capture_output=True, check=True)
    return told.returncode == 0 and float(told.stdout) - float(now.stdout) > _ENOUGH
