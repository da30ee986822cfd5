"""What the destinations have of what the taps tell, by their own account of how far they are."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import duckdb
import psycopg

from tests.chaos.load import FINITE, FINITE_RECORDS, KEYLESS, PACKAGED, TAPS
from tests.harness import until
from tests.history.record import Copied

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.chaos.system import System

    Fetch = Callable[[str], list[tuple[Any, ...]]]
    # A source and all its records; None for one that never comes to its end.
    Sources = Mapping[str, frozenset[int] | None]

_PATIENCE_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.25
_SUCCEEDED = """
SELECT count(DISTINCT source) FROM syncline.all_tasks WHERE source = ANY (%s) AND status = 'SUCCESS' AND created_at > %s
"""


async def all_copied(system: System) -> list[str]:
    """Wait until every source that has an end was synced once more, from now on: what is wrong if that takes long."""
    since = datetime.now(UTC)
    ending = [FINITE, *([PACKAGED] if system.packaged else [])]

    def count() -> int:
        with system.connect() as connection:
            row = connection.execute(_SUCCEEDED, [ending, since]).fetchone()
        return row[0] if row else 0

    async def synced() -> bool:
        await asyncio.sleep(_LOOK_SECONDS)
        return await asyncio.to_thread(count) == len(ending)

    try:
        await until(synced, seconds=_PATIENCE_SECONDS)
    except (AssertionError, psycopg.Error) as error:
        return [f"{', '.join(ending)} were not synced to their end: {error}"]
    return []


def copied(system: System) -> list[Copied]:
    """Every source in both destinations, in one that has nothing of it too."""
    with system.server.warehouse.connect() as connection:
        sources = _sources(connection, packaged=system.packaged)
        found = _tables("warehouse", "warehouse.", lambda query: connection.execute(query.encode()).fetchall(), sources)
    file = system.directory / "warehouse.duckdb"
    if not file.exists():
        return found + _tables("file", "", lambda _query: [], sources)
    with duckdb.connect(str(file), read_only=True) as connection:
        return found + _tables("file", "", lambda query: connection.execute(query).fetchall(), sources)


def _sources(connection: psycopg.Connection, *, packaged: bool) -> Sources:
    sources: dict[str, frozenset[int] | None] = dict.fromkeys((*TAPS, KEYLESS))
    sources[FINITE] = frozenset(range(1, FINITE_RECORDS + 1))
    if packaged:
        sources[PACKAGED] = frozenset(id_ for (id_,) in connection.execute(f"SELECT id FROM {PACKAGED}".encode()))
    return sources


def _tables(destination: str, schema: str, fetch: Fetch, sources: Sources) -> list[Copied]:
    marks: dict[str, str] = dict(
        fetch(f"SELECT source, bookmark::text FROM {schema}_syncline_bookmarks WHERE bookmark IS NOT NULL")
    )
    copies = []
    for source, records in sources.items():
        reached = _number(marks[source]) if source in marks else None
        found = Counter(id_ for (id_,) in fetch(f"SELECT id FROM {schema}{source}_{source}")) if reached else Counter()
        wanted = frozenset(range(1, (reached or 0) + 1)) if records is None else records
        copies.append(Copied(source, source, destination, wanted, found, reached, complete=records is not None))
    return copies


def _number(bookmark: str) -> int:
    """Of the state of a tap: our own writes `id`, the Singer SDK `replication_key_value`."""
    [(_, reached)] = json.loads(bookmark)["bookmarks"].items()
    return int(reached["id"] if "id" in reached else reached["replication_key_value"])
