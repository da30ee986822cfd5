"""What a log takes of a flood, and that it tells what it did not take."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from app.domain.flood import BURST_BYTES, BYTES_A_SECOND, Allowance, Bounded

LINE = b"%010d " + b"x" * 1012 + b"\n"
LEFT_OUT = re.compile(
    rb"\[(\d+) lines with (\d+) bytes were dropped here: a log takes 32 MiB at once .* 16 KiB a second\]\n"
)


def flooded(chunks: list[bytes], *, seconds: float = 0.0) -> bytes:
    """What comes of chunks that are `seconds` apart, when nothing more may come at the beginning."""
    allowance = Allowance(0)
    assert allowance.takes(BURST_BYTES, 0)
    bounded = Bounded(allowance)
    said = b"".join(bounded.feed(chunk, number * seconds) for number, chunk in enumerate(chunks, 1))
    return said + bounded.rest()


def test_what_an_honest_program_says_passes_untouched() -> None:
    bounded = Bounded(Allowance(0))
    chunks = [LINE % number for number in range(20_000)]
    assert b"".join(bounded.feed(chunk, 0) for chunk in chunks) + bounded.rest() == b"".join(chunks)


def test_a_flood_takes_what_fits_and_goes_on_by_the_second() -> None:
    allowance = Allowance(0)
    assert allowance.takes(BURST_BYTES, 0)
    assert not allowance.takes(1, 0)
    assert not allowance.takes(BYTES_A_SECOND + 1, 1)
    assert allowance.takes(BYTES_A_SECOND, 1)
    assert not allowance.takes(BURST_BYTES + 1, 1e9), "it never takes more than this at once"


def test_the_last_lines_of_a_flood_are_kept_and_the_gap_is_told() -> None:
    said = flooded([LINE % number for number in range(10_000)])
    head, gap, tail = said.partition(b"[")[0], LEFT_OUT.search(said), said.rpartition(b"]\n")[2]
    assert head == LINE % 0, "a line that has begun is whole"
    assert gap
    assert tail.endswith(LINE % 9999)
    lines = tail.count(b"\n")
    assert 10 < lines < 20
    assert int(gap[1]) + lines == 9999
    assert int(gap[2]) + len(tail) == 9999 * len(LINE % 0)


def test_a_flood_that_becomes_quieter_is_heard_again() -> None:
    allowance = Allowance(0)
    assert allowance.takes(BURST_BYTES, 0)
    bounded = Bounded(allowance)
    flood = b"".join(bounded.feed(LINE % number, 0) for number in range(100))
    later = b"".join(bounded.feed(LINE % number, number - 99) for number in range(100, 120)) + bounded.rest()
    assert flood == LINE % 0
    [gap] = LEFT_OUT.findall(later)
    assert later.endswith(LINE % 119)
    assert 100 < int(gap[0]) < 110
    assert later.count(b"xxx\n") + int(gap[0]) == 119


@given(st.lists(st.binary(max_size=200), max_size=30), st.floats(0, 10))
def test_no_line_is_ever_cut_or_lost_without_a_word(chunks: list[bytes], seconds: float) -> None:
    everything = b"".join(chunks).replace(b"[", b"(")
    said = flooded([chunk.replace(b"[", b"(") for chunk in chunks], seconds=seconds)
    missing = sum(int(lines) for lines, _ in LEFT_OUT.findall(said))
    kept = LEFT_OUT.sub(b"", said)
    assert kept.count(b"\n") + missing == everything.count(b"\n")
    whole = set(everything.split(b"\n"))
    assert set(kept.split(b"\n")) <= whole | {b""}
