"""A server of a test's own, in a thread of the test's process."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import HTTPServer

AnyServer = TypeVar("AnyServer", bound="HTTPServer")


@contextmanager
def answering(server: AnyServer) -> Iterator[AnyServer]:
    """`server` while it answers; closed at the end."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
