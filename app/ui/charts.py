"""Bars, as SVG: how many rows came with each run, or on each day. What they show is said in words as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOWEST: Final = 3


class Bar(NamedTuple):
    """How high it is, the class that colours it, and words that are shown on hover; none: nothing is shown."""

    value: int
    kind: str
    words: str = ""


class Run(NamedTuple):
    """A task that has ended."""

    status: str
    rows: int


class Size(NamedTuple):
    """Of a chart, in pixels; each bar begins `step` after the one before."""

    height: int
    width: int
    step: int


SMALL: Final = Size(height=22, width=5, step=7)
LARGE: Final = Size(height=72, width=23, step=28)


def draw_bars(bars: Sequence[Bar], about: str, size: Size, *, most: int) -> Markup:
    """The last bar is at the right end of a chart for `most`. One without a value but with a kind is low."""
    top = max((bar.value for bar in bars), default=0) or 1
    drawn = [_bar(bar, place, top, size) for place, bar in enumerate(bars, most - len(bars)) if bar.kind]
    return Markup(
        '<svg class="runs" role="img" aria-label="{}" width="{}" height="{}" viewBox="0 0 {} {}">{}</svg>'
    ).format(about, most * size.step, size.height, most * size.step, size.height, Markup("").join(drawn))


def _bar(bar: Bar, place: int, top: int, size: Size) -> Markup:
    height = max(_LOWEST, round(size.height * bar.value / top))
    title = Markup("<title>{}</title>").format(bar.words) if bar.words else ""
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="1">{}</rect>').format(
        bar.kind, place * size.step, size.height - height, size.width, height, title
    )
