"""Messages and lines on their way to the worker."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import BinaryIO

import msgspec

from app.attempt.report import WorkerLog
from app.attempt.worker_pipe import WorkerPipe
from app.domain.attempt_protocol import LogLine

# More than a pipe takes at once, and than a buffer.
LONG = "x" * 100_000


def received(file: BinaryIO) -> list[LogLine]:
    with file:
        return [msgspec.json.decode(line, type=LogLine) for line in file]


def test_what_several_threads_send_comes_whole_and_of_each_in_order() -> None:
    receiving, sending = os.pipe()
    pipe = WorkerPipe(sending)

    def send(thread: int) -> None:
        for number in range(20):
            pipe.send_aside(LogLine("debug", f"{number} {LONG if number % 2 else ''}", str(thread)))

    with ThreadPoolExecutor(5) as threads:
        reading = threads.submit(received, os.fdopen(receiving, "rb"))
        for sent in [threads.submit(send, thread) for thread in range(4)]:
            sent.result()
        pipe.close()
        lines = reading.result()
    for thread in range(4):
        assert [int(line.message.split()[0]) for line in lines if line.system == str(thread)] == [*range(20)]


def test_lines_aside_have_a_pipe_of_their_own_and_no_message_waits_for_them() -> None:
    (messages, sending), (lines, aside) = os.pipe(), os.pipe()
    pipe = WorkerPipe(sending, lines=aside)
    with ThreadPoolExecutor(1) as threads:
        log = WorkerLog(pipe)
        # Nobody reads it yet.
        waiting = threads.submit(log.of_program("tap-shop", aside=True), "warn", LONG)
        log("info", "of Syncline")
        log.of_program("tap-shop")("debug", "on standard output")
        with os.fdopen(messages, "rb") as file:
            read = [msgspec.json.decode(file.readline(), type=LogLine) for _ in range(2)]
            assert not waiting.done()
            with os.fdopen(lines, "rb") as other:
                assert msgspec.json.decode(other.readline(), type=LogLine) == LogLine("warn", LONG, "tap-shop")
                waiting.result()
    assert read == [LogLine("info", "of Syncline"), LogLine("debug", "on standard output", "tap-shop")]
    with closing(pipe):
        assert not os.get_inheritable(sending)
        assert not os.get_inheritable(aside)
