"""What an error of the connection is called where people read it."""

from __future__ import annotations

import errno
import socket
import ssl

import asyncpg
import pytest

from app.causes import describe_cause, describe_error

BOTH = "[Errno 111] Connect call failed ('::1', 5432, 0, 0), [Errno 111] Connect call failed ('127.0.0.1', 5432)"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 5432)"), "connection refused"),
        (OSError(f"Multiple exceptions: {BOTH}"), "connection refused"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "no such file or directory"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "name or service not known"),
        (OSError("unexpected connection_lost() call"), "unexpected connection_lost() call"),
        (TimeoutError(), "timed out"),
        (asyncpg.CannotConnectNowError("the database system is starting up"), "the database system is starting up"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_the_cause_is_in_plain_words(error: Exception, text: str) -> None:
    assert describe_error(error) == text


def test_a_library_s_error_is_explained_by_the_first_cause_that_says_why() -> None:
    below = OSError("All connection attempts failed")
    below.__context__ = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 9)")
    above = RuntimeError("All connection attempts failed")
    above.__cause__ = below
    assert describe_cause(above) == "connection refused"
    untrusted = ssl.SSLCertVerificationError(1, "certificate verify failed")
    untrusted.verify_message = "self-signed certificate"
    above.__cause__ = untrusted
    assert describe_cause(above) == "its certificate is not trusted: self-signed certificate"
    assert describe_cause(RuntimeError("nothing known")) is None
