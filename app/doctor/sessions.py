"""A pooler between Syncline and the server, and the settings that matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.doctor.finding import fail, ok, warn
from app.doctor.installation import START_UP
from app.store.installation import fetch_connections, fetch_identity, fetch_process, fetch_settings
from app.store.sessions import PINNED_PLANS, find_session_problems

if TYPE_CHECKING:
    from app.doctor.finding import Finding
    from app.doctor.installation import Connection, Installation

_UNSAFE: Final = {
    "fsync": "a crash of the machine may destroy the database",
    "full_page_writes": "a crash of the machine may destroy pages",
    "autovacuum": "tables grow, and the queue becomes slow",
}
FULL: Final = 0.9


async def look_for_pooler(installation: Installation) -> list[Finding]:
    """Whether what must be the server is a pooler, and whether a pooler's sessions have the settings they need."""
    async with installation.connected() as connection:
        found = await fetch_settings(connection, [*START_UP])
        lost = [name for name, value in START_UP.items() if found.get(name) != value]
        bypassed = not lost and await fetch_process(connection) == connection.get_server_pid()
        identity = await fetch_identity(connection)
    if installation.address is None or not installation.address.pooled:
        return [ok("pooler", "none in between") if bypassed else _undeclared(lost)]
    async with installation.connected_as_service() as connection:
        if await fetch_identity(connection) != identity:
            text = "DATABASE_URL and DATABASE_DIRECT_URL lead to different databases"
            return [fail("pooler", text, "Let both lead to the same one, the first through the pooler.")]
        findings = await _settings_behind_pooler(connection)
    return findings if bypassed else [*findings, _not_bypassed()]


def _undeclared(lost: list[str]) -> Finding:
    """A pooler also drops settings, unless it refuses them."""
    dropped = f" and does not pass on {', '.join(lost)}" if lost else ""
    return fail(
        "pooler",
        f"DATABASE_URL leads to a pooler, which stands between Syncline and the server{dropped}",
        "Set DATABASE_DIRECT_URL to the address of the server itself; see Poolers in docs/operations.md.",
    )


def _not_bypassed() -> Finding:
    return warn(
        "pooler",
        "DATABASE_DIRECT_URL leads to a pooler too",
        "Let it lead to the server itself, or be sure that this pooler is in session mode.",
    )


async def _settings_behind_pooler(connection: Connection) -> list[Finding]:
    """A pooler passes no settings on: the login must have them."""
    unsafe, unwanted = await find_session_problems(connection)
    found = await fetch_settings(connection, [*PINNED_PLANS])
    slow = [name for name, value in PINNED_PLANS.items() if found.get(name, value) != value]
    findings = [fail("pooler", unsafe)] if unsafe else []
    findings += [warn("pooler", unwanted)] if unwanted else []
    if slow:
        statements = [f"{name} = {PINNED_PLANS[name]}" for name in slow]
        remedy = f"Set for the pooler's login: {', '.join(statements)}; see Poolers in docs/operations.md."
        findings.append(warn("pooler", f"the queue is slower under load with the pooler's {', '.join(slow)}", remedy))
    return findings or [ok("pooler", "its sessions have the right settings")]


async def look_at_settings(installation: Installation) -> list[Finding]:
    """Settings of the server that no session can change."""
    async with installation.connected() as connection:
        found = await fetch_settings(connection, [*_UNSAFE])
    off = [name for name, value in found.items() if value == "off"]
    if not off:
        return [ok("settings", "fsync, full_page_writes and autovacuum are on")]
    return [
        warn(
            "settings", f"{name} is off: {_UNSAFE[name]}", f"Set {name} = on in postgresql.conf and reload the server."
        )
        for name in off
    ]


async def count_connections(installation: Installation) -> list[Finding]:
    async with installation.connected() as connection:
        used, possible = await fetch_connections(connection)
    text = f"{used} of {possible} in use"
    if used < FULL * possible:
        return [ok("connections", text)]
    return [warn("connections", text, "Raise max_connections, or end clients that need none; a worker takes up to 10.")]
