"""What programs send, shortened for messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_LINE_BYTES: Final = 200
_NAMES: Final = 20


def excerpt(line: bytes) -> str:
    """The beginning of a line of output."""
    return line[:_LINE_BYTES].decode(errors="replace").strip()


def join_names(names: Iterable[str], *, limit: int = _NAMES) -> str:
    """The first `limit` names in quotes, and how many more there are."""
    quoted = [repr(name) for name in names]
    more = f" and {len(quoted) - limit} more" if len(quoted) > limit else ""
    return ", ".join(quoted[:limit]) + more
