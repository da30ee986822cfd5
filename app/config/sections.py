"""The catalogue's sections as they are written: unknown keys are refused, an empty value counts as absent."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.connectors.options.numbers import Number, Whole
from app.connectors.options.types import Several
from app.domain.duration import parse_duration
from app.domain.errors import ConfigurationError
from app.domain.schedule import parse_schedule
from app.domain.windows import Length  # noqa: TC001 - pydantic reads the annotations
from app.domain.writing import SchemaPolicy, WriteMode  # noqa: TC001 - pydantic reads the annotations

LONGEST_NAME = 255
"""Bytes of UTF-8: three such names together must fit into a row of an index (2,704 bytes)."""

MOST_RUNS = 1_000_000
NOTHING = "none"
"""Written for a key that would otherwise be inherited: no schedule, no misfire window."""

Misfire = Literal["skip", "latest", "all"]
SyncMode = Literal["full_refresh", "incremental"]


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
        return f"a name must have at most {LONGEST_NAME} bytes, not {size}"
    return None


def _check_name(name: str) -> str:
    if problem := name_problem(name):
        raise ValueError(problem)
    return name


def _check_offered(name: str) -> str:
    # It is a table or a stream of somebody else's, and stands in no URL.
    _check_name(name.replace("/", "_"))
    return name


def _day(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError('must be a day written as "YYYY-MM-DD"')  # noqa: TRY004 (pydantic passes TypeError through)
    try:
        return dt.datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=dt.UTC).date()
    except ValueError:
        raise ValueError('must be a day written as "YYYY-MM-DD"') from None


def _check_schedule(expression: str) -> str:
    if expression not in ("", NOTHING):
        try:
            parse_schedule(expression)
        except ConfigurationError as error:
            raise ValueError(f"{error}; '{NOTHING}' means by hand only") from None
    return expression


def _check_timezone(timezone: str) -> str:
    try:
        parse_schedule("@daily", timezone)
    except ConfigurationError as error:
        raise ValueError(str(error).removeprefix("schedule '@daily': ")) from None
    return timezone


def _duration(value: Any) -> dt.timedelta:
    try:
        return parse_duration(str(value))
    except ConfigurationError as error:
        raise ValueError(str(error)) from None


def _positive_duration(value: Any) -> dt.timedelta:
    if duration := _duration(value):
        return duration
    raise ValueError("must be longer than nothing")


def _window(value: Any) -> Any:
    return NOTHING if value == NOTHING else _duration(value)


def _days(value: Any) -> Any:
    return 0 if value == NOTHING else _said(value)


def _said(value: Any) -> Any:
    if value is None:
        raise ValueError("must not be empty: 0 means for ever, without the key the default counts")
    return value


Name = Annotated[str, AfterValidator(_check_name)]
OfferedName = Annotated[str, AfterValidator(_check_offered)]
Day = Annotated[dt.date, BeforeValidator(_day)]
Names = Annotated[list[Name], Several]
Schedule = Annotated[str, AfterValidator(_check_schedule)]
Timezone = Annotated[str, AfterValidator(_check_timezone)]
Timeout = Annotated[dt.timedelta, BeforeValidator(_positive_duration)]
Duration = Annotated[dt.timedelta, BeforeValidator(_duration)]
Window = Annotated[dt.timedelta | Literal["none"], BeforeValidator(_window)]
Days = Annotated[Whole, BeforeValidator(_days)]
Runs = Annotated[Whole, BeforeValidator(_said)]
Attempts = Annotated[Whole, Field(ge=1, le=100)]


class Section(BaseModel):
    """A mapping of the catalogue; defaults are validated like any value."""

    model_config = ConfigDict(
        extra="forbid", coerce_numbers_to_str=True, frozen=True, hide_input_in_errors=True, validate_default=True
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, value: Any) -> Any:
        if value is None:
            return {}
        return {key: inner for key, inner in value.items() if inner is not None} if isinstance(value, dict) else value


class Pool(Section):
    """`size` attempts run at once in one worker; 0: this process runs none."""

    size: Whole = Field(default=16, ge=0, le=1000)


class Stalled(Section):
    """`last_heartbeat_threshold_seconds` is the length of a worker's lease."""

    last_heartbeat_threshold_seconds: Number = Field(default=60, ge=1, le=86_400, allow_inf_nan=False)
    observe_stalled_every_seconds: Number = Field(default=20, gt=0, le=86_400, allow_inf_nan=False)
    last_activity_threshold_minutes: Number = Field(default=10, gt=0, allow_inf_nan=False)


class Kept(Section):
    """How long something is kept.

    An empty key is refused (it could mean for ever or the default); an empty section says nothing.
    """

    # In place of Section's, of the same name: that one would drop empty keys.
    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, value: Any) -> Any:
        return {} if value is None else value


class StoreLogs(Kept):
    """`last_runs` tasks of each collection keep their log lines; 0: all of them."""

    last_runs: Runs = Field(default=100, ge=0, le=MOST_RUNS)


class Retention(Kept):
    """`days` after their end tasks and all that tells of them may go, `statistics_days` after it the days they made up.

    0 is never; statistics of days whose tasks are there stay in any case.
    """

    days: Days = Field(default=90, ge=0, le=36_500)
    statistics_days: Days = Field(default=1095, ge=0, le=36_500)


class SyncTasks(Section):
    pool: Pool = Pool()
    stalled: Stalled = Stalled()
    store_logs: StoreLogs = StoreLogs()


class Server(Section):
    """`server:`; without `admin_token` only tokens of the database count."""

    admin_token: str = Field(default="", repr=False)
    port: Whole = Field(default=8001, ge=0, le=65_535)
    sources_reload_sec: Number = Field(default=1, gt=0, le=86_400, allow_inf_nan=False)
    drain_seconds: Number = Field(default=30, ge=0, le=86_400, allow_inf_nan=False)
    retention: Retention = Retention()
    sync_tasks: SyncTasks = SyncTasks()


class Slack(Section):
    url: str = Field(default="", repr=False)


class Notifications(Section):
    slack: Slack = Slack()


class Inherited(Section):
    """Keys of a source that a collection may replace for itself."""

    schedule: Schedule | None = None
    timezone: Timezone | None = None
    misfire: Misfire | None = None
    misfire_window: Window | None = None
    timeout: Timeout | None = None
    max_attempts: Attempts | None = None
    write_mode: WriteMode | None = None
    schema_policy: SchemaPolicy | None = None


class WrittenCollection(Inherited):
    """An entry of `collections:`."""

    name: Name
    type: OfferedName | None = None
    table_name: Name | None = None
    start_date: Day | None = None
    sync_mode: SyncMode | None = None
    cursor_field: str | None = Field(default=None, min_length=1)
    primary_key: Names | None = Field(default=None, min_length=1)
    interval: Length | None = None
    refresh_window: Duration | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return {"name": str(value)}
        if not isinstance(value, dict):
            raise ValueError("must be a name or a mapping with a 'name'")  # noqa: TRY004 (pydantic passes TypeError)
        return value


class WrittenSource(Inherited):
    """An entry of `sources:`."""

    type: str | None = None
    destinations: Annotated[list[str], Several] = Field(default_factory=list)
    collections: list[WrittenCollection] | None = None
    config: dict[str, Any] = Field(default_factory=dict, repr=False)
