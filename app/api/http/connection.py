"""A client's connection, with limits for everything that uvicorn leaves unlimited.

uvicorn has no public interface for this. `RELIES_ON` lists all of its internals that this file uses.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.api.http.limits import LARGEST_HEADERS

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

UVICORN: Final = ">=0.54,<0.55"
"""The versions for which `RELIES_ON` is known to be right; pyproject.toml has the same requirement."""

RELIES_ON: Final = {
    # Overridden; all but the last three call the original.
    "HttpToolsProtocol": (
        "connection_made",
        "connection_lost",
        "data_received",
        "on_message_begin",
        "on_headers_complete",
        "on_message_complete",
        "pause_writing",
        "resume_writing",
        "timeout_keep_alive_handler",
        "send_400_response",
        "_start_asgi_task",
        "_unsupported_upgrade_warning",
    ),
    "HttpToolsProtocol()": ("connections", "cycle", "flow", "loop", "pipeline", "tasks", "transport"),
    "RequestResponseCycle()": (
        "disconnected",
        "message_event",
        "response_complete",
        "response_started",
        "run_asgi",
        "scope",
    ),
    "FlowControl()": ("resume_reading",),
}
"""By class, or instance of one: the methods and attributes of uvicorn's HTTP protocol that this file uses."""

REQUEST_SECONDS: Final = 20.0
"""How long a connection's first byte may take, and each request from its first byte to its last."""

IDLE_SECONDS: Final = 75
"""How long a connection stays open between two requests.

Load balancers keep theirs for 60 seconds (nginx's `keepalive_timeout`, the idle timeout of AWS ALB). The side that
sends requests must be the first to close: otherwise a request meets a connection that is just being closed, and gets a
502.
"""

UNREAD_SECONDS: Final = 30.0
"""How long an answer may wait until its client reads some of it."""

MOST_CONNECTIONS: Final = 4000
MOST_PIPELINED: Final = 32
"""Requests on one connection that wait for the answer to an earlier one."""

LARGEST_HEAD: Final = 4 * LARGEST_HEADERS
"""Bytes of an incomplete head. Complete heads have stricter limits, in `app.api.http.limits`."""

CLIENT_LEFT: Final = "syncline.client_left"

# A refused client is still read for a while: if the connection closed at once, our answer might be lost.
_LINGER_SECONDS: Final = 1.0
_READS: Final = frozenset({"GET", "HEAD"})


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's protocol with a limit on every wait for a client.

    A request that does not arrive and an answer that is not read are given up. Heads and the queue of requests have a
    maximum size. A read whose client has left is canceled, which frees its database connection. Refusals have the same
    shape as all other errors.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._receiving = False
        self._head_bytes: int | None = None
        self._refused = False
        self._running: tuple[RequestResponseCycle, asyncio.Task[None]] | None = None
        self._unread = 0
        self._stall: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = self.loop.call_later(REQUEST_SECONDS, self._too_late)
        if len(self.connections) > MOST_CONNECTIONS:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections; try again", "retry-after: 1")

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._deadline, self._stall):
            if timer:
                timer.cancel()
        if self._running:
            cycle, task = self._running
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.scope["method"] in _READS and not task.done():
                cycle.scope[CLIENT_LEFT] = True  # type: ignore[typeddict-unknown-key]
                task.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._deadline is None and (self._receiving or not self._is_answering()):
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self._too_late)
        if self._head_bytes is not None and self._head_bytes > LARGEST_HEAD:
            why = f"path, query and headers must not exceed {LARGEST_HEAD} bytes"
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, why)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._receiving, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._head_bytes = None
        if len(self.pipeline) > MOST_PIPELINED:
            raise ValueError("too many pipelined requests")  # the parser turns it into a 400

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._receiving = False
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_unread()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall:
            self._stall.cancel()
            self._stall = None
        self._watch_closing()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._watch_closing()

    def _unsupported_upgrade_warning(self) -> None:
        """No warning: a client that prefers another protocol is answered in this one."""

    def send_400_response(self, msg: str) -> None:
        self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        task = self.loop.create_task(cycle.run_asgi(app))
        task.add_done_callback(self.tasks.discard)
        task.add_done_callback(lambda _: self._watch_closing())
        self.tasks.add(task)
        self._running = cycle, task

    def _is_answering(self) -> bool:
        return self._running is not None and not self._running[0].response_complete

    def _is_answered(self) -> bool:
        """Whether the request that is being received already has its answer, which did not need the rest."""
        return self._head_bytes is None and self.cycle.response_complete

    def _too_late(self) -> None:
        self._deadline = None
        if self._receiving and not self._is_answered():
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"the request did not arrive within {REQUEST_SECONDS:g} seconds")
        else:
            self.transport.close()
            self._watch_closing()

    def _watch_closing(self) -> None:
        """Closing waits until everything is written, which may be too little for uvicorn to pause writing."""
        if self.transport.is_closing():
            self._watch_unread()

    def _watch_unread(self) -> None:
        self._unread = self.transport.get_write_buffer_size()
        if self._unread and self._stall is None:
            self._stall = self.loop.call_later(UNREAD_SECONDS, self._check_unread)

    def _check_unread(self) -> None:
        self._stall = None
        if self.transport.get_write_buffer_size() >= self._unread:
            self.transport.abort()
        else:
            self._watch_unread()

    def _refuse(self, status: HTTPStatus, error: str, *headers: str) -> None:
        """Answers in place of the application, and reads no more requests."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        begun = False
        if self._running and self._is_answering():
            cycle, _ = self._running
            begun = cycle.response_started
            cycle.disconnected = True
            cycle.message_event.set()
        self.flow.resume_reading()
        if not begun:
            self.transport.write(_answer(status, error, headers))
            self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.abort)


def _answer(status: HTTPStatus, error: str, headers: tuple[str, ...]) -> bytes:
    body = orjson.dumps({"message": status.phrase, "error": error})
    head = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "connection: close",
        *headers,
    ]
    return "\r\n".join([*head, "", ""]).encode() + body
