"""The program, and whether the database's server answers, is one that Syncline supports, and accepts writes."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from app.bootstrap.environment import database_in_reach
from app.bootstrap.schema_version import head
from app.doctor.finding import fail, ok, warn
from app.store.address import server_of
from app.store.installation import defaults_to_read_only, fetch_server
from app.store.sessions import UTF8

if TYPE_CHECKING:
    from app.doctor.finding import Finding
    from app.doctor.installation import Installation

OLDEST: Final = 15
NEWEST: Final = 18


async def look_at_program(_installation: Installation) -> list[Finding]:
    return [ok("syncline", f"{version('syncline')} with schema {head()}, on Python {platform.python_version()}")]


async def look(installation: Installation) -> list[Finding]:
    """The server behind DATABASE_URL; without it, that of a running `syncline dev`.

    Raises:
        SynclineError: there is no address, or the server does not answer.
    """
    installation.address = database_in_reach(installation.settings)
    async with installation.connected() as connection:
        server = await fetch_server(connection)
    return [
        ok("database", f"{server_of(installation.address.direct)} answers"),
        judge_version(server["version"], server["number"] // 10_000),
        _encoding(server["encoding"]),
    ]


async def look_at_writes(installation: Installation) -> list[Finding]:
    """Whether API and workers may write."""
    async with installation.connected_as_service() as connection:
        if (await fetch_server(connection))["standby"]:
            return [fail("writes", "the server is a standby", "Let DATABASE_URL lead to the primary.")]
        if await defaults_to_read_only(connection):
            text = "default_transaction_read_only is on, so nothing can be written"
            return [fail("writes", text, "Find out who has set it: some providers do when a disk is nearly full.")]
    return [ok("writes", "accepted")]


def judge_version(name: str, major: int) -> Finding:
    text = f"PostgreSQL {name}"
    if major < OLDEST:
        return fail("version", f"{text} is too old", f"Use PostgreSQL {OLDEST} to {NEWEST}.")
    if major > NEWEST:
        return warn("version", f"{text} is newer than this release was tested with", "Upgrade Syncline when you can.")
    return ok("version", text)


def _encoding(encoding: str) -> Finding:
    if encoding == UTF8:
        return ok("encoding", encoding)
    return fail(
        "encoding",
        f"the database has the encoding {encoding} and must have {UTF8}",
        "Create another one with CREATE DATABASE … ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0.",
    )
