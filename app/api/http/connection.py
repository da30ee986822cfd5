"""A client's connection: what a server that trusts everybody leaves without bound has one here."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.api.http.limits import LARGEST_HEADERS

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

REQUEST_SECONDS: Final = 20.0
"""A connection's first byte, and each request from its first byte to its last, may take so long."""

UNREAD_SECONDS: Final = 30.0
"""So long an answer may wait without its client taking any of it."""

MOST_CONNECTIONS: Final = 4000
MOST_PIPELINED: Final = 32
"""Requests on one connection that wait for the answer to the one before them."""

LARGEST_HEAD: Final = 4 * LARGEST_HEADERS
"""Bytes of a head that is not whole yet. Heads that are whole have finer limits, in `app.api.http.limits`."""

CLIENT_LEFT: Final = "syncline.client_left"

# So long we listen to somebody who was refused: closed at once, the network might drop our answer with their rest.
_LINGER_SECONDS: Final = 1.0
_READS: Final = frozenset({"GET", "HEAD"})


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's protocol with an end to everything for which a client can let it wait.

    A request that does not come is given up, so is an answer that is not read. Heads cannot grow, nor the queue of
    requests. A read whose client has left is canceled, so that its place at the database is free. What it refuses, it
    answers in the shape of all errors.
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
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "there are too many connections; try again", "retry-after: 1")

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
            why = f"path, query and headers: at most {LARGEST_HEAD} bytes"
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, why)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._receiving, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._head_bytes = None
        if len(self.pipeline) > MOST_PIPELINED:
            raise ValueError("too many requests before an answer")  # the parser makes a 400 of it

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
        """Nobody of ours has failed when a client would rather speak another protocol: it is answered in this one."""

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
        """Whether the request that is being received has its answer already, which did not need the rest."""
        return self._head_bytes is None and self.cycle.response_complete

    def _too_late(self) -> None:
        self._deadline = None
        if self._receiving and not self._is_answered():
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"a request must be here within {REQUEST_SECONDS:g} seconds")
        else:
            self.transport.close()
            self._watch_closing()

    def _watch_closing(self) -> None:
        """Closing waits until everything is written, which may be little enough that nobody is asked to pause."""
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
        """Answer for the application, which is not asked or not waited for any more, and hear no more requests."""
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
