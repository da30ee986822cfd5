"""Messages that would be passed over, although rows are in them."""

from __future__ import annotations

import re
from typing import Final

from app.domain.errors import SynclineError

_CARRYING: Final = ("RECORD", "SCHEMA", "STATE")
_MESSAGE: Final = re.compile(rb'"type"\s*:\s*"(RECORD|SCHEMA|STATE)"')
_SHOWN_BYTES: Final = 200


def check_text(line: bytes, *, program: str) -> None:
    """Raises `SynclineError` where a `line` that is no message has one within: a text before it has no end of line."""
    if b'"type"' in line and (found := _MESSAGE.search(line)):
        shown = line[: found.end()][-_SHOWN_BYTES:].decode(errors="replace").strip()
        raise SynclineError(f"{program} wrote a message behind text in one line, where it would be lost: {shown}")


def check_type(type_: str, *, program: str) -> None:
    """Raises `SynclineError` for a type that is only spelled otherwise than one that carries data."""
    if type_.strip().upper() in _CARRYING:
        raise SynclineError(f"{program} sent a message of the type {type_!r}, valid are: {', '.join(_CARRYING)}")
