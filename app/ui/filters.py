"""The filter field of a list: words, and qualifiers such as `source:shop state:failing`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.domain.choices import unknown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_MOST_WORDS: Final = 20


@dataclass(frozen=True, slots=True)
class Filter:
    """What somebody has typed; `problem` says what of it is not understood, which then counts for nothing."""

    words: tuple[str, ...]
    qualifiers: Mapping[str, str]
    problem: str | None = None

    @property
    def takes_all(self) -> bool:
        return not self.words and not self.qualifiers

    def takes(self, text: str, value_of: Callable[[str], str]) -> bool:
        """Whether all words are in the text, and each qualifier in the value of its name."""
        return all(word.lower() in text.lower() for word in self.words) and all(
            wanted.lower() in value_of(name).lower() for name, wanted in self.qualifiers.items()
        )


def read_filter(text: str, known: Collection[str]) -> Filter:
    """Read what was typed; the names of qualifiers are those that are known. Quotes hold words together."""
    # No name has a NUL, and the database none anywhere.
    text = text.replace("\0", "")
    try:
        parts = shlex.split(text)
    except ValueError:  # a quote that is still open
        parts = text.split()
    words, qualifiers, problem = [], {}, None
    for part in parts:
        name, colon, value = part.partition(":")
        if not colon:
            words.append(part)
        elif name in known:
            if name in qualifiers:
                problem = f"'{name}:' stands there twice; only the last one counts"
            qualifiers[name] = value
        else:
            problem = unknown_name("qualifier", name, known)
    if len(words) > _MOST_WORDS:
        problem = f"only the first {_MOST_WORDS} words count"
    return Filter(tuple(words[:_MOST_WORDS]), qualifiers, problem)
