"""Parameters of requests: how each is parsed, what it accepts, and how OpenAPI describes it.

Those that several operations or pages have are here; others stand beside their operation. An empty parameter counts as
absent; of a repeated one the first counts, as in Jitsu Classic.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from app.api.documents.fields import NAME_PATTERN
from app.api.http.errors import RefusedError
from app.domain.cause import LONGEST_NOTE, NOTE_FORM, NOTE_PATTERN, read_note
from app.domain.feed import PAST_PLACE_PATTERN, Place, read_past_place
from app.domain.task import Status
from app.domain.timestamp import read_end, read_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from starlette.requests import Request

Value = TypeVar("Value")

LARGEST_LIMIT: Final = 2**31 - 1
LARGEST_ATTEMPT: Final = 2**15 - 1

_TIME_FORM: Final = "a time such as 2021-05-26T15:30:41.040Z (RFC 3339)"
_POSITION: Final = re.compile(r"([0-9]{1,5})\.([0-9]{1,10})")


@dataclass(frozen=True, slots=True)
class Parameter(Generic[Value]):
    """`read` parses the text, or raises ValueError; `form` says what it accepts."""

    name: str
    description: str
    form: str
    schema: Mapping[str, Any]
    read: Callable[[str], Value]

    def required(self, request: Request) -> Value:
        """The value in the query.

        Raises:
            RefusedError: 400; it is missing or malformed.
        """
        value = self.optional(request)
        if value is None:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"'{self.name}' is required query parameter")
        return value

    def optional(self, request: Request) -> Value | None:
        """The value in the query, or None.

        Raises:
            RefusedError: 400; it is malformed.
        """
        text = next(iter(request.query_params.getlist(self.name)), "")
        return self._read(text, "query parameter") if text else None

    def required_in(self, body: Mapping[str, Any]) -> Value:
        """The value in a JSON body.

        Raises:
            RefusedError: 400; it is missing or malformed.
        """
        value = self.optional_in(body)
        if value is None:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"'{self.name}' is required field")
        return value

    def optional_in(self, body: Mapping[str, Any]) -> Value | None:
        """The value in a JSON body, or None.

        Raises:
            RefusedError: 400; it is malformed.
        """
        value = body.get(self.name)
        if value in (None, ""):
            return None
        if isinstance(value, bool) and self.schema["type"] == "boolean":
            value = str(value).lower()
        if not isinstance(value, str):
            raise self._malformed_error("field")
        return self._read(value, "field")

    def optional_in_either(self, request: Request, body: Mapping[str, Any]) -> Value | None:
        """The value in a JSON body or, if it has none, in the query, or None.

        Raises:
            RefusedError: 400; it is malformed.
        """
        value = self.optional_in(body)
        return self.optional(request) if value is None else value

    def _read(self, text: str, origin: str) -> Value:
        try:
            return self.read(text)
        except (ValueError, OverflowError):
            raise self._malformed_error(origin) from None

    def _malformed_error(self, origin: str) -> RefusedError:
        message = f"Error parsing '{self.name}' {origin}"
        return RefusedError(HTTPStatus.BAD_REQUEST, message, f"'{self.name}' must be {self.form}")


def check_order(start: datetime | None, end: datetime | None) -> None:
    """Refuses an interval that ends before it starts; both may be the same moment, and either may be absent.

    Raises:
        RefusedError: 400.
    """
    if start and end and end < start:
        raise RefusedError(
            HTTPStatus.BAD_REQUEST, "Error parsing 'end' query parameter", "'end' must not be before 'start'"
        )


def read_name(text: str) -> str:
    """A name, unchanged.

    Raises:
        ValueError: PostgreSQL could not store it.
    """
    if "\0" in text:
        raise ValueError("NUL")
    text.encode()  # lone surrogates raise
    return text


def read_limit(text: str) -> int:
    """A count.

    Raises:
        ValueError: not an integer from 0 to `LARGEST_LIMIT`.
    """
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > LARGEST_LIMIT:
        raise ValueError("not a count")
    return int(text)


def up_to(most: int) -> Callable[[str], int]:
    """Reads a count from 1 to `most`; it raises ValueError for anything else."""

    def read(text: str) -> int:
        count = read_limit(text)
        if not 0 < count <= most:
            raise ValueError("not a count")
        return count

    return read


def read_position(text: str) -> tuple[int, int]:
    """The position of a log line, such as `2.17`: attempt and line, each limited to the largest possible one.

    Raises:
        ValueError: not two numbers.
    """
    found = _POSITION.fullmatch(text)
    if found is None:
        raise ValueError("not a position")
    attempt, line = map(int, found.groups())
    return min(attempt, LARGEST_ATTEMPT), min(line, LARGEST_LIMIT)


def read_boolean(text: str) -> bool:
    """`true` or `false`.

    Raises:
        ValueError: anything else.
    """
    if text not in {"true", "false"}:
        raise ValueError("not a boolean")
    return text == "true"


def read_status(text: str) -> Status:
    """A task's status, in upper or lower case.

    Raises:
        ValueError: unknown status.
    """
    return Status(text.upper())


def read_statuses(text: str) -> frozenset[Status]:
    """Statuses with commas between them, in upper or lower case.

    Raises:
        ValueError: one of them is unknown.
    """
    return frozenset(map(read_status, text.split(",")))


def read_as_of(text: str) -> datetime | Place:
    """A moment: a time, or a place in the feed.

    Raises:
        ValueError, OverflowError: neither.
    """
    return read_time(text) if ":" in text else read_past_place(text)


def time_parameter(name: str, description: str, read: Callable[[str], datetime] = read_time) -> Parameter[datetime]:
    return Parameter(name, description, _TIME_FORM, {"type": "string", "format": "date-time"}, read)


def boolean_parameter(name: str, description: str) -> Parameter[bool]:
    """One that is false if it is absent."""
    return Parameter(name, description, "true or false", {"type": "boolean", "default": False}, read_boolean)


def count_parameter(name: str, description: str, *, most: int, default: int | None = None) -> Parameter[int]:
    """A count from 1 to `most`."""
    schema = {"type": "integer", "minimum": 1, "maximum": most} | ({} if default is None else {"default": default})
    return Parameter(name, description, f"an integer from 1 to {most}", schema, up_to(most))


_STATUS: Final = "|".join(Status)
NAME_SCHEMA: Final = {"type": "string", "minLength": 1, "pattern": NAME_PATTERN}
NAME_FORM: Final = "a string without NUL characters"

SOURCE: Final = Parameter("source", "The id of a source in the catalogue.", NAME_FORM, NAME_SCHEMA, read_name)
COLLECTION: Final = Parameter("collection", "A collection of the source.", NAME_FORM, NAME_SCHEMA, read_name)
COLLECTION_IF_ANY: Final = replace(
    COLLECTION,
    description="A collection of the source. One that names no collections in the catalogue has only `all`, which any "
    "value, or none, stands for.",
)
START: Final = time_parameter("start", "The start of the interval, inclusive.")
END: Final = time_parameter(
    "end", "The end of the interval, inclusive; in whole seconds, it is the end of that second.", read_end
)
FROM: Final = time_parameter("from", "The start of the backfill, inclusive.")
TO: Final = time_parameter("to", "The end of the backfill, exclusive.")
STATUS: Final = Parameter(
    "status",
    "Only tasks with this status, in upper or lower case.",
    f"one of {', '.join(status.lower() for status in Status)}",
    {"type": "string", "pattern": f"^(?i:{_STATUS})$"},
    read_status,
)
STATUSES: Final = Parameter(
    "status",
    "Only tasks with one of these statuses, with commas between them, in upper or lower case.",
    f"one or several of {', '.join(status.lower() for status in Status)}, with commas between them",
    {"type": "string", "pattern": f"^(?i:({_STATUS})(,({_STATUS}))*)$", "examples": ["failed,canceled"]},
    read_statuses,
)
AFTER: Final = Parameter(
    "after",
    "Only lines after this one, given as `attempt.line`: the next page, or what was logged since.",
    "the position of a line, attempt.line, such as 1.20",
    {"type": "string", "pattern": "^[0-9]{1,5}\\.[0-9]{1,10}$", "examples": ["1.20"]},
    read_position,
)
NOTE: Final = Parameter(
    "note",
    "Why: kept in the event that the request causes.",
    NOTE_FORM,
    {"type": "string", "maxLength": LONGEST_NOTE, "pattern": NOTE_PATTERN},
    read_note,
)
AS_OF: Final = Parameter(
    "as_of",
    "As it was at this time, or at this position of the feed (or the id of an event), which is exact.",
    f"{_TIME_FORM}, a position, or the id of an event",
    {"type": "string", "anyOf": [{"format": "date-time"}, {"pattern": PAST_PLACE_PATTERN}]},
    read_as_of,
)
POSITION: Final = Parameter(
    "position",
    "The bookmarks as they were after this event, or after everything at a position.",
    "the id of an event, or a position",
    {"type": "string", "pattern": PAST_PLACE_PATTERN},
    read_past_place,
)
