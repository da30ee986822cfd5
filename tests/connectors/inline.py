"""Attempts in the process of the test, which are cut short where it wants, without the cost of a process each."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import msgspec

from app.attempt import copying
from app.attempt import process as attempt
from app.attempt.sink import Sink
from app.attempt.workspace import workspace
from app.connectors import making
from app.connectors.destinations.postgres.destination import PostgresDestination
from app.connectors.warehouse import warehouse
from app.domain.attempt_protocol import AttemptJob, Failed
from app.domain.errors import SynclineError
from tests.connectors.attempts import Told, complete

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.contract.passes import Destination
    from app.domain.attempt_protocol import AttemptMessage

KILLED, STOPPED = "killed", "stopped"
"""As by SIGKILL, and as by SIGTERM."""
_FEW_RECORDS = 2


class _Cut(BaseException):
    """Ends an attempt as a signal does."""


class Inline:
    """Runs attempts that commit every few rows."""

    def __init__(self) -> None:
        self._messages: list[AttemptMessage] = []
        self._open: list[Destination] = []
        self._how = ""
        self._left = 0

    def run(self, job: dict[str, Any], *, cut: tuple[str, int] | None = None) -> Told | None:
        """What the attempt said; None if it was `cut`, in this way at its so-manieth step: a fail point or a write."""
        self._messages, self._open = [], []
        self._how, self._left = cut or ("", 0)
        try:
            with self._watched():
                self._messages.append(self._end_of(job))
        except _Cut:
            return None
        finally:
            for each in self._open:
                each.close()
        return Told(self._messages)

    def send(self, message: AttemptMessage) -> None:
        self._messages.append(message)

    def _end_of(self, job: dict[str, Any]) -> AttemptMessage:
        decoded: AttemptJob = msgspec.json.decode(json.dumps(complete(job)).encode(), type=AttemptJob)
        try:
            with workspace(Path(decoded.data_dir), name="inline") as work_dir:
                return attempt._carry_out(decoded, work_dir=work_dir, pipe=self)  # type: ignore[arg-type]
        except SynclineError as error:
            return Failed(str(error))

    @contextmanager
    def _watched(self) -> Iterator[None]:
        write, make = Sink.write, making.make_destination

        def watched_write(*arguments: Any) -> None:
            self._step("write")
            write(*arguments)

        def watched_make(*arguments: Any, **more: Any) -> Destination:
            self._open.append(made := make(*arguments, **more))
            return made

        with (
            mock.patch.object(copying, "_COMMIT_RECORDS", _FEW_RECORDS),
            mock.patch.object(copying, "fail_point", self._step),
            mock.patch.object(warehouse, "fail_point", self._step),
            mock.patch.object(Sink, "write", watched_write),
            mock.patch.object(making, "make_destination", watched_make),
        ):
            yield

    def _step(self, _name: str) -> None:
        self._left -= 1
        if self._left:
            return
        for each in self._open:
            if self._how == KILLED and isinstance(each, PostgresDestination):
                each.close()  # so that nothing can be tidied up
        raise _Cut
