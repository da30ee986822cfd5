"""`duckdb_arrow.py URL FILE`: the table `made` into `loaded.made` of a DuckDB file, as Arrow tables."""

from __future__ import annotations

import asyncio
import sys

import asyncpg
import duckdb
import pyarrow as pa

ROWS_AT_ONCE = 10_000
SCHEMA = pa.schema(
    {
        "id": pa.int64(),
        "name": pa.string(),
        "city": pa.string(),
        "at": pa.timestamp("us", tz="UTC"),
        "price": pa.float64(),
        "count": pa.int32(),
        "active": pa.bool_(),
        "note": pa.string(),
    }
)


async def main(url: str, file: str) -> None:
    source = await asyncpg.connect(url)
    target = duckdb.connect(file)
    target.execute("CREATE SCHEMA loaded; BEGIN")
    target.register("batch", SCHEMA.empty_table())
    target.execute("CREATE TABLE loaded.made AS SELECT * FROM batch")
    async with source.transaction(isolation="repeatable_read", readonly=True):
        cursor = await source.cursor("SELECT * FROM made")
        while rows := await cursor.fetch(ROWS_AT_ONCE):
            columns = [
                pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), SCHEMA, strict=True)
            ]
            target.register("batch", pa.Table.from_arrays(columns, schema=SCHEMA))
            target.execute("INSERT INTO loaded.made SELECT * FROM batch")
    target.execute("COMMIT")
    target.close()
    await source.close()


asyncio.run(main(*sys.argv[1:]))
