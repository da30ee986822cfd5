"""The frame of every picture: an SVG document with a title, and colours for a light and a dark colour scheme."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

WIDTH: Final = 720
_TEXT: Final = "text { font: 12px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600 }"
_DARK_TEXT: Final = "text { fill: #e6edf3 }"


def frame(title: str, parts: Iterable[str], *, height: float, style: str, dark: str) -> str:
    """A document of WIDTH × `height` pixels; `style` has the rules for its parts, `dark` what differs in the dark."""
    size = f'viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}"'
    schemes = f"{_TEXT}\n{style.strip()}\n@media (prefers-color-scheme: dark) {{\n{_DARK_TEXT}\n{dark.strip()}\n}}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>\n{schemes}\n</style>",
            *parts,
            "</svg>",
            "",
        ]
    )
