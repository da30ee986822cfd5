"""What the catalogue's keys are made of: names, days, schedules, durations, and the sections that hold them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.domain.duration import Duration
from app.domain.errors import ConfigurationError
from app.domain.numbers import Whole

LONGEST_NAME = 255
"""Bytes of UTF-8: three such names together must fit into a row of an index (2,704 bytes)."""

NOTHING = "none"
"""Written for a key that would otherwise be inherited: no schedule, no misfire window."""


def name_problem(name: str) -> str | None:
    """Why `name` cannot stand in ids, URLs and log lines; None if it can."""
    if not name:
        return "a name must not be empty"
    if name != name.strip():
        return "a name must not begin or end with a space"
    if "/" in name:
        return "a name must not contain '/'"
    # Letters of any script are printable; line separators and lone surrogates are not.
    if not name.isprintable():
        return "a name must not contain control characters"
    if (size := len(name.encode())) > LONGEST_NAME:
        return f"a name must not be longer than {LONGEST_NAME} bytes (it has {size})"
    return None


def _check_name(name: str) -> str:
    if problem := name_problem(name):
        raise ValueError(problem)
    return name


def _check_offered(name: str) -> str:
    # It is a table or a stream of somebody else's, and stands in no URL.
    _check_name(name.replace("/", "_"))
    return name


def _parse_day(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError('must be a day written as "YYYY-MM-DD"')  # noqa: TRY004 (pydantic passes TypeError through)
    try:
        return dt.datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=dt.UTC).date()
    except ValueError:
        raise ValueError('must be a day written as "YYYY-MM-DD"') from None


def _check_fires(expression: str, timezone: str = "UTC") -> None:
    # Here, for an attempt imports this module and has nothing to do with schedules.
    from app.domain.schedule import parse_schedule  # noqa: PLC0415

    parse_schedule(expression, timezone)


def _check_schedule(expression: str | None) -> str | None:
    if expression in (None, NOTHING):
        return None
    try:
        _check_fires(expression)
    except ConfigurationError as error:
        raise ValueError(f"{error}; '{NOTHING}' disables it") from None
    return expression


def _check_timezone(timezone: str) -> str:
    try:
        _check_fires("@daily", timezone)
    except ConfigurationError as error:
        raise ValueError(str(error).removeprefix("schedule '@daily': ")) from None
    return timezone


def _check_not_zero(duration: dt.timedelta) -> dt.timedelta:
    if not duration:
        raise ValueError("must be greater than zero")
    return duration


def _parse_window(value: Any) -> Any:
    return None if value == NOTHING else value


def _parse_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Several = BeforeValidator(_parse_list)
"""A list, or a single text in its place."""

Name = Annotated[str, AfterValidator(_check_name)]
OfferedName = Annotated[str, AfterValidator(_check_offered)]
Day = Annotated[dt.date, BeforeValidator(_parse_day)]
Names = Annotated[list[Name], Several]
Schedule = Annotated[str | None, AfterValidator(_check_schedule)]
"""None: by hand only."""
Timezone = Annotated[str, AfterValidator(_check_timezone)]
Timeout = Annotated[Duration, AfterValidator(_check_not_zero)]
Window = Annotated[Duration | None, BeforeValidator(_parse_window)]
"""None: however long ago."""
Attempts = Annotated[Whole, Field(ge=1, le=100)]


class Section(BaseModel):
    """A mapping of the catalogue; defaults are validated like any value."""

    model_config = ConfigDict(
        extra="forbid",
        coerce_numbers_to_str=True,
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
        # An attempt needs none of these models.
        defer_build=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_empty(cls, value: Any) -> Any:
        if value is None:
            return {}
        return {key: inner for key, inner in value.items() if inner is not None} if isinstance(value, dict) else value
