from __future__ import annotations

import os
import tracemalloc
from itertools import repeat

import pytest

from app.connectors.programs.pipe import LONGEST_TEXT_BYTES, chunks, lines
from app.domain.errors import ConfigurationError

MEGABYTE = 1 << 20


def test_lines_are_found_wherever_the_chunks_end() -> None:
    assert list(lines([b"a\n\nb", b"c", b"\n", b"d\n{", b"e"], messages=True)) == [b"a", b"", b"bc", b"d", b"{e"]


def test_a_long_message_stays_whole_and_a_long_text_is_cut() -> None:
    long = b"x" * LONGEST_TEXT_BYTES * 3
    said = [b" {" + long, long + b"\n" + long + b"y\n", b"{}\n", long]
    cut = long[:LONGEST_TEXT_BYTES]
    assert list(lines(said, messages=True)) == [b" {" + long + long, cut, b"{}", cut]
    assert next(lines([b"{" + long + b"\n"], messages=False)) == b"{" + cut[1:]


def test_text_without_end_takes_no_memory() -> None:
    tracemalloc.start()
    (line,) = lines(repeat(b"x" * MEGABYTE, 300), messages=True)
    assert len(line) == LONGEST_TEXT_BYTES
    assert tracemalloc.get_traced_memory()[1] < 10 * MEGABYTE
    tracemalloc.stop()


def test_a_message_without_end_is_refused() -> None:
    said = lines([b"text\n{}\n{", *repeat(b"x" * MEGABYTE, 1000)], messages=True, program="the tap")
    assert [next(said), next(said)] == [b"text", b"{}"]
    with pytest.raises(ConfigurationError, match="the tap's message 2 is longer than 64 MB"):
        next(said)


def test_what_a_process_wrote_before_its_end_is_read_however_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr("app.connectors.programs.pipe.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("app.connectors.programs.pipe._CHUNK_BYTES", 1)
    receiving, sending = os.pipe()
    os.write(sending, b"abc")
    assert b"".join(chunks(receiving, has_ended=lambda: True)) == b"abc"
    os.close(sending)
    os.close(receiving)
