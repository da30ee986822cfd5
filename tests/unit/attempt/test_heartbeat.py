"""A destination that is at work for long is no silence."""

from __future__ import annotations

import os
import threading

from app.attempt.heartbeat import Heartbeat
from app.connectors.contract.reads import READS, Reads
from app.connectors.programs.pipe import chunks
from app.domain.attempt_protocol import AtWork

PATIENCE_SECONDS = 60


def test_while_a_destination_is_at_work_the_worker_is_told() -> None:
    told = threading.Semaphore(0)
    messages: list[AtWork] = []

    def send(message: AtWork) -> None:
        messages.append(message)
        told.release()

    heartbeat = Heartbeat(send, seconds=0.001)
    for _ in range(2):
        with heartbeat.beating(), heartbeat.working():
            for _ in range(3):
                assert told.acquire(timeout=PATIENCE_SECONDS)
    assert set(messages) == {AtWork()}


class Looks(threading.Event):
    """It is over after some looks."""

    left = 3

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout == 7
        self.left -= 1
        return self.left < 0


def test_while_a_source_is_waited_for_nothing_is_told() -> None:
    messages: list[AtWork] = []
    heartbeat = Heartbeat(messages.append, reads=Reads(), seconds=7)
    heartbeat.beat(Looks())
    assert messages == []
    with heartbeat.working():
        heartbeat.beat(Looks())
    assert messages == [AtWork()] * 3
    heartbeat.beat(Looks())
    assert len(messages) == 3


def test_what_was_read_is_told_although_it_waits_in_a_batch() -> None:
    messages: list[AtWork] = []
    reads = Reads()

    class ReadingOnce(Looks):
        def wait(self, timeout: float | None = None) -> bool:
            if self.left == 2:
                reads.note()
            return super().wait(timeout)

    Heartbeat(messages.append, reads=reads, seconds=7).beat(ReadingOnce())
    assert messages == [AtWork()]


def test_the_output_of_a_program_is_something_that_was_read() -> None:
    receiving, sending = os.pipe()
    os.write(sending, b"{}\n")
    os.close(sending)
    before = READS.count
    assert list(chunks(receiving, has_ended=lambda: False)) == [b"{}\n"]
    os.close(receiving)
    assert READS.count == before + 1
