"""The version of the schema, and whether the next event follows the stored ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.bootstrap.schema_version import head, pending_migrations, schema_problem
from app.doctor.finding import fail, ok
from app.store.positions import check_positions
from app.store.reads import fetch_schema_version

if TYPE_CHECKING:
    from app.doctor.finding import Finding
    from app.doctor.installation import Installation


async def look(installation: Installation) -> list[Finding]:
    async with installation.connected() as connection:
        version = await fetch_schema_version(connection)
    if schema_problem(version) is None:
        newer = "" if version == head() else f", of a newer release than this one, which has {head()}"
        return [ok("schema", f"at version {version}{newer}")]
    steps = [f"  {revision}  {title}" for revision, title in pending_migrations(version)]
    state = f"at version {version}" if version else "not created yet"
    text = f"{state}; this release needs {head()}"
    return [fail("schema", text, "\n".join(["Run 'syncline migrate', which runs these migrations:", *steps]))]


async def look_at_positions(installation: Installation) -> list[Finding]:
    """Raises `StoreMovedError`, which says what to do, if the store has moved to another server."""
    async with installation.connected() as connection:
        await check_positions(connection)
    return [ok("positions", "the next event follows the stored ones")]
