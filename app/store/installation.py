"""What `syncline doctor` asks the database: facts without a judgement. Nothing here writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    import asyncpg

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]

_SQL: Final = load_statements("installation.sql")


async def fetch_server(connection: Connection) -> asyncpg.Record:
    """`version`, `number`, `encoding` and whether it is a `standby`."""
    [row] = await connection.fetch(_SQL["server"])
    return row


async def defaults_to_read_only(connection: Connection) -> bool:
    read_only: bool = await connection.fetchval(_SQL["defaults_to_read_only"])
    return read_only


async def fetch_settings(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """The settings of this session with these names, as far as the server knows them."""
    rows = await connection.fetch(_SQL["settings"], names)
    return {row["name"]: row["setting"] for row in rows}


async def fetch_process(connection: Connection) -> int:
    """The id of the server's process that serves this session."""
    process: int = await connection.fetchval(_SQL["process"])
    return process


async def fetch_identity(connection: Connection) -> tuple[int, datetime]:
    """The same for two sessions of one database."""
    [row] = await connection.fetch(_SQL["identity"])
    return row["database"], row["started"]


async def fetch_connections(connection: Connection) -> tuple[int, int]:
    """How many connections clients have, and how many they may have."""
    [row] = await connection.fetch(_SQL["connections"])
    return row["used"], row["possible"]


async def fetch_login(connection: Connection) -> asyncpg.Record:
    """`login`, the `role` that it acts as, and whether that is a `superuser`."""
    [row] = await connection.fetch(_SQL["login"])
    return row


async def list_roles(connection: Connection, names: Sequence[str]) -> list[asyncpg.Record]:
    """For each name: whether the role `exists`, and whether it is `usable` for this session."""
    return await connection.fetch(_SQL["roles"], names)


async def list_owners(connection: Connection) -> list[asyncpg.Record]:
    """Each `owner` of a table, and whether it is `usable` for this session."""
    return await connection.fetch(_SQL["owners"])


async def may_create(connection: Connection) -> bool:
    may: bool = await connection.fetchval(_SQL["may_create"])
    return may


async def list_missing_rights(connection: Connection, role: str) -> list[asyncpg.Record]:
    """Each `right` to an `object` that API and workers need and the role does not have."""
    return await connection.fetch(_SQL["missing_rights"], role)


async def fetch_clock(connection: Connection) -> asyncpg.Record:
    """`at`, the server's time, and its `zone`."""
    [row] = await connection.fetch(_SQL["clock"])
    return row


async def list_open_transactions(connection: Connection) -> list[asyncpg.Record]:
    return await connection.fetch(_SQL["open_transactions"])


async def list_prepared_transactions(connection: Connection) -> list[asyncpg.Record]:
    return await connection.fetch(_SQL["prepared_transactions"])


async def list_replication_slots(connection: Connection) -> list[asyncpg.Record]:
    return await connection.fetch(_SQL["replication_slots"])


async def list_workers(connection: Connection) -> list[asyncpg.Record]:
    return await connection.fetch(_SQL["workers"])


async def fetch_queue(connection: Connection) -> asyncpg.Record:
    """`ready` and `running` tasks, and for how many `seconds` the oldest ready one has waited."""
    [row] = await connection.fetch(_SQL["queue"])
    return row


async def list_held_up(connection: Connection) -> list[asyncpg.Record]:
    """Each `destination` that cannot be reached: `since` when, for how many `seconds`, the `error`, waiting `tasks`."""
    return await connection.fetch(_SQL["held_up"])


async def list_unserved_pools(connection: Connection) -> list[asyncpg.Record]:
    """Each `pool` that has ready `tasks` and no live worker, `since` when, and the `seconds` since then."""
    return await connection.fetch(_SQL["unserved_pools"])


async def fetch_schedules(connection: Connection, patience: timedelta) -> asyncpg.Record:
    """`active` and `late` schedules, the `first` late one, and by how many `seconds`."""
    [row] = await connection.fetch(_SQL["schedules"], patience)
    return row


async def fetch_seals(connection: Connection) -> asyncpg.Record:
    """How many `weeks` were sealed, the `newest` one, and those that retention keeps: `differing` and `unarchived`."""
    [row] = await connection.fetch(_SQL["seals"])
    return row


async def list_error_events(connection: Connection) -> list[asyncpg.Record]:
    """The last events that are errors, without their data."""
    return await connection.fetch(_SQL["error_events"])
