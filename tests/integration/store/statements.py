"""The store's statements, sent one by one, for tests that decide what happens between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.store.log import LineBlock
from app.store.queries import load_statements
from app.store.queue import ending_columns
from tests.harness import ending

if TYPE_CHECKING:
    from uuid import UUID

    from app.domain.claim import Claim
    from app.store.database import Connection

QUEUE: Final = load_statements("queue.sql")
LEASES: Final = load_statements("leases.sql")
LOG: Final = load_statements("log.sql")
STREAMS: Final = load_statements("streams.sql")
# For `cancel_task`: its transaction schedules nothing.
NOT_FOLLOWED: Final = False
# Nor does its event say who asked.
BY_NOBODY: Final[dict[str, str]] = {}


async def end_on(connection: Connection, worker: UUID, claim: Claim) -> bool:
    """Whether `end_attempts` accepted the ending."""
    return await connection.fetch(QUEUE["end_attempts"], worker, *ending_columns([ending(claim)])) == []


async def append_on(connection: Connection, worker: UUID, claim: Claim, line: int = 1) -> bool:
    """Whether `append_log` accepted the line."""
    attempt = ([claim.source], [claim.collection], [claim.task], [claim.attempt], [claim.number])
    lines = ([1], [line], [line], [0.0], ["info"], [f'{{"line {line}"}}'], [None])
    again = False
    return await connection.fetch(LOG["append_log"], worker, *attempt, *lines, again) != []


async def save_on(connection: Connection, worker: UUID, claim: Claim, *, version: int = 2) -> bool:
    """Whether `save_bookmark` accepted a commit, for a stream at this version."""
    what = ("d", 1, {"at": 1}, 0, 1)
    return await connection.fetch(STREAMS["save_bookmark"], worker, *key_of(claim), *what, version, None) != []


def key_of(claim: Claim) -> tuple[str, str, UUID, int]:
    return claim.source, claim.collection, claim.task, claim.number


def numbered(*lines: int) -> list[LineBlock]:
    """Each line as a block."""
    return [LineBlock.of(line, 0.0, "info", [f"line {line}"]) for line in lines]
