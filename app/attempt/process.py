"""What the process of an attempt does, from its job to its last message."""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from app.attempt.backfilling import backfill
from app.attempt.copying import synchronise
from app.attempt.counting import count_rows
from app.attempt.describing import describe_types
from app.attempt.dropping import drop_tables
from app.attempt.inspection import check, discover, show_catalog, specify, try_out
from app.attempt.previewing import preview
from app.attempt.worker_pipe import WorkerGone
from app.attempt.workspace import workspace
from app.domain.attempt_protocol import (
    AttemptJob,
    Backfill,
    Check,
    CopyJob,
    CountRows,
    DescribeTypes,
    Discover,
    DropTables,
    Failed,
    Finished,
    Preview,
    Question,
    ShowCatalog,
    Specify,
    Sync,
    TryDestination,
)
from app.domain.errors import (
    ConfigurationError,
    DestinationsUnreachableError,
    LoginRefusedError,
    OvertakenError,
    RetryLaterError,
    SynclineError,
)
from app.failpoints import arm
from app.lifeline import adopt_orphans, end_own_descendants, follow_parent

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from app.attempt.worker_pipe import WorkerPipe

_OBJECTS_BETWEEN_COLLECTIONS: Final = 100_000


class Stopped(BaseException):
    """SIGTERM was received: clean up and exit; the worker knows why."""

    came = False


def main(pipe: WorkerPipe) -> int:
    """0 when everything is copied, 1 after `Failed`, 143 after SIGTERM."""
    signal.signal(signal.SIGTERM, _stop)
    # Rows have no reference cycles, and looking for some took a quarter of an attempt's time.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    # Pydantic looks for plugins in every installed package, which took a tenth of a short attempt.
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    arm(os.environ, allowed=True)  # only a worker that may be armed passes this on
    follow_parent(signal.SIGKILL)
    if pipe.has_no_reader():
        return 1
    adopt_orphans()
    try:
        with suppress(Stopped, WorkerGone):
            ending = _attempt(pipe)
            # What a connector has started must not outlive the task.
            end_own_descendants()
            if not Stopped.came:  # some drivers turn what a signal raises into an error of their own
                pipe.send(ending)
                return 0 if isinstance(ending, Finished) else 1
        return 128 + signal.SIGTERM
    finally:
        end_own_descendants()


def _attempt(pipe: WorkerPipe) -> Finished | Failed:
    try:
        job: AttemptJob = msgspec.json.decode(sys.stdin.buffer.read(), type=AttemptJob)
        with workspace(Path(job.data_dir), name=_name_of(job)) as work_dir:
            return _carry_out(job, work_dir=work_dir, pipe=pipe)
    except SynclineError as error:
        return Failed(
            error=_one_line(error),
            retryable=not isinstance(error, ConfigurationError | OvertakenError),
            login_refused=isinstance(error, LoginRefusedError),
            # Not the time, for the database's clock decides.
            retry_after=(error.at - datetime.now(UTC)).total_seconds() if isinstance(error, RetryLaterError) else None,
            unreachable=error.destinations if isinstance(error, DestinationsUnreachableError) else (),
        )
    except RecursionError:  # JSON from outside; nothing else here has any depth
        traceback.print_exc()
        return Failed(error="the source or its catalog has values that are nested too deeply", retryable=False)
    except Exception as error:  # noqa: BLE001 -- the worker must get every error
        traceback.print_exc()
        return Failed(error=f"{type(error).__name__}: {_one_line(error)}")


def _carry_out(job: AttemptJob, *, work_dir: Path, pipe: WorkerPipe) -> Finished:
    match job:
        case Sync():
            return synchronise(job, work_dir=work_dir, pipe=pipe)
        case Backfill():
            return backfill(job, work_dir=work_dir, pipe=pipe)
        case _:
            return _ANSWERS[type(job)](job, work_dir=work_dir, pipe=pipe)


_ANSWERS: Final[dict[type[Question], Callable[..., Finished]]] = {
    Check: check,
    Discover: discover,
    Specify: specify,
    ShowCatalog: show_catalog,
    Preview: preview,
    DropTables: drop_tables,
    TryDestination: try_out,
    CountRows: count_rows,
    DescribeTypes: describe_types,
}


def _name_of(job: AttemptJob) -> str:
    return f"{job.task}-{job.attempt}" if isinstance(job, CopyJob) else type(job).__name__.lower()


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 -- the signature of a signal's function
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Stopped.came = True
    raise Stopped


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
