"""Attempts in processes forked from one that has imported everything: imports are most of what a short attempt does.

Process group, pipes and signals are as under a worker. Tests of the worker, of clusters and of faults run the real
command.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import ForkServerProcess

_EVERYTHING: Final = f"{__package__}.imported"
_FORKING: Final = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload([_EVERYTHING])


def fork_attempt(
    job: bytes, *, events: int, environment: dict[str, str], prepare: Callable[[], None] | None
) -> ForkServerProcess:
    """An attempt with this job, which sends its messages to `events`; it leads a process group.

    `prepare` is called there before the attempt begins: a function of a module, or a `partial` of one.
    """
    ready, leads = os.pipe()
    with tempfile.TemporaryFile() as stdin, os.fdopen(ready, "rb") as waiting:
        stdin.write(job)
        stdin.seek(0)
        files = [DupFd(file) for file in (stdin.fileno(), 1, 2, events, leads)]
        process = _FORKING.Process(target=_run, args=(files, environment, Path.cwd(), prepare))
        process.start()
        os.close(leads)
        waiting.read()
    return process


def _run(files: list[Any], environment: dict[str, str], directory: Path, prepare: Callable[[], None] | None) -> None:
    if _EVERYTHING not in sys.modules:
        raise RuntimeError(f"{_EVERYTHING} could not be imported, which forkserver keeps to itself")
    stdin, stdout, stderr, events, leads = (file.detach() for file in files)
    os.setsid()
    os.close(leads)
    for number, file in enumerate((stdin, stdout, stderr)):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = os.fdopen(0, closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(directory)
    # The test itself does not need them.
    from app.attempt import process as attempt  # noqa: PLC0415
    from app.attempt.worker_pipe import WorkerPipe  # noqa: PLC0415

    if prepare is not None:
        prepare()
    sys.exit(attempt.main(WorkerPipe(events)))
