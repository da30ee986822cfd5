"""`duckdb_adbc.py URL FILE`: the table `made` into `loaded.made` of a DuckDB file, as Arrow arrays of ADBC's driver."""

from __future__ import annotations

import sys

import duckdb
from adbc_driver_postgresql import dbapi


def main(url: str, file: str) -> None:
    target = duckdb.connect(file)
    with dbapi.connect(url) as source, source.cursor() as cursor:
        cursor.execute("SELECT * FROM made")
        batches = cursor.fetch_record_batch()
        target.execute("CREATE SCHEMA loaded")
        target.register("batches", batches)
        target.execute("CREATE TABLE loaded.made AS SELECT * FROM batches")
    target.close()


main(*sys.argv[1:])
