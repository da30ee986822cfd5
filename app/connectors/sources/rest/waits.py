"""How long an API asks to wait, by its header `Retry-After` (RFC 9110, section 10.2.3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from dlt.sources.helpers.requests.retry import DEFAULT_RETRY_STATUS

from app.domain.duration import LONGEST_DURATION

if TYPE_CHECKING:
    from requests import Response

LONGEST_PAUSE: Final = timedelta(minutes=5)
"""Longer than this, an attempt does not wait for the next try."""

_TOO_MANY_REQUESTS: Final = 429
_SECONDS: Final = re.compile(r"[0-9]+")


def asked_wait(response: Response) -> timedelta | None:
    """The wait that a response asks for, at most `LONGEST_DURATION`; None if it asks for none."""
    text = response.headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(text):
        wait = timedelta(seconds=min(float(text), LONGEST_DURATION.total_seconds()))
    else:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        wait = min(at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC), LONGEST_DURATION)
    return wait if wait > timedelta() else None


def is_long_wait(response: Response) -> bool:
    """Whether it is a refusal that may be another answer later, but only after more than `LONGEST_PAUSE`."""
    wait = asked_wait(response)
    return wait is not None and wait > LONGEST_PAUSE and response.status_code in DEFAULT_RETRY_STATUS


def when_to_return(response: Response) -> datetime | None:
    """When to try again after the last try: after a long wait, and after any that a 429 asks for. None otherwise."""
    wait = asked_wait(response)
    if wait is None or not (response.status_code == _TOO_MANY_REQUESTS or is_long_wait(response)):
        return None
    return datetime.now(UTC) + wait
