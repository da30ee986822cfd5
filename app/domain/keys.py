"""The types of the catalogue's keys: names, days, schedules, durations, and the sections that contain them."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from app.domain.duration import Duration
from app.domain.errors import ConfigurationError
from app.domain.numbers import Whole
from app.domain.text_or import TextOr
from app.domain.visible import make_visible, name_character

_PERCENTAGE = re.compile(r"([0-9]{1,3}(?:\.[0-9]+)?) ?%")

LONGEST_NAME = 255
"""In bytes of UTF-8: three names together must fit into an index row (2,704 bytes)."""

NOTHING = "none"
"""The value that disables a key which would otherwise be inherited: no schedule, no misfire window."""

_MEANT_AS_NOTHING = frozenset({"never", "no", "null", "off", "false", "disable", "disabled", "manual", "-", "~", ""})


def name_problem(name: str) -> str | None:
    """Why `name` cannot be used in ids, URLs and log lines; None if it can."""
    if not name:
        return "a name must not be empty"
    if name != name.strip():
        return "a name must not begin or end with a space"
    if "/" in name:
        return "a name must not contain '/'"
    # Letters of any script are printable; line separators and lone surrogates are not.
    if invisible := next((each for each in name if not each.isprintable()), None):
        return (
            f"the name '{make_visible(name)}' has a character that cannot be seen: replace {name_character(invisible)}"
        )
    if (size := len(name.encode())) > LONGEST_NAME:
        return f"a name must not be longer than {LONGEST_NAME} bytes (it has {size})"
    return None


def _check_name(name: str) -> str:
    if problem := name_problem(name):
        raise ValueError(problem)
    return name


def _check_pool(name: str) -> str:
    _check_name(name)
    if "," in name:
        raise ValueError("the name of a pool must not contain ',', which separates the pools of a worker")
    return name


def parse_pools(text: str) -> tuple[str, ...]:
    """The pools of a worker, written with commas between them.

    Raises:
        ValueError: one of them cannot be the name of a pool.
    """
    return tuple(_check_pool(name.strip()) for name in text.split(","))


def _check_offered(name: str) -> str:
    # The name of an external table or stream, which is not used in URLs.
    _check_name(name.replace("/", "_"))
    return name


def _parse_day(value: Any) -> Any:
    try:
        return dt.datetime.strptime(str(value), "%Y-%m-%d").replace(tzinfo=dt.UTC).date()
    except ValueError:
        raise PydanticCustomError("day", "must be a day written as YYYY-MM-DD") from None


def _check_fires(expression: str, timezone: str = "UTC") -> None:
    # Imported here, because attempts import this module and need no schedules.
    from app.domain.schedule import parse_schedule  # noqa: PLC0415

    parse_schedule(expression, timezone)


def _check_schedule(expression: str | None) -> str | None:
    if expression in (None, NOTHING):
        return None
    try:
        _check_fires(expression)
    except ConfigurationError as error:
        hint = f"; for no schedule write '{NOTHING}'" if expression.lower() in _MEANT_AS_NOTHING else ""
        raise ValueError(f"{error}{hint}") from None
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
    if isinstance(value, str) and value.lower() in _MEANT_AS_NOTHING:
        raise ValueError(f"{value!r} is not a duration; for no window write '{NOTHING}'")
    return None if value == NOTHING else value


def _parse_silence(value: Any) -> Any:
    if isinstance(value, str) and value.lower() in _MEANT_AS_NOTHING:
        raise ValueError(f"{value!r} is not a duration; for no limit write '{NOTHING}'")
    return dt.timedelta() if value == NOTHING else value


def _parse_percentage(value: Any) -> Any:
    if value == NOTHING:
        return None
    found = _PERCENTAGE.fullmatch(str(value).strip())
    if not found or float(found[1]) > 100:  # noqa: PLR2004 -- per cent
        raise ValueError(f"must be a percentage from 0% to 100%, such as 50%; for no limit write '{NOTHING}'")
    return float(found[1])


def _parse_list(value: Any) -> Any:
    if isinstance(value, str):
        return [value]
    if value is None or isinstance(value, list | tuple):
        return value
    raise PydanticCustomError("string_or_list", "must be a string or a list")


Several = TextOr(_parse_list)
"""Accepts a single string instead of a list."""

Name = Annotated[str, AfterValidator(_check_name)]
PoolName = Annotated[str, AfterValidator(_check_pool)]
OfferedName = Annotated[str, AfterValidator(_check_offered)]
Day = Annotated[dt.date, BeforeValidator(_parse_day)]
Names = Annotated[list[Name], Several]
Schedule = Annotated[str | None, AfterValidator(_check_schedule)]
"""None: no schedule, tasks only on request."""
Timezone = Annotated[str, AfterValidator(_check_timezone)]
Timeout = Annotated[Duration, AfterValidator(_check_not_zero)]
Window = Annotated[Duration | None, BeforeValidator(_parse_window, json_schema_input_type=Duration | Literal["none"])]
"""None: unlimited."""
Silence = Annotated[Duration | None, BeforeValidator(_parse_silence, json_schema_input_type=Duration | Literal["none"])]
"""Zero: no limit. None: what the server says."""
_MOST_LEVELS: Final = 100
Levels = Annotated[Whole, Field(ge=0, le=_MOST_LEVELS)]
"""Of objects in each other."""
Percentage = Annotated[
    float | None,
    BeforeValidator(_parse_percentage),
    WithJsonSchema({"type": "string", "pattern": rf"^\s*({_PERCENTAGE.pattern}|{NOTHING})\s*$"}),
]
"""Written with its sign, because 0.5 may mean two things. None: no limit."""
Attempts = Annotated[Whole, Field(ge=1, le=100)]


class Section(BaseModel):
    """A mapping in the catalogue. Defaults are validated too."""

    model_config = ConfigDict(
        extra="forbid",
        coerce_numbers_to_str=True,
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
        # Attempts do not need these models.
        defer_build=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_empty(cls, value: Any) -> Any:
        if value is None:
            return {}
        return {key: inner for key, inner in value.items() if inner is not None} if isinstance(value, dict) else value
