"""Names with wildcards: `*` stands for any characters and `?` for one; upper and lower case differ."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def is_pattern(name: str) -> bool:
    return "*" in name or "?" in name


def matches(name: str, pattern: str) -> bool:
    """Whether `pattern` is this name, or a pattern for it."""
    return name == pattern or (is_pattern(pattern) and _compiled(pattern).fullmatch(name) is not None)


def matches_any(name: str, patterns: Iterable[str]) -> bool:
    return any(matches(name, each) for each in patterns)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(one) or re.escape(one) for one in pattern), re.DOTALL)
