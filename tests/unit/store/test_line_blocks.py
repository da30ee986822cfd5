"""Lines of a log as blocks: fewer things to send, the same lines."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from hypothesis import given
from hypothesis import strategies as st

from app.store.log import LineBlock, join_blocks

if TYPE_CHECKING:
    from app.domain.attempt_protocol import Level

_LEVELS: Final[list[Level]] = ["info", "error"]
_MILLISECOND = 0.001
_WRITTEN = st.tuples(
    st.sampled_from(_LEVELS),
    st.sampled_from([None, "tap", "target"]),
    st.sampled_from([0.0, _MILLISECOND / 3, _MILLISECOND * 3]),
    st.lists(st.text(st.characters(exclude_characters="\0"), max_size=3), min_size=1, max_size=4),
)


@st.composite
def logs(draw: st.DrawFn) -> list[LineBlock]:
    """Blocks of one log in order, each some time after the one before."""
    first, now, blocks = 1, 0.0, []
    for level, system, later, messages in draw(st.lists(_WRITTEN)):
        now += later
        blocks.append(LineBlock.of(first, now, level, messages, prefix="[t] ", system=system))
        first += len(messages)
    return blocks


@given(logs())
def test_joined_blocks_have_the_same_lines(blocks: list[LineBlock]) -> None:
    before = [line for block in blocks for line in block.lines()]
    after = [line for block in join_blocks(blocks) for line in block.lines()]
    assert [(line.line, line.level, line.system, line.message) for line in after] == [
        (line.line, line.level, line.system, line.message) for line in before
    ]
    assert all(0 <= old.written - new.written < _MILLISECOND for old, new in zip(before, after, strict=True))


@given(logs())
def test_joined_blocks_have_as_many_characters(blocks: list[LineBlock]) -> None:
    characters = sum(len(line.message) for block in blocks for line in block.lines())
    assert sum(block.characters for block in blocks) == characters
    assert sum(block.characters for block in join_blocks(blocks)) == characters


@given(logs())
def test_what_stays_apart_differs_in_level_system_or_time(blocks: list[LineBlock]) -> None:
    for one, other in pairwise(join_blocks(blocks)):
        same = (one.level, one.system) == (other.level, other.system)
        assert not same or other.written - one.written >= _MILLISECOND
