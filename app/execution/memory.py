"""How much memory an attempt uses, with all processes that it has started, and its limit.

The proportional set size (PSS) of each process is summed: what several processes share counts once. The system hides
that of an attempt from others of its user; then what it does not share with files counts. Both are as in proc(5).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from app.domain.size import format_sizes
from app.execution.limits import LimitExceededError

if TYPE_CHECKING:
    import psutil

_SECONDS: Final = 1.0


async def watch_memory(pid: int, limit: int | None) -> None:
    """Look every second what process `pid` and those below it use. Return only if there is no `limit` (in bytes).

    Raises:
        LimitExceededError: they use more. They must end at once: a polite end could take what memory is left.
    """
    if limit is None:
        return
    while (used := await asyncio.to_thread(used_bytes, pid)) <= limit:  # noqa: ASYNC110 -- memory has no event
        await asyncio.sleep(_SECONDS)
    raise LimitExceededError(
        "max_memory",
        f"used {format_sizes(used, limit)}",
        "raise the source's 'max_memory', or let it read less at once",
        at_once=True,
    )


def used_bytes(pid: int) -> int:
    """What the process and all below it use now; 0 if it has ended."""
    import psutil  # noqa: PLC0415 -- only where there is a limit

    try:
        root = psutil.Process(pid)
        return sum(map(_used, (root, *root.children(recursive=True))))
    except psutil.Error:
        return 0


def _used(process: psutil.Process) -> int:
    import psutil  # noqa: PLC0415 -- likewise

    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", 0) or full.uss)
    except psutil.AccessDenied:
        info = process.memory_info()
        return int(info.rss - getattr(info, "shared", 0))
    except psutil.Error:
        return 0
