"""The filter field of a list: words, and qualifiers such as `source:shop state:failing`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain.choices import unknown_name

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


@dataclass(frozen=True, slots=True)
class Filter:
    """What somebody has typed; `problem` says what of it is not understood, which then counts for nothing."""

    words: tuple[str, ...]
    qualifiers: Mapping[str, str]
    problem: str | None = None

    def takes(self, text: str, **values: str) -> bool:
        """Whether all words are in the text, and each qualifier in the value of its name."""
        return all(word in text.lower() for word in self.words) and all(
            wanted in values[name].lower() for name, wanted in self.qualifiers.items()
        )


def read_filter(text: str, known: Collection[str]) -> Filter:
    """Read what was typed; the names of qualifiers are those that are known. Quotes hold words together."""
    try:
        parts = shlex.split(text)
    except ValueError:  # a quote that is still open
        parts = text.split()
    words, qualifiers, problem = [], {}, None
    for part in parts:
        name, colon, value = part.partition(":")
        if not colon:
            words.append(part.lower())
        elif name in known:
            qualifiers[name] = value.lower()
        else:
            problem = unknown_name("qualifier", name, known)
    return Filter(tuple(words), qualifiers, problem)
