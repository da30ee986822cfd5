"""The database's clock, which decides what is due, beside this machine's."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Final

from app.doctor.finding import ok, warn
from app.store.installation import fetch_clock

if TYPE_CHECKING:
    from app.doctor.finding import Finding
    from app.doctor.installation import Installation

LARGEST_DIFFERENCE: Final = dt.timedelta(seconds=5)


async def look(installation: Installation) -> list[Finding]:
    async with installation.connected() as connection:
        before = dt.datetime.now(dt.UTC)
        row = await fetch_clock(connection)
        after = dt.datetime.now(dt.UTC)
    return [judge(row["at"] - (before + (after - before) / 2), zone=row["zone"])]


def judge(difference: dt.timedelta, *, zone: str) -> Finding:
    """`difference` is how far the database's clock is ahead."""
    seconds = abs(difference).total_seconds()
    way = "ahead of" if difference > dt.timedelta() else "behind"
    zones = f"time zones: {zone} there, {time.tzname[0]} here"
    if seconds <= LARGEST_DIFFERENCE.total_seconds():
        return ok("clock", f"the database's is {seconds:.3f} s {way} this machine's; {zones}")
    return warn(
        "clock",
        f"the database's is {seconds:,.0f} s {way} this machine's; {zones}",
        "Synchronise both with NTP. Tasks start by the database's clock; logs of processes have this one's.",
    )
