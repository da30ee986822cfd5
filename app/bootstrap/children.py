"""The child processes of `syncline dev`: restarted when they die, stopped together, and never left behind."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from app.domain.errors import ConfigurationError
from app.lifeline import end_with_parent
from app.loops import first_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PAUSE_SECONDS: Final = 1.0
EXIT_CONFIGURATION: Final = 2

_logger = structlog.get_logger("syncline.dev")


class Children:
    """Runs `syncline` commands as child processes until `stop`."""

    def __init__(self, environment: Mapping[str, str], stop: asyncio.Event) -> None:
        self._environment = environment
        self._stop = stop
        self._running: dict[str, asyncio.subprocess.Process] = {}

    async def keep(self, name: str, arguments: Sequence[str]) -> None:
        """Run a command, and restart it when it dies. Returns when it has ended after `stop`.

        Raises:
            ConfigurationError: its configuration is wrong; it has printed why.
        """
        while not self._stop.is_set():
            process = self._running[name] = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "app.cli",
                *arguments,
                env=self._environment,
                # In its own session, so that Ctrl-C reaches only `dev`, which stops the children in order.
                start_new_session=True,
                # SIGKILL, because the embedded server ends with `dev` too, and a drain without a database takes long.
                preexec_fn=end_with_parent(signal.SIGKILL),
            )
            exit_code = await process.wait()
            del self._running[name]
            if exit_code == EXIT_CONFIGURATION:
                self._stop.set()
                raise ConfigurationError(f"the {name} could not start; see the messages above")
            if not self._stop.is_set():
                _logger.error("child.died", child=name, exit_code=exit_code, again_in_seconds=_PAUSE_SECONDS)
                await first_of(self._stop, timeout=_PAUSE_SECONDS)

    def terminate(self) -> None:
        """Tell every child to stop; the second time, to stop without waiting for attempts."""
        for process in self._running.values():
            with suppress(ProcessLookupError):
                process.terminate()
