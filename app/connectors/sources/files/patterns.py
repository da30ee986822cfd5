"""Parts of regular expressions that never give back what they have matched."""

from __future__ import annotations

import sys


def all_of(pattern: str) -> str:
    """A pattern that matches as many of these in a row as there are, perhaps none.

    Python before 3.11.5 (Debian 12 has 3.11.2) gets `(?:…)*+` wrong if it begins to match one more and cannot end it:
    https://github.com/python/cpython/issues/106052. The other form says the same, but keeps all steps in memory.
    """
    return f"(?:{pattern})*+" if sys.version_info >= (3, 11, 5) else f"(?>(?:{pattern})*)"
