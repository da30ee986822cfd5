"""What holds up statistics, vacuum and the disk of the whole server: old transactions, and slots that nobody reads."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from app.doctor.finding import ok, warn
from app.domain.duration import format_duration
from app.store.installation import list_open_transactions, list_prepared_transactions, list_replication_slots

if TYPE_CHECKING:
    import asyncpg

    from app.doctor.finding import Finding
    from app.doctor.installation import Installation

LONG_WITH_ID: Final = 60.0
LONG_WITH_SNAPSHOT: Final = 3600.0
LONG_PREPARED: Final = 60.0
MUCH_WAL: Final = 1024**3
_MIB: Final = 1024**2
# Shown in remedies, never executed.
_TERMINATE: Final = "End its transaction, or run SELECT pg_terminate_backend({pid});"
_DROP_SLOT: Final = "Let its reader catch up, or run SELECT pg_drop_replication_slot('{name}');"


async def look_at_open(installation: Installation) -> list[Finding]:
    async with installation.connected() as connection:
        rows = await list_open_transactions(connection)
    found = [_describe_open(row) for row in rows if row["seconds"] is not None and row["seconds"] >= _longest(row)]
    if found:
        return found
    if hidden := sum(row["seconds"] is None for row in rows):
        return [
            ok(
                "transactions",
                f"no old one that this login may see; it may not see {hidden} of other logins",
                "To see all: GRANT pg_read_all_stats TO this login;",
            )
        ]
    return [ok("transactions", "no old one is open")]


def _longest(row: asyncpg.Record) -> float:
    return LONG_WITH_ID if row["has_id"] else LONG_WITH_SNAPSHOT


def _describe_open(row: asyncpg.Record) -> Finding:
    holds = "the statistics and vacuum" if row["has_id"] else "vacuum"
    return warn(
        "transactions",
        f"process {row['pid']} ({row['application'] or 'unnamed'}, login {row['login']}, database {row['database']}, "
        f"{row['state']}) has been holding up {holds} for {_age(row)}",
        _TERMINATE.format(pid=row["pid"]),
    )


async def look_at_prepared(installation: Installation) -> list[Finding]:
    async with installation.connected() as connection:
        rows = await list_prepared_transactions(connection)
    return [
        warn(
            "prepared",
            f"transaction {row['gid']!r} (login {row['owner']}, database {row['database']}) is prepared and has been "
            f"holding up the statistics and vacuum for {_age(row)}",
            f"In its database, run COMMIT PREPARED or ROLLBACK PREPARED with {row['gid']!r}.",
        )
        for row in rows
        if row["seconds"] >= LONG_PREPARED
    ] or [ok("prepared", "no transaction is prepared for long")]


async def look_at_slots(installation: Installation) -> list[Finding]:
    async with installation.connected() as connection:
        rows = await list_replication_slots(connection)
    return [
        warn(
            "slots",
            f"replication slot {row['name']} ({'active' if row['active'] else 'nobody reads it'}) holds "
            f"{row['bytes'] / _MIB:,.0f} MiB of WAL",
            _DROP_SLOT.format(name=row["name"]),
        )
        for row in rows
        if (row["bytes"] or 0) >= MUCH_WAL
    ] or [ok("slots", "no replication slot holds much WAL")]


def _age(row: asyncpg.Record) -> str:
    return format_duration(dt.timedelta(seconds=int(row["seconds"])))
