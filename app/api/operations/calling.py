"""How an operation calls a connector: while its client waits, a few calls at a time."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeVar

from app.api.http.errors import RefusedError
from app.domain.errors import DatabaseUnreachableError, SynclineError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from app.api.http.services import Services

Result = TypeVar("Result")

SOURCE_FAILED: Final = "Source failed"
"""The message about saved sources, whose error stands beside it."""


async def call_connector(
    services: Services, request: Request, call: Callable[[], Awaitable[Result]], *, failed: str | None = None
) -> Result:
    """The connector's result; `call` also reads its configuration, which may take as long.

    Raises:
        RefusedError: 400, with the connector's own error and the message `failed`, which by default has that as well:
            Classic's clients show only the message. Or 429: too many calls are running.
    """
    try:
        return await services.connector_calls.run(request, call)
    except (DatabaseUnreachableError, RefusedError):
        raise
    except SynclineError as error:
        message = failed or f"Connector failed: {error}"
        raise RefusedError(HTTPStatus.BAD_REQUEST, message, str(error)) from None
