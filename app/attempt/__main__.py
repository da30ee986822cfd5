"""`python -m app.attempt`: an `AttemptJob` on standard input, messages to the descriptor that the worker opened."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from app.hiding import hide_from_others


def main() -> int:
    """The exit code of `process.main`."""
    # Its job has passwords, and it runs programs that need not know them. Before the imports below, which take most of
    # a start; the job comes meanwhile.
    hide_from_others()
    from app.attempt.worker_pipe import WorkerGone, WorkerPipe  # noqa: PLC0415
    from app.domain.attempt_protocol import EVENTS_FD_VARIABLE, LINES_FD_VARIABLE, Hidden  # noqa: PLC0415

    lines = os.environ.pop(LINES_FD_VARIABLE, None)
    pipe = WorkerPipe(int(os.environ.pop(EVENTS_FD_VARIABLE)), lines=None if lines is None else int(lines))
    with suppress(WorkerGone):  # it is noticed again below
        pipe.send(Hidden())
    from app.attempt import process  # noqa: PLC0415

    return process.main(pipe)


if __name__ == "__main__":
    sys.exit(main())
