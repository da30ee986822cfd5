"""How many rows tasks have written, by hour and by day, as Jitsu Classic's clients ask for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias, get_args

from app.api.documents.fields import NAME_PATTERN, Error
from app.api.documents.statistics import Statistics as StatisticsDocument
from app.api.http.answers import JsonAnswer
from app.api.http.errors import RefusedError
from app.api.http.operation import Endpoint, Operation
from app.api.http.parameters import END, NAME_FORM, START, Parameter, check_order, read_name
from app.domain.api_token import TokenScope
from app.domain.choices import unknown_name
from app.domain.timestamp import read_time
from app.store.statistics import Granularity, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from app.config.catalogue import Catalogue
    from app.store.statistics import Period

Namespace: TypeAlias = Literal["source", "destination"]
EventType: TypeAlias = Literal["push", "pull"]
Counted: TypeAlias = Literal["success", "errors", "skip"]

MOST_HOURS: Final = timedelta(days=31)
"""How much may be asked for by hour: every task that ended in that time is read."""

_KEY: Final = "%Y-%m-%dT%H:00:00+0000"
_ID_SCHEMA: Final = {"type": "string", "pattern": NAME_PATTERN}


def _one_of(values: Iterable[str], *, any_case: bool = False) -> Callable[[str], Any]:
    known = frozenset(values)

    def read(text: str) -> str:
        value = text.lower() if any_case else text
        if value not in known:
            raise ValueError("not one of them")
        return value

    return read


def _choice(name: str, description: str, values: tuple[str, ...], default: str) -> Parameter[Any]:
    schema = {"type": "string", "enum": [*values], "default": default}
    return Parameter(name, description, f"one of {', '.join(values)}", schema, _one_of(values))


END_OF_PERIODS: Final = replace(
    END, description="The end of the interval: the last period begins before it.", read=read_time
)
GRANULARITY: Final[Parameter[Granularity]] = Parameter(
    "granularity",
    f"Whether to count by hour, of at most {MOST_HOURS.days} days, or by day; in UTC.",
    "hour or day",
    {"type": "string", "pattern": "^(?i:hour|day)$"},
    _one_of(get_args(Granularity), any_case=True),
)
NAMESPACE: Final[Parameter[Namespace]] = _choice(
    "namespace", "Whose rows are counted.", get_args(Namespace), default="source"
)
EVENT_TYPE: Final[Parameter[EventType]] = _choice(
    "type",
    "`pull` counts the rows that tasks have read; `push` is always empty, as nothing is pushed to Syncline.",
    get_args(EventType),
    default="push",
)
COUNTED: Final[Parameter[Counted]] = _choice(
    "status",
    "What is counted: the rows that were written (`success`), or the tasks that failed (`errors`). Nothing is skipped.",
    get_args(Counted),
    default="success",
)
SOURCE_ID: Final = Parameter("source_id", "Only this source.", NAME_FORM, _ID_SCHEMA, read_name)
DESTINATION_ID: Final = Parameter(
    "destination_id", "Only the sources that load into this destination.", NAME_FORM, _ID_SCHEMA, read_name
)
PROJECT_ID: Final = Parameter(
    "project_id", "Only the sources whose id begins with this and a dot.", NAME_FORM, _ID_SCHEMA, read_name
)


class Statistics(Endpoint):
    """`/statistics/detailed`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation(
            id="countRows",
            scope=TokenScope.READ,
            summary="Count the rows that tasks have written, or those that failed, by the hour or the day of their end",
            required=(START, END_OF_PERIODS, GRANULARITY),
            optional=(NAMESPACE, EVENT_TYPE, COUNTED, SOURCE_ID, DESTINATION_ID, PROJECT_ID),
            answers={200: StatisticsDocument, 400: Error, 404: Error},
        )
    }

    async def get(self, request: Request) -> Response:
        wanted = _wanted(request, self.services.catalogue())
        event_type, counted = EVENT_TYPE.optional(request) or "push", COUNTED.optional(request) or "success"
        # Nothing is pushed to Syncline, and no row is skipped.
        periods = [] if event_type == "push" or counted == "skip" else await self.services.reader.list_periods(wanted)
        return JsonAnswer({"status": "ok", "data": [*_documents(periods, counted)]})


def _wanted(request: Request, catalogue: Catalogue) -> Wanted:
    start, end = START.required(request), END_OF_PERIODS.required(request)
    granularity = GRANULARITY.required(request)
    check_order(start, end)
    if granularity == "hour" and end - start > MOST_HOURS:
        raise RefusedError(
            HTTPStatus.BAD_REQUEST,
            "Error parsing 'start' query parameter",
            f"'granularity=hour' counts at most {MOST_HOURS.days} days: ask for less, or for 'granularity=day'",
        )
    project, source = PROJECT_ID.optional(request), SOURCE_ID.optional(request)
    sources = None if source is None else [source]
    if (NAMESPACE.optional(request) or "source") == "destination":
        destination = DESTINATION_ID.optional(request)
        sources = None if destination is None else _only_sources_of(catalogue, destination)
    prefix = f"{project}." if project and sources is None else ""
    return Wanted(start=start, end=end, granularity=granularity, sources=sources, prefix=prefix)


def _only_sources_of(catalogue: Catalogue, destination: str) -> list[str]:
    """The sources that load into a destination, and into no other one.

    Raises:
        RefusedError: 404 if there is no such destination, 400 if rows at others would be counted as well.
    """
    known = {*catalogue.destinations, *catalogue.rejected_destinations}
    if destination not in known:
        why = unknown_name("destination", destination, sorted(known))
        raise RefusedError(HTTPStatus.NOT_FOUND, "Error getting destination", why)
    sources = [each for each in catalogue.sources.values() if destination in each.destinations]
    for source in sources:
        if others := [f"'{each}'" for each in source.destinations if each != destination]:
            why = f"source '{source.id}' loads into {', '.join(others)} as well, and its rows are counted together"
            raise RefusedError(HTTPStatus.BAD_REQUEST, "Cannot count the rows of a destination", why)
    return [source.id for source in sources]


def _documents(periods: Iterable[Period], counted: Counted) -> Iterable[dict[str, Any]]:
    for period in periods:
        events = period.failed if counted == "errors" else period.rows
        # As in Classic, which has a period only once something was counted in it.
        if events:
            yield {"key": period.start.strftime(_KEY), "events": events}
