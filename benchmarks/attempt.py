"""Runs an attempt as a worker does, or any other program, and measures its time and peak memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from app.domain.attempt_protocol import EVENTS_FD_VARIABLE, AttemptMessage, Finished, Sync
from app.domain.collection import CollectionJob
from app.lifeline import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_decode = msgspec.json.Decoder(AttemptMessage).decode


@dataclass(frozen=True, slots=True)
class Ended:
    """Seconds from the start to the end of a process, its largest resident size in units of 1,000,000 bytes, its words.

    The size is that of the largest among the process and those children that it has waited for.
    """

    seconds: float
    megabytes: float
    output: bytes


def job_of(
    source_type: str,
    config: dict[str, Any],
    destination: dict[str, Any],
    *,
    name: str,
    data_dir: Path,
    parameters: dict[str, Any] | None = None,
    **collection: Any,
) -> Sync:
    """The job of a new task that loads the collection `name` into the table of its name."""
    return Sync(
        task=str(uuid.UUID(int=time.time_ns())),  # a destination refuses a task that is older than its last one
        task_id=name,
        attempt=1,
        claim=1,
        source=name,
        source_type=source_type,
        source_config=config,
        collection=CollectionJob(
            **{
                "name": name,
                "type": name,
                "table_name": name,
                "start_date": "2020-01-01",
                "parameters": parameters or {},
            }
            | collection
        ),
        destinations={"warehouse": destination},
        data_dir=str(data_dir),
    )


def attempted(job: Sync) -> tuple[Ended, Finished]:
    """Carry `job` out in a process of its own. Raises RuntimeError with its last words if it fails."""
    receiving, sending = os.pipe()
    with tempfile.TemporaryFile() as given:
        given.write(msgspec.json.encode(job))
        given.seek(0)
        environment = {**os.environ, EVENTS_FD_VARIABLE: str(sending)}
        ended = _ended([sys.executable, "-m", "app.attempt"], given, environment, hears=receiving, passes=sending)
    last = _decode(ended.output.splitlines()[-1])
    if not isinstance(last, Finished):
        raise RuntimeError(f"the attempt did not finish: {last}")  # noqa: TRY004 - it is what the attempt said
    return ended, last


def ran(command: Sequence[str], given: Path | None, *, environment: Mapping[str, str]) -> Ended:
    """Run a program to its end, with the file `given` as its input, and forget what it says.

    Raises RuntimeError if it fails.
    """
    with (given or Path(os.devnull)).open("rb") as opened:
        return _ended(command, opened, environment)


def _ended(
    command: Sequence[str],
    given: Any,
    environment: Mapping[str, str],
    *,
    hears: int | None = None,
    passes: int | None = None,
) -> Ended:
    with tempfile.TemporaryFile() as words:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=given,
            stdout=subprocess.DEVNULL,
            stderr=words,
            env=environment,
            pass_fds=[] if passes is None else [passes],
            preexec_fn=end_with_parent(signal.SIGKILL),  # noqa: PLW1509 - two short calls that take no lock
        )
        output = b""
        if hears is not None and passes is not None:
            os.close(passes)
            with os.fdopen(hears, "rb") as heard:
                output = heard.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        words.seek(0)
        if process.returncode:
            last = (output + words.read())[-2000:].decode(errors="replace")
            raise RuntimeError(f"{command[0]} ended with {process.returncode}: {last}")
    return Ended(seconds, usage.ru_maxrss * 1024 / 1e6, output)
