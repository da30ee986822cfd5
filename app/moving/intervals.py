"""The intervals that one of Jitsu Classic's own drivers has loaded, as the windows of a collection with `interval`.

Classic keeps a signature for each: the time at which it was loaded minus the driver's refresh window, but not after its
last millisecond. With that last millisecond it is not loaded again (server/drivers/base/time_interval.go).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from app.attempt.windows import Loaded
from app.domain.interval import Interval, format_moment
from app.domain.windows import window_begin, window_end

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.domain.windows import Length

_PREFIX: Final = "UTC_"
_FORMATS: Final = {
    "hour": "%Y-%m-%d_%H",
    "day": "%Y-%m-%d",
    "week": "%Y-%m-%d",
    "month": "%Y-%m",
    "quarter": "%Y-%m",
    "year": "%Y",
}
_MILLISECOND: Final = dt.timedelta(milliseconds=1)


def loaded_windows(signatures: Mapping[str, str], length: Length) -> str | None:
    """The bookmark that says the same; None if no signature is of an interval of this length."""
    form = _FORMATS.get(length)
    if form is None:
        return None
    settled: list[Interval] = []
    changing: dict[str, str] = {}
    for begin, signed in sorted(_read(signatures, length, form)):
        end = window_end(length, begin)
        if signed < end - _MILLISECOND:
            changing[format_moment(begin)] = format_moment(signed)
        elif settled and settled[-1].end == begin:
            settled[-1] = Interval(settled[-1].start, end)
        else:
            settled.append(Interval(begin, end))
    return Loaded(length, settled, changing).text() if settled or changing else None


def _read(signatures: Mapping[str, str], length: Length, form: str) -> set[tuple[dt.datetime, dt.datetime]]:
    """Begins of intervals, with the time in the signature."""
    found = set[tuple[dt.datetime, dt.datetime]]()
    prefix = f"{_PREFIX}{length.upper()}_"
    for name, signature in signatures.items():
        if not name.startswith(prefix):
            continue
        try:
            begin = dt.datetime.strptime(name.removeprefix(prefix), form).replace(tzinfo=dt.UTC)
            signed = dt.datetime.fromisoformat(signature)
        except ValueError:
            continue
        found.add((window_begin(length, begin), signed))
    return found
