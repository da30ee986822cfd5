"""The one mapping from errors to responses: `{"message": …, "error": …}` with a status."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException

from app.api.http.answers import JsonAnswer
from app.domain.errors import (
    CollectionBusyError,
    ConfigurationError,
    DatabaseBusyError,
    DatabaseLoginError,
    DatabaseReadOnlyError,
    EventsGoneError,
    SchemaVersionError,
    SourcePausedError,
    StoreMovedError,
    SynclineError,
    UnknownCollectionError,
    UnknownSourceError,
    UnsettledError,
)
from app.domain.visible import make_visible
from app.store.database import UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.responses import Response

LOGIN_REFUSED: Final = "PostgreSQL refuses the login of this process, or it has no password: see the log"
"""Without the reason, which names the user and the program."""

_RETRY_LATER: Final = {"Retry-After": "1"}


class RefusedError(SynclineError):
    """A request that is answered with an error: `message` says which, `error` gives details if there are any."""

    def __init__(
        self,
        status: int,
        message: str,
        error: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message if error is None else f"{message}: {error}")
        self.status = status
        self.message = message
        self.error = error
        self.headers = headers
        self.details = details or {}


def unknown_task(task_id: str) -> RefusedError:
    return RefusedError(HTTPStatus.NOT_FOUND, "Error getting task", f"Task [{make_visible(task_id)}] doesn't exist")


def answer_to(error: Exception, request_id: str, redact: Callable[[str], str]) -> Response:
    """The response to a request that failed with `error`; `redact` removes secrets from its texts.

    It says nothing about an unexpected error except the request's id.
    """
    match refusal_of(error, redact):
        case None:
            return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal server error", request_id)
        case refused:
            return _answer(refused.status, refused.message, refused.error, refused.headers, refused.details)


def refusal_of(error: Exception, redact: Callable[[str], str]) -> RefusedError | None:
    """What a request that failed with `error` is answered, without secrets; None if nobody expected the error."""
    refused = _refusal(error)
    if refused is None:
        return None
    text = None if refused.error is None else redact(refused.error)
    return RefusedError(refused.status, redact(refused.message), text, headers=refused.headers, details=refused.details)


def _refusal(error: Exception) -> RefusedError | None:
    match error:
        case RefusedError():
            return error
        case HTTPException():
            return _router_refusal(error)
        case ConfigurationError() | EventsGoneError():
            return _request_refusal(error)
        case CollectionBusyError() | SchemaVersionError() | SourcePausedError() | StoreMovedError() | UnsettledError():
            return _refusal_for_now(error)
        case _ if _database_is_away(error):
            known = isinstance(error, DatabaseBusyError | DatabaseReadOnlyError)
            why = str(error) if known else "PostgreSQL does not answer"
            why = LOGIN_REFUSED if isinstance(error, DatabaseLoginError) else why
            again = f"{why}; try again"
            return RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "Database is not ready", again, headers=_RETRY_LATER)
    return None


def _refusal_for_now(
    error: CollectionBusyError | SchemaVersionError | SourcePausedError | StoreMovedError | UnsettledError,
) -> RefusedError:
    match error:
        case CollectionBusyError():
            return RefusedError(HTTPStatus.CONFLICT, "Collection is busy", str(error))
        case SourcePausedError():
            return RefusedError(HTTPStatus.CONFLICT, "Source is paused", str(error))
        case UnsettledError():
            title = "Queue is busy"
            return RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, title, str(error), headers=_RETRY_LATER)
    return RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "Database is not ready", str(error))


def _request_refusal(error: ConfigurationError | EventsGoneError) -> RefusedError:
    """What was asked for does not exist, or not any more."""
    match error:
        case EventsGoneError():
            return RefusedError(HTTPStatus.GONE, "Events are gone", str(error), details={"first": error.first})
        case UnknownSourceError():
            return RefusedError(HTTPStatus.NOT_FOUND, "Error getting source", str(error))
        case UnknownCollectionError():
            return RefusedError(HTTPStatus.NOT_FOUND, "Error getting collection", str(error))
    return RefusedError(HTTPStatus.BAD_REQUEST, "Invalid request", str(error))


def _router_refusal(error: HTTPException) -> RefusedError:
    status, headers = HTTPStatus(error.status_code), error.headers or {}
    explained = {
        HTTPStatus.NOT_FOUND: "No endpoint at this path; see /openapi.json",
        HTTPStatus.METHOD_NOT_ALLOWED: f"Allowed methods: {headers.get('Allow')}",
    }
    return RefusedError(status, status.phrase, explained.get(status, error.detail), headers=headers)


def _database_is_away(error: Exception) -> bool:
    # asyncpg's interface errors include one for a value that it cannot send, which is our own fault.
    away = isinstance(error, UNREACHABLE)
    return away and not isinstance(error, ValueError)


def _answer(
    status: int,
    message: str,
    error: str | None,
    headers: Mapping[str, str] | None = None,
    details: Mapping[str, str] = {},
) -> Response:
    document = {"message": message} if error is None else {"message": message, "error": _writable(error)}
    return JsonAnswer({**document, **details}, status_code=status, headers=headers)


def _writable(text: str) -> str:
    """`text` as valid Unicode: what users sent may contain lone surrogates."""
    return text.encode("utf-8", errors="replace").decode()
