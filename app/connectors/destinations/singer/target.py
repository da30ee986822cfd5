"""One run of a target: messages go in, and the last STATE that comes out tells what it has kept."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec

from app.connectors.values import jsontext
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from app.connectors.programs.program import Program
    from app.connectors.programs.spoken import Spoken


class RunningTarget:
    """Starts with the first message."""

    def __init__(self, program: Program, *, spoken: Spoken) -> None:
        self._program = program
        self._spoken = spoken
        self._state: Any = ...
        self._error: SynclineError | None = None
        self._input = program.open_input()
        # What it says has to be read while it is written to: else both would wait for each other.
        self._ear = threading.Thread(target=self._listen, daemon=True)
        self._ear.start()

    def say(self, messages: bytes) -> None:
        """Raises the target's own error if it has ended."""
        try:
            self._input.send(messages)
        except BrokenPipeError:
            self._ended()
            raise SynclineError("the target has ended before it had everything") from None

    def finish(self, bookmark: str | None) -> None:
        """Returns when the target has ended well and has kept everything up to `bookmark`."""
        self._input.close()
        self._ended()
        if self._state != {"bookmark": jsontext.decode(bookmark or "null")}:
            echoed = "without a STATE" if self._state is ... else "with another STATE than it was given last"
            raise SynclineError(f"the target ended {echoed}: rows may be missing")

    def stop(self) -> None:
        self._input.close()
        self._program.stop()
        self._ear.join()

    def _ended(self) -> None:
        self._ear.join()
        if self._error is not None:
            raise self._error

    def _listen(self) -> None:
        try:
            for line in self._program.lines():
                self._hear(line)
        except SynclineError as error:
            self._error = error
        self._spoken.end()

    def _hear(self, line: bytes) -> None:
        """Targets echo a STATE as its value alone."""
        try:
            self._state = jsontext.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            if text := self._program.text(line).strip():
                self._spoken.say(text)
