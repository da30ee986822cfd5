"""`asyncpg_copy.py URL`: the table `made` into `loaded.made`, as fast as asyncpg reads and copies it."""

from __future__ import annotations

import asyncio
import sys

import asyncpg

ROWS_AT_ONCE = 10_000


async def main(url: str) -> None:
    source, target = await asyncpg.connect(url), await asyncpg.connect(url)
    await target.execute("CREATE SCHEMA loaded; CREATE TABLE loaded.made (LIKE public.made)")
    async with source.transaction(isolation="repeatable_read", readonly=True), target.transaction():
        cursor = await source.cursor("SELECT * FROM made")
        while rows := await cursor.fetch(ROWS_AT_ONCE):
            await target.copy_records_to_table("made", schema_name="loaded", records=rows)
    await source.close()
    await target.close()


asyncio.run(main(*sys.argv[1:]))
