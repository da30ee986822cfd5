"""Shows the beginning of a long text."""

from __future__ import annotations


def shortened(text: str, longest: int) -> str:
    """At most `longest` characters of the text; `…` stands for the rest.

    Take secrets out of the text before: half a secret would not be recognised.
    """
    return text if len(text) <= longest else f"{text[:longest]}…"
