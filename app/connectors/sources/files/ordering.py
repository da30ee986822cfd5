"""The order in which files are read: with a key, the last row counts."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from app.connectors.sources.files.signatures import TIMES

if TYPE_CHECKING:
    from collections.abc import Mapping

_NUMBER: Final = re.compile(r"([0-9]+)")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def by_name(name: str) -> tuple[list[str | int], str]:
    """A key that sorts `export_9` before `export_10`."""
    # Text and numbers take turns, so that like is compared with like.
    parts = [int(part) if at % 2 else part for at, part in enumerate(_NUMBER.split(name))]
    return parts, name


def modified_of(described: Mapping[str, Any]) -> int | None:
    """When a file was modified, in nanoseconds since 1970; None if its file system does not say."""
    for key in TIMES:
        if (moment := described.get(key)) is not None:
            return moment if key == "mtime_ns" else _nanoseconds(moment)
    return None


def _nanoseconds(moment: datetime | float | str) -> int | None:
    if isinstance(moment, int | float):
        return int(moment * 1_000_000_000)
    if isinstance(moment, str):
        parsed = _parse(moment)
        if parsed is None:
            return None
        moment = parsed
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


def _parse(moment: str) -> datetime | None:
    """Of Google Cloud Storage or of an HTTP header."""
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return parse(moment)
        except ValueError:
            continue
    return None
