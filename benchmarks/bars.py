"""Figures as horizontal bars, one SVG for a report: medians, with a line from the lowest to the highest run."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from benchmarks.report import OURS, format_value
from benchmarks.svg import WIDTH, frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.report import Figure, Report

_LEFT: Final = 190
_RIGHT: Final = 110
_BAR: Final = 16
_STEP: Final = 24
_TITLE: Final = 30
_GAP: Final = 14
_STYLE: Final = """
.range { stroke: #59636e; stroke-width: 1.5 }
.ours { fill: #2f7de1 } .other { fill: #9aa4af }
"""
_DARK: Final = ".range { stroke: #d1d9e0 } .other { fill: #6e7781 }"


def bars(report: Report) -> str | None:
    """The figures that compare sides; None where there are none."""
    figures = [figure for figure in report.figures if len(figure.runs) > 1]
    if not figures:
        return None
    parts: list[str] = []
    top = 0.0
    for figure in figures:
        parts += _panel(figure, top)
        top += _TITLE + _STEP * len(figure.runs) + _GAP
    return frame(report.title, parts, height=top, style=_STYLE, dark=_DARK)


def _panel(figure: Figure, top: float) -> Iterator[str]:
    yield f'<text class="title" x="0" y="{top + 18:g}">{escape(figure.what)} ({escape(figure.unit)})</text>'
    most = max((max(runs) for runs in figure.runs.values()), default=0)
    scale = (WIDTH - _LEFT - _RIGHT) / most if most > 0 else 0.0
    for place, (side, runs) in enumerate(figure.runs.items()):
        y = top + _TITLE + place * _STEP
        middle = y + _BAR / 2
        lowest, median, highest = (
            _LEFT + max(0.0, value) * scale for value in (min(runs), figure.median(side), max(runs))
        )
        kind = "ours" if side.startswith(OURS) else "other"
        yield f'<text x="{_LEFT - 8}" y="{middle + 4.5:g}" text-anchor="end">{escape(side)}</text>'
        yield f'<rect class="{kind}" x="{_LEFT}" y="{y:g}" width="{median - _LEFT:.1f}" height="{_BAR}" rx="2"/>'
        if len(runs) > 1:
            yield f'<line class="range" x1="{lowest:.1f}" x2="{highest:.1f}" y1="{middle:g}" y2="{middle:g}"/>'
        yield f'<text x="{highest + 8:.1f}" y="{middle + 4.5:g}">{format_value(figure.median(side))}</text>'
