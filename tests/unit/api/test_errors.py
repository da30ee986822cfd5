"""Which answer which error becomes."""

from __future__ import annotations

import asyncpg
import orjson
import pytest
from starlette.exceptions import HTTPException

from app.api.http.errors import RefusedError, answer_to, unknown_task
from app.domain.errors import (
    ConfigurationError,
    DatabaseReadOnlyError,
    DatabaseUnreachableError,
    SchemaVersionError,
    SynclineError,
    UnknownCollectionError,
    UnknownSourceError,
    UnsettledError,
)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RefusedError(418, "No"), 418),
        (HTTPException(404), 404),
        (HTTPException(405, headers={"Allow": "GET"}), 405),
        (ConfigurationError("wrong"), 400),
        (UnknownSourceError("load"), 404),
        (UnknownCollectionError("load", "users"), 404),
        (SchemaVersionError("old"), 503),
        (DatabaseUnreachableError("away"), 503),
        (ConnectionResetError(), 503),
        (TimeoutError(), 503),
        (asyncpg.CannotConnectNowError(), 503),
        (asyncpg.TooManyConnectionsError(), 503),
        (asyncpg.DiskFullError("could not extend file"), 503),
        (asyncpg.InternalClientError("cannot switch to state 12"), 503),
        (asyncpg.InterfaceError("pool is closed"), 503),
        (asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction"), 503),
        (DatabaseReadOnlyError(), 503),
        (UnsettledError("the queue does not come to rest"), 503),
        (asyncpg.UndefinedTableError("secret"), 500),
        (SynclineError("secret"), 500),
        (ValueError("secret"), 500),
    ],
)
def test_every_error_has_one_status_and_the_shape(error: Exception, status: int) -> None:
    answer = answer_to(error, "some-id", str)
    document = orjson.loads(answer.body)
    assert answer.status_code == status
    assert list(document) in (["message"], ["message", "error"])
    assert "secret" not in str(document)
    if status == 500:
        assert document == {"message": "Internal server error", "error": "some-id"}


def test_a_value_that_the_driver_cannot_send_is_our_fault_and_not_the_databases() -> None:
    class CannotSendError(asyncpg.InterfaceError, ValueError):
        """As asyncpg's own for arguments."""

    assert answer_to(CannotSendError("int out of range"), "id", str).status_code == 500


def test_what_no_utf8_can_write_is_still_answered() -> None:
    document = orjson.loads(answer_to(RefusedError(400, "No", "\ud800 is wrong"), "id", str).body)
    assert document["error"] == "? is wrong"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (unknown_task("a\u200bb"), r"Task [a\u200bb] doesn't exist"),
        (unknown_task("\ud800"), r"Task [\ud800] doesn't exist"),
        (UnknownSourceError("büro\x1b"), r"Source [büro\x1b] doesn't exist"),
        (UnknownCollectionError("s\n", "c\u202e"), r"Collection [c\u202e] doesn't exist in source [s\n]"),
    ],
)
def test_what_cannot_be_seen_in_a_name_is_escaped(error: Exception, text: str) -> None:
    assert orjson.loads(answer_to(error, "id", str).body)["error"] == text


def test_a_request_that_cannot_work_is_not_called_a_fault_of_the_catalogue() -> None:
    document = orjson.loads(answer_to(ConfigurationError("the end must be after the start"), "id", str).body)
    assert document == {"message": "Invalid request", "error": "the end must be after the start"}


def test_a_queue_that_is_not_settled_is_called_so_whatever_was_asked() -> None:
    answer = answer_to(UnsettledError("the queue of s/c keeps changing; gave up, try again"), "id", str)
    assert answer.headers["Retry-After"] == "1"
    assert orjson.loads(answer.body) == {
        "message": "Queue is busy",
        "error": "the queue of s/c keeps changing; gave up, try again",
    }
