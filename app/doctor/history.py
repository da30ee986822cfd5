"""Whether the events are sealed, and are as they were sealed as far as retention has looked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.doctor.finding import fail, ok, warn
from app.domain.counts import count
from app.store.installation import fetch_seals

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from app.doctor.finding import Finding
    from app.doctor.installation import Installation


async def look_at_seals(installation: Installation) -> list[Finding]:
    """Events are not hashed here: that takes minutes, and is what `syncline events verify` is for."""
    async with installation.connected() as connection:
        seals = await fetch_seals(connection)
    if differing := seals["differing"]:
        return [
            fail(
                "seals",
                f"retention keeps {count(len(differing), 'week')} whose events are not as they were sealed:"
                f" {_first(differing)}",
                "Run 'syncline events verify', and see What to do about a difference in docs/history.md.",
            )
        ]
    if unarchived := seals["unarchived"]:
        return [
            warn(
                "seals",
                f"retention keeps {count(len(unarchived), 'week')} that are not archived: {_first(unarchived)}",
                "Look for archive.failed and retention.unarchived in the workers' logs, and see Archive in"
                " docs/history.md.",
            )
        ]
    newest = f", the newest of the week {seals['newest']}" if seals["newest"] else ""
    return [ok("seals", f"{count(seals['weeks'], 'week')} sealed{newest}")]


def _first(weeks: Sequence[date]) -> str:
    return ", ".join(str(week) for week in weeks[:3])
