"""Makes text safe to print: no invisible characters, and no terminal control sequences."""

from __future__ import annotations

import unicodedata


def make_visible(text: str) -> str:
    r"""`text` in one line, with invisible characters escaped: `a\x1bb`, `new\u200byork`."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def name_character(character: str) -> str:
    """`U+200B (zero width space)`; controls have a number alone."""
    name = unicodedata.name(character, "").lower()
    return f"U+{ord(character):04X}" + (f" ({name})" if name else "")
