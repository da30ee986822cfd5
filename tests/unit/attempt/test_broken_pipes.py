"""Pipes that break in an attempt: only its own to the worker ends it without a word."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from app.attempt import process as child
from app.attempt.sink import Sink, close
from app.attempt.worker_pipe import WorkerGone, WorkerPipe
from app.domain.attempt_protocol import Check, Failed, LogLine
from app.domain.collection import CollectionJob
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.connectors.contract.batches import Batch

BROKEN = BrokenPipeError(32, "Broken pipe")


@pytest.fixture
def deaf() -> Iterator[WorkerPipe]:
    """A pipe whose reader is gone."""
    receiving, sending = os.pipe()
    os.close(receiving)
    pipe = WorkerPipe(sending)
    yield pipe
    with suppress(BrokenPipeError):  # what could not be sent is still there
        pipe.close()


class Destination:
    """It raises what it is told when rows are committed."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def open(self) -> Any: ...

    def begin(self, table: Any) -> None: ...

    def write(self, table: str, batch: Batch) -> None: ...

    def commit(self, _bookmark: str | None, *, final: bool) -> int:
        assert final
        raise self._error

    def close(self) -> None: ...


def test_an_attempt_without_a_worker_ends(deaf: WorkerPipe) -> None:
    with pytest.raises(WorkerGone):
        deaf.send(LogLine("info", "is there anybody?"))


def test_a_line_of_a_program_without_a_worker_ends(deaf: WorkerPipe) -> None:
    with pytest.raises(WorkerGone):
        deaf.send_aside(LogLine("info", "is there anybody?"))


def test_a_broken_pipe_of_a_destination_is_its_failure() -> None:
    sink = Sink("files", Destination(BROKEN))
    assert sink.commit(None, final=True) is None
    with pytest.raises(SynclineError, match=r"^destination 'files': BrokenPipeError: \[Errno 32\] Broken pipe$"):
        close([sink])


def test_a_worker_that_is_gone_is_no_failure_of_a_destination() -> None:
    sink = Sink("target", Destination(WorkerGone()))
    with pytest.raises(WorkerGone):
        sink.commit(None, final=True)
    assert sink.failure is None


def test_a_broken_pipe_anywhere_else_fails_the_attempt_with_a_word(
    deaf: WorkerPipe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def work(*_: Any, **__: Any) -> Any:
        raise BROKEN

    collection = CollectionJob("one", "one", "one", "2024-01-01")
    job = Check(source="shop", source_type="sql", source_config={}, collections=[collection], data_dir=str(tmp_path))
    monkeypatch.setitem(child._ANSWERS, Check, work)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(msgspec.json.encode(job))))
    assert child._attempt(deaf) == Failed("BrokenPipeError: [Errno 32] Broken pipe")
