"""The measured processes: all are started, held, watched and ended in the same way."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

import psutil

from app.lifeline import end_with_parent
from benchmarks.server import cpu_times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

PATIENCE_SECONDS: Final = 120.0


class Program:
    """A running program; what it says goes to the file `output`, in whose directory it runs."""

    def __init__(self, command: Sequence[str], *, output: Path, environment: Mapping[str, str]) -> None:
        self._output = output
        with output.open("wb") as sink:
            self._process = subprocess.Popen(
                command,
                # Python finds modules in it first, and they need not be those of this checkout.
                cwd=output.parent,
                env={"PATH": os.environ["PATH"], "HOME": str(output.parent), **environment},
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # A program that is held with SIGSTOP heeds nothing but SIGKILL.
                preexec_fn=end_with_parent(signal.SIGKILL),  # noqa: PLW1509 - two short calls that take no lock
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def cpu_seconds(self) -> float:
        """User and system time since its start, ended children included."""
        return sum(cpu_times(self.pid))

    def resident_megabytes(self) -> float:
        """What it and its children hold in memory now (resident), in units of 1,000,000 bytes."""
        own = psutil.Process(self.pid)
        return sum(process.memory_info().rss for process in (own, *own.children())) / 1e6

    def all_processes(self) -> list[psutil.Process]:
        """It, its children, their children and so on."""
        own = psutil.Process(self.pid)
        return [own, *own.children(recursive=True)]

    def all_cpu_seconds(self) -> float:
        """User and system time of it and of its descendants, those that have ended included."""
        return sum(sum(cpu_times(each.pid)) for each in self.all_processes())

    def hold(self) -> None:
        """Let it do nothing until `release`."""
        self._process.send_signal(signal.SIGSTOP)

    def release(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it the polite way. Raises RuntimeError with its last words when it fails or does not end."""
        self._process.send_signal(signal.SIGTERM)
        self.finish()

    def finish(self, *, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for its end. Raises RuntimeError with its last words when it fails or does not end."""
        try:
            code = self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            code = -1
        if code:
            raise RuntimeError(f"{self._process.args!r} ended with {code}: {self.output[-2000:]}")

    def wait_for(
        self, what: str, condition: Callable[[], Any], *, seconds: float = PATIENCE_SECONDS, pause: float = 0.02
    ) -> Any:
        """The first true answer, while the program runs; asked again after a `pause` in seconds."""
        deadline = time.monotonic() + seconds
        while not (answer := condition()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"timed out waiting for {what}: {self.output[-2000:]}")
            time.sleep(pause)
        return answer

    def wait_until_it_says(self, word: str) -> None:
        self.wait_for(f"{word!r} of {self._process.args!r}", lambda: word in self.output)


def run(command: Sequence[str], *, output: Path, environment: Mapping[str, str]) -> str:
    """Runs a program to its end, and returns its output."""
    with Program(command, output=output, environment=environment) as program:
        program.finish()
        return program.output


def proportional_megabytes(process: psutil.Process) -> float:
    """What it holds in memory now, in units of 1,000,000 bytes, with its share of what it shares with others (PSS).

    Raises RuntimeError where the kernel does not show it: attempts hide their memory from all but root.
    """
    try:
        return float(process.memory_full_info().pss) / 1e6
    except psutil.AccessDenied:
        raise RuntimeError("memory of attempts can be measured by root only") from None


@contextmanager
def held(programs: Sequence[Program]) -> Iterator[None]:
    """Programs that do nothing within the block, and begin together after it."""
    for program in programs:
        program.hold()
    try:
        yield
    finally:
        for program in programs:
            program.release()
