"""Durations as written in the catalogue: `45s`, `90m`, `1h30m`, `24h`, `7d`, `1.5h`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticKnownError

from app.domain.errors import ConfigurationError

LONGEST_DURATION = timedelta(days=36500)

_SECONDS = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_DURATION = re.compile(
    rf"(?=.)(?:(?P<days>{_NUMBER})d)?(?:(?P<hours>{_NUMBER})h)?(?:(?P<minutes>{_NUMBER})m)?(?:(?P<seconds>{_NUMBER})s)?"
)


def format_duration(duration: timedelta) -> str:
    """Format a duration so that `parse_duration` can read it: `1d12h`, `1m30s`, `0s`."""
    seconds, parts = duration.total_seconds(), []
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        whole, seconds = divmod(seconds, length)
        parts += [f"{whole:.0f}{unit}"] if whole else []
    parts += [f"{seconds:g}s"] if seconds or not parts else []
    return "".join(parts)


def parse_duration(text: str) -> timedelta:
    """Parse days, hours, minutes and seconds, each at most once and in this order.

    Raises:
        ConfigurationError: `text` has another format, or the duration is longer than `LONGEST_DURATION`.
    """
    parts = _DURATION.fullmatch(text.strip())
    if parts is None:
        raise ConfigurationError(
            f"duration {text!r} is not valid; use days, hours, minutes and seconds in this order, "
            f"such as 45s, 90m, 1h30m, 24h or 7d"
        )
    seconds = sum(float(number) * _SECONDS[unit] for unit, number in parts.groupdict("0").items())
    if seconds > LONGEST_DURATION.total_seconds():
        raise ConfigurationError(f"duration {text!r} is too long; use at most {LONGEST_DURATION.days}d")
    return timedelta(seconds=seconds)


def _parse_value(value: Any) -> Any:
    """Validate a key. Pydantic reports only ValueErrors, and would accept a number of seconds."""
    if value is None or isinstance(value, timedelta):  # a default
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise PydanticKnownError("string_type")
    try:
        return parse_duration(str(value))
    except ConfigurationError as error:
        raise ValueError(str(error)) from None


# JSON Schema has no names for groups.
_FORM = re.sub(r"\?P<\w+>", "?:", _DURATION.pattern)

Duration = Annotated[
    timedelta, BeforeValidator(_parse_value), WithJsonSchema({"type": "string", "pattern": rf"^\s*{_FORM}\s*$"})
]
"""The value of a key in the format of `parse_duration`; a number of seconds is not accepted."""
