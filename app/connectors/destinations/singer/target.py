"""One run of a target: it gets messages, and the last STATE that it returns says what it has kept."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec

from app.connectors.values import jsontext
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from app.connectors.programs.output_log import OutputLog
    from app.connectors.programs.program import Program


class RunningTarget:
    """Starts with the first message."""

    def __init__(self, program: Program, *, output_log: OutputLog) -> None:
        self._program = program
        self._output_log = output_log
        self._state: Any = ...
        self._error: SynclineError | None = None
        self._input = program.open_input()
        # Its output is read while it is written to: otherwise both sides could wait for each other.
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def send(self, messages: bytes) -> None:
        """Sends them; raises the target's own error if it has ended."""
        try:
            self._input.send(messages)
        except BrokenPipeError:
            self._wait_for_end()
            raise SynclineError("the target ended before it received everything") from None

    def finish(self, bookmark: str | None) -> None:
        """Returns when the target has ended without error and has kept everything up to `bookmark`."""
        self._input.close()
        self._wait_for_end()
        if self._state != {"bookmark": jsontext.decode(bookmark or "null")}:
            echoed = "without a STATE" if self._state is ... else "with another STATE than the last one it was sent"
            raise SynclineError(f"the target ended {echoed}: rows may be missing")

    def stop(self) -> None:
        self._input.close()
        self._program.stop()
        self._reader.join()

    def _wait_for_end(self) -> None:
        self._reader.join()
        if self._error is not None:
            raise self._error

    def _listen(self) -> None:
        try:
            for line in self._program.lines():
                self._handle(line)
        except SynclineError as error:
            self._error = error
        self._output_log.end()

    def _handle(self, line: bytes) -> None:
        """Targets echo a STATE as its value alone."""
        try:
            self._state = jsontext.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            if text := self._program.text(line).strip():
                self._output_log.write(text)
