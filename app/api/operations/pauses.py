"""Pauses of collections and of whole sources."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final

from app.api.documents.fields import Error, drop_none
from app.api.documents.pauses import PausedAnswer, PauseRequest, ResumedAnswer, ResumeRequest
from app.api.http.answers import JsonAnswer
from app.api.http.errors import RefusedError
from app.api.http.limits import read_object
from app.api.http.operation import Endpoint, Operation
from app.api.http.parameters import COLLECTION, NOTE, SOURCE, boolean_parameter, time_parameter
from app.domain.api_token import TokenScope
from app.pausing import check_known, pause_source, resume_source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from app.store.reads import Row

UNTIL: Final = time_parameter("until", "When the pause ends by itself.")
CANCEL: Final = boolean_parameter("cancel", "Whether running tasks are canceled.")


class Pause(Endpoint):
    """`/sources/pause`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "post": Operation(
            id="pauseSource",
            scope=TokenScope.RUN,
            summary="Pause a source or one of its collections: its tasks wait, and its fire times are skipped",
            body=PauseRequest,
            answers={200: PausedAnswer, 400: Error, 404: Error, 409: Error, 413: Error},
        )
    }

    async def post(self, request: Request) -> Response:
        services, body = self.services, await read_object(request)
        source, collection = SOURCE.required_in(body), _collection_in(body)
        until, cancel = UNTIL.optional_in(body), CANCEL.optional_in(body) or False
        cause = self.cause(NOTE.optional_in(body))
        check_known(services.catalogue(), source, collection)
        pauses, queue = services.pauses, services.queue
        paused = await pause_source(pauses, queue, source, collection, until=until, cancel=cancel, cause=cause)
        return JsonAnswer(
            drop_none(status="ok", paused_since=paused.since, paused_until=until, canceled=paused.canceled)
        )


class Resume(Endpoint):
    """`/sources/resume`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "post": Operation(
            id="resumeSource",
            scope=TokenScope.RUN,
            summary="End the pause of a source or of one of its collections; each is a pause of its own",
            body=ResumeRequest,
            answers={200: ResumedAnswer, 400: Error, 404: Error, 409: Error, 413: Error},
        )
    }

    async def post(self, request: Request) -> Response:
        services, body = self.services, await read_object(request)
        source, collection = SOURCE.required_in(body), _collection_in(body)
        cause = self.cause(NOTE.optional_in(body))
        resumed = await resume_source(services.pauses, services.catalogue(), source, collection, cause=cause)
        return JsonAnswer({"status": "ok", **resumed._asdict()})


def _collection_in(body: Mapping[str, Any]) -> str | None:
    """The collection; None for the whole source. An empty name is more likely a mistake, and would pause too much.

    Raises:
        RefusedError: 400; it is malformed, or empty.
    """
    if body.get(COLLECTION.name) == "":
        why = "'collection' must not be empty; leave it out for the whole source"
        raise RefusedError(HTTPStatus.BAD_REQUEST, "Error parsing 'collection' field", why)
    return COLLECTION.optional_in(body)


def pause_fields(row: Row | Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields that say that a source or a collection is paused; None stands for no pause."""
    if row is None:
        return {}
    return {
        "paused_since": row["since"],
        "paused_until": row["until"],
        "paused_by": row["who"] and row["who"]["name"],
        "pause_note": row["note"],
    }
