"""Which fields of which streams are wanted: patterns with `*` and `?`, and `!` before those to leave out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Fields:
    """Patterns for the fields of one stream. Without `wanted`, everything is taken except `unwanted`."""

    wanted: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()

    @classmethod
    def of(cls, patterns: tuple[str, ...]) -> Fields:
        return cls(
            wanted=tuple(each for each in patterns if not each.startswith("!")),
            unwanted=tuple(each.removeprefix("!") for each in patterns if each.startswith("!")),
        )

    def __bool__(self) -> bool:
        return bool(self.wanted or self.unwanted)

    def takes(self, field: str) -> bool:
        return (not self.wanted or _matches(field, self.wanted)) and not _matches(field, self.unwanted)

    def missing(self, fields: set[str]) -> list[str]:
        """The names that are not in `fields`; a pattern with wildcards may match nothing."""
        return [each for each in (*self.wanted, *self.unwanted) if not _WILD.search(each) and each not in fields]

    def of_stream(self, *names: str) -> Fields | None:
        """Where the patterns are `stream.field`: those of one stream under any of its names; None if it is not wanted.

        `stream` alone is the whole of it.
        """
        wanted = _fields_of(names, self.wanted)
        unwanted = _fields_of(names, self.unwanted)
        if (self.wanted and not wanted) or "*" in unwanted:
            return None
        return Fields(wanted=() if "*" in wanted else wanted, unwanted=unwanted)


def _fields_of(names: tuple[str, ...], patterns: tuple[str, ...]) -> tuple[str, ...]:
    found = []
    for pattern in patterns:
        stream, dot, field = pattern.rpartition(".")
        if any(fnmatchcase(name, pattern) for name in names):
            found.append("*")
        elif dot and any(fnmatchcase(name, stream) for name in names):
            found.append(field)
    return tuple(found)


def _matches(field: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(field, pattern) for pattern in patterns)
