"""Connections whose other side is silent, as behind a firewall that has forgotten them, fail in about a minute."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Any, Final

_IDLE_SECONDS: Final = 30
_INTERVAL_SECONDS: Final = 10
_PROBES: Final = 3
_UNANSWERED_MILLISECONDS: Final = 60_000

LIBPQ: Final = {
    "keepalives_idle": _IDLE_SECONDS,
    "keepalives_interval": _INTERVAL_SECONDS,
    "keepalives_count": _PROBES,
    "tcp_user_timeout": _UNANSWERED_MILLISECONDS,
}
"""Parameters of libpq: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS"""

# Not every system has all of them.
_OPTIONS: Final = {
    "TCP_KEEPIDLE": _IDLE_SECONDS,
    "TCP_KEEPINTVL": _INTERVAL_SECONDS,
    "TCP_KEEPCNT": _PROBES,
    "TCP_USER_TIMEOUT": _UNANSWERED_MILLISECONDS,
}


def keep_alive(connection: Any) -> None:
    """Sets this for a driver's connection (PEP 249), if it shows its socket and does not keep alive already."""
    descriptor = _descriptor_of(connection)
    if descriptor is None:
        return
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as shared:
        if shared.family == socket.AF_UNIX or shared.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE):
            return
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _OPTIONS.items():
            if hasattr(socket, name):
                shared.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _descriptor_of(connection: Any) -> int | None:
    """The connection is or has a socket: of psycopg2, PyMySQL or mysql.connector, in this order."""
    inner = getattr(connection, "_sock", None)
    for each in (connection, inner, getattr(getattr(connection, "_socket", None), "sock", None)):
        if callable(fileno := getattr(each, "fileno", None)):
            return int(fileno())
    return None
