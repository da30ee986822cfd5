"""Bookmarks: how far the destinations of a collection are, and another place to go on from."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final

import orjson

from app.api.documents.bookmarks import BookmarkAnswer, BookmarkOverview, BookmarkRequest
from app.api.documents.fields import Error, drop_none
from app.api.http.answers import JsonAnswer
from app.api.http.errors import RefusedError
from app.api.http.limits import read_object
from app.api.http.operation import Endpoint, Operation
from app.api.http.parameters import COLLECTION, NOTE, POSITION, SOURCE, count_parameter
from app.bookmarks import find_settable, list_changes, masked, set_bookmarks
from app.domain.api_token import TokenScope
from app.domain.events import BOOKMARK_SAVED, BOOKMARK_SET, COLLECTION_RESET
from app.domain.feed import Place
from app.domain.redaction import redactor_of
from app.store.queries import PAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from app.bookmarks import Change

_TYPES: Final = {BOOKMARK_SAVED: "saved", BOOKMARK_SET: "set", COLLECTION_RESET: "reset"}
_USUAL_CHANGES: Final = 20

CHANGES: Final = count_parameter(
    "limit", "How many changes to return at most, the newest.", most=PAGE, default=_USUAL_CHANGES
)


class SetBookmark(Endpoint):
    """`/sources/bookmark`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "post": Operation(
            id="setBookmark",
            scope=TokenScope.ADMIN,
            summary="Set a collection's bookmarks, so that its next task reads from there; no rows are removed",
            body=BookmarkRequest,
            answers={200: BookmarkAnswer, 400: Error, 404: Error, 409: Error, 413: Error},
        )
    }

    async def post(self, request: Request) -> Response:
        services, body = self.services, await read_object(request)
        catalogue, bookmarks = services.catalogue(), services.bookmarks
        source, collection = SOURCE.required_in(body), COLLECTION.required_in(body)
        catalogue.find(source, collection)
        given, place = _given_in(body), POSITION.optional_in(body)
        cause = self.cause(NOTE.optional_in(body))
        if (given is None) == (place is None):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "Invalid request", "give either 'bookmarks' or 'position'")
        if place is not None:
            given = await find_settable(bookmarks, catalogue, source, collection, place)
        done = await set_bookmarks(bookmarks, catalogue, source, collection, given or {}, cause=cause)
        return JsonAnswer({"status": "ok", "generation": done.generation, "position": str(done.place)})


class BookmarkList(Endpoint):
    """`/sources/bookmarks`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation(
            id="listBookmarks",
            scope=TokenScope.ADMIN,
            summary="List a collection's bookmarks, and what has changed them",
            required=(SOURCE, COLLECTION),
            optional=(CHANGES,),
            answers={200: BookmarkOverview, 400: Error, 404: Error},
        )
    }

    async def get(self, request: Request) -> Response:
        services, catalogue = self.services, self.services.catalogue()
        source, collection = SOURCE.required(request), COLLECTION.required(request)
        limit = CHANGES.optional(request) or _USUAL_CHANGES
        catalogue.find(source, collection)
        current = await services.bookmarks.list_current(source, collection)
        changes = await list_changes(services.bookmarks, source, collection, limit=limit)
        redact = redactor_of(catalogue.secrets()).redact
        return JsonAnswer(
            {
                "bookmarks": [_bookmark_document(row, redact) for row in current],
                "history": [_change_document(change, redact) for change in changes],
            }
        )


def _given_in(body: Mapping[str, Any]) -> dict[str, str | None] | None:
    """The field `bookmarks`, with its values as JSON text.

    Raises:
        RefusedError: 400; it is not an object.
    """
    given = body.get("bookmarks")
    if given is None:
        return None
    if not isinstance(given, dict):
        why = "'bookmarks' must be an object with a bookmark for each destination"
        raise RefusedError(HTTPStatus.BAD_REQUEST, "Error parsing 'bookmarks' field", why)
    return {name: None if value is None else orjson.dumps(value).decode() for name, value in given.items()}


def _bookmark_document(row: Any, redact: Callable[[str], str]) -> dict[str, Any]:
    position = None if row["xid"] is None else str(Place(row["xid"], row["task"], row["version"]))
    return {
        "destination": row["destination"],
        "bookmark": _value(row["bookmark"], redact),
        **drop_none(saved_at=row["at"], position=position),
    }


def _change_document(change: Change, redact: Callable[[str], str]) -> dict[str, Any]:
    who = change.cause.who
    return drop_none(
        position=str(change.place),
        time=change.at,
        type=_TYPES[change.type],
        task_id=change.task_id,
        rows=change.rows,
        who=who and who.name,
        note=change.cause.note,
        bookmarks={name: _value(text, redact) for name, text in change.bookmarks.items()},
    )


def _value(text: str | None, redact: Callable[[str], str]) -> Any:
    return None if text is None else orjson.Fragment(masked(text, redact))
