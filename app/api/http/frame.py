"""The outermost layer: gives every request an id, turns its error into an answer, and writes one line into the log."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
import traceback
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect

from app.api.http.connection import CLIENT_LEFT
from app.api.http.errors import answer_to
from app.api.http.secrecy import secrecy_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from structlog.typing import FilteringBoundLogger

    from app.api.http.services import Services

_PROBES: Final = frozenset({"/livez", "/ping", "/readyz"})
# An allow list: nothing else of a query is logged, in case a token was sent under a wrong name.
_LOGGED_PARAMETERS: Final = (
    "source",
    "collection",
    "again",
    "start",
    "end",
    "status",
    "limit",
    "after",
    "tail",
    "types",
    "source_id",
    "destination_id",
    "granularity",
)
_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO}
# Not an HTTP status: how access logs mark a request whose client left before it was answered.
_CLIENT_LEFT: Final = 499
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestFrame:
    """Gives each request an id, logs it, and answers its errors. Trailing slashes of paths are ignored.

    A request's id is the client's own `X-Request-Id` if that has only safe characters, and is returned under the same
    name. Tokens are never logged, wherever the client put them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._logger = structlog.get_logger("syncline.api").bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send, self._logger)
        plain = {**scope, "path": scope["path"].rstrip("/") or "/"}
        # Never unbound: the server runs each request in its own task, and so in its own context.
        structlog.contextvars.bind_contextvars(request_id=exchange.request_id)
        try:
            await self._app(plain, receive, exchange.send)
        except ClientDisconnect:
            exchange.client_left()
        except asyncio.CancelledError:
            if CLIENT_LEFT not in scope:
                raise
            exchange.client_left()
        except Exception as error:  # noqa: BLE001 - every error is an answer, and logged
            await exchange.fail(error, receive)
        finally:
            exchange.log()


class _Exchange:
    """One request and the state of its answer."""

    def __init__(self, scope: Scope, send: Send, logger: FilteringBoundLogger) -> None:
        services: Services = scope["app"].state.services
        self._secrecy = secrecy_of(services.catalogue().server.admin_token)
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
        plain = _SAFE_ID.fullmatch(given) and not self._secrecy.is_in(given)
        # Only a name: a cryptographic random number would cost each request a system call.
        self.request_id = given if plain else f"{random.getrandbits(64):016x}"
        self._scope = scope
        self._send = send
        self._logger = logger
        self._began = time.perf_counter()
        self._status: int | None = None
        self._complete = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = int(message["status"])
            message["headers"] = [*message["headers"], (b"x-request-id", self.request_id.encode())]
        await self._send(message)
        self._complete = message["type"] == "http.response.body" and not message.get("more_body", False)

    def client_left(self) -> None:
        """The client has gone: there is nobody to answer, and nothing failed."""
        if self._status is None:
            self._status = _CLIENT_LEFT

    async def fail(self, error: Exception, receive: Receive) -> None:
        """Answers with the error; an answer that has begun is cut off, so that nobody takes it for complete."""
        answer = answer_to(error, self.request_id, self._secrecy.text)
        if self._status is not None:
            self._write("error", "request.answer_cut", exception=_trace(error))
            return
        if answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
            self._write("error", "request.failed", exception=_trace(error))
        elif answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            self._write("warning", "request.database_away", error=str(error) or type(error).__name__)
        await answer(self._scope, receive, self.send)

    def log(self) -> None:
        path = self._scope["path"]
        level = "debug" if path in _PROBES and self._status == HTTPStatus.OK else "info"
        if not self._logger.is_enabled_for(_LEVELS[level]):
            return  # an unwanted line would cost half as much as the rest of the frame
        self._write(
            level,
            "request",
            method=self._scope["method"],
            path=path,
            parameters=self._parameters(),
            status=self._status,
            complete=self._complete,
            duration_ms=round((time.perf_counter() - self._began) * 1000, 2),
        )

    def _write(self, level: str, event: str, **fields: Any) -> None:
        getattr(self._logger, level)(event, **self._secrecy.fields(fields))

    def _parameters(self) -> dict[str, Any]:
        if not self._scope["query_string"]:
            return {}
        query = QueryParams(self._scope["query_string"])
        return {name: query[name] for name in _LOGGED_PARAMETERS if name in query}


def _trace(error: Exception) -> str:
    """The traceback as text: a formatter that shows local variables would show headers with tokens."""
    return "".join(traceback.format_exception(error))
