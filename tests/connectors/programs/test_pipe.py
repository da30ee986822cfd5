from __future__ import annotations

import os
import sys
import tracemalloc
from itertools import repeat
from pathlib import Path

import pytest

from app.connectors.programs.pipe import LONGEST_TEXT_BYTES, Lines, chunks, deepen
from app.domain.errors import ConfigurationError

MEGABYTE = 1 << 20


def test_lines_are_found_wherever_the_chunks_end() -> None:
    assert list(Lines([b"a\n\nb", b"c", b"\n", b"d\n{", b"e"], messages=True)) == [b"a", b"", b"bc", b"d", b"{e"]


def test_a_long_message_stays_whole_and_a_long_text_is_cut() -> None:
    long = b"x" * LONGEST_TEXT_BYTES * 3
    said = [b" {" + long, long + b"\n" + long + b"y\n", b"{}\n", long]
    cut = long[:LONGEST_TEXT_BYTES]
    assert list(Lines(said, messages=True)) == [b" {" + long + long, cut, b"{}", cut]
    assert next(iter(Lines([b"{" + long + b"\n"], messages=False))) == b"{" + cut[1:]


def test_a_mark_of_byte_order_hides_no_message() -> None:
    mark, long = "\ufeff".encode(), b"x" * LONGEST_TEXT_BYTES
    said = [mark, b"{}\n" + mark + b"{" + long, b"\n" + mark + b"text\n"]
    assert list(Lines(said, messages=True)) == [b"{}", b"{" + long, b"text"]
    assert list(Lines([mark + b"text\n"], messages=False)) == [mark + b"text"]


def test_text_without_end_takes_no_memory() -> None:
    tracemalloc.start()
    (line,) = Lines(repeat(b"x" * MEGABYTE, 300), messages=True)
    assert len(line) == LONGEST_TEXT_BYTES
    assert tracemalloc.get_traced_memory()[1] < 10 * MEGABYTE
    tracemalloc.stop()


def test_a_message_without_end_is_refused() -> None:
    said = iter(Lines([b"text\n{}\n{", *repeat(b"x" * MEGABYTE, 1000)], messages=True, text="the tap's output"))
    assert [next(said), next(said)] == [b"text", b"{}"]
    with pytest.raises(ConfigurationError, match="line 3 of the tap's output is a message longer than 16 MiB"):
        next(said)


def test_how_far_the_lines_have_come_is_known_while_they_come() -> None:
    heard = Lines([b"a\nb", b"c\nd", b""], messages=True)
    assert [(heard.number, heard.within) for _ in heard] == [(1, False), (2, False), (2, False)]
    within = Lines([b"a\nb"], messages=True)
    next(iter(within))
    assert (within.number, within.within) == (1, False)


def test_what_a_process_wrote_before_its_end_is_read_however_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr("app.connectors.programs.pipe.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("app.connectors.programs.pipe._CHUNK_BYTES", 1)
    receiving, sending = os.pipe()
    os.write(sending, b"abc")
    assert b"".join(chunks(receiving, has_ended=lambda: True)) == b"abc"
    os.close(sending)
    os.close(receiving)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has pipes of any depth")
def test_a_program_goes_on_while_nobody_reads_for_a_moment() -> None:
    receiving, sending = os.pipe()
    os.set_blocking(sending, False)
    try:
        assert os.write(sending, b"x" * MEGABYTE) < MEGABYTE
        deepen(receiving)
        assert os.write(sending, b"x" * MEGABYTE) > MEGABYTE // 2
    finally:
        os.close(receiving)
        os.close(sending)


def test_a_pipe_that_cannot_be_deepened_stays_as_it_is() -> None:
    with Path(os.devnull).open("rb") as no_pipe:
        deepen(no_pipe.fileno())
