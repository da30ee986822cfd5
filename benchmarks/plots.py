"""Line charts as SVG: small, axes with their units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from benchmarks.svg import WIDTH, frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_HEIGHT: Final = 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 16, 58, 46
_STYLE: Final = """
.title { font-size: 15px } .grid { stroke: #d5d9df } path { fill: none; stroke-width: 2 }
.s0 { stroke: #1f6feb } .s1 { stroke: #c2410c } .s2 { stroke: #15803d } .s3 { stroke: #7e22ce }
"""
_DARK: Final = """
.grid { stroke: #3a414b }
.s0 { stroke: #79b8ff } .s1 { stroke: #ff9d5c } .s2 { stroke: #5bd17f } .s3 { stroke: #c99bff }
"""


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over a common x axis; `lines` maps a name to its values, one for each of `x`. Both axes begin at 0."""

    title: str
    x_label: str
    y_label: str
    x: Sequence[float]
    lines: Mapping[str, Sequence[float]]

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(frame(self.title, _parts(self), height=_HEIGHT, style=_STYLE, dark=_DARK))


def _parts(chart: Chart) -> Iterator[str]:
    x_step, x_end = _scale(max(chart.x))
    y_step, y_end = _scale(max(max(values) for values in chart.lines.values()))
    bottom, right = _HEIGHT - _BOTTOM, WIDTH - _RIGHT

    def across(value: float) -> float:
        return round(_LEFT + value / x_end * (right - _LEFT), 1)

    def up(value: float) -> float:
        return round(bottom - value / y_end * (bottom - _TOP), 1)

    yield f'<text class="title" x="{_LEFT}" y="20">{escape(chart.title)}</text>'
    for tick in _ticks(y_step, y_end):
        yield f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{up(tick)}" y2="{up(tick)}"/>'
        yield f'<text x="{_LEFT - 8}" y="{up(tick) + 4}" text-anchor="end">{tick:,g}</text>'
    for tick in _ticks(x_step, x_end):
        yield f'<text x="{across(tick)}" y="{bottom + 18}" text-anchor="middle">{tick:,g}</text>'
    middle = (_TOP + bottom) / 2
    yield f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(chart.x_label)}</text>'
    yield f'<text transform="translate(16 {middle}) rotate(-90)" text-anchor="middle">{escape(chart.y_label)}</text>'
    legend = _LEFT
    for number, (name, values) in enumerate(chart.lines.items()):
        points = "L".join(f"{across(x)} {up(y)}" for x, y in zip(chart.x, values, strict=True))
        yield f'<path class="s{number}" d="M{points}"/>'
        yield f'<path class="s{number}" d="M{legend} 38h18"/><text x="{legend + 24}" y="42">{escape(name)}</text>'
        legend += 44 + 7 * len(name)


def _scale(highest: float) -> tuple[float, float]:
    """The distance of two ticks, and the end of the axis: about five ticks of a round distance."""
    rough = (highest or 1) / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return step, math.ceil((highest or 1) / step) * step


def _ticks(step: float, end: float) -> Iterator[float]:
    for number in range(round(end / step) + 1):
        yield round(number * step, 10)
