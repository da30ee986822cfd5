"""Whether the events are sealed, and are as they were sealed as far as retention has looked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.doctor.finding import fail, ok
from app.domain.counts import count
from app.store.installation import fetch_seals

if TYPE_CHECKING:
    from app.doctor.finding import Finding
    from app.doctor.installation import Installation


async def look_at_seals(installation: Installation) -> list[Finding]:
    """Events are not hashed here: that takes minutes, and is what `syncline events verify` is for."""
    async with installation.connected() as connection:
        seals = await fetch_seals(connection)
    if seals["differing"]:
        weeks = ", ".join(str(week) for week in seals["differing"][:3])
        number = count(len(seals["differing"]), "week")
        return [
            fail(
                "seals",
                f"retention keeps {number} whose events are not as they were sealed: {weeks}",
                "Run 'syncline events verify', and see What to do about a difference in docs/history.md.",
            )
        ]
    newest = f", the newest of the week {seals['newest']}" if seals["newest"] else ""
    return [ok("seals", f"{count(seals['weeks'], 'week')} sealed{newest}")]
