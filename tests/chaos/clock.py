"""Clocks that jump: libfaketime before one process, told by a file how far its clock is off."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from functools import cache
from pathlib import Path

_OFFSET = 600.0
_ENOUGH = 300.0


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
