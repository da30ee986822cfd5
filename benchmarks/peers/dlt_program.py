"""`dlt_program.py URL DIRECTORY`: the table `made` into `loaded.made` by dlt, in the settings with which it is fastest.

Rows travel as Arrow tables that ConnectorX reads, and are written as CSV, which PostgreSQL copies. Runs in dlt's own
environment and so imports nothing of Syncline.
"""

from __future__ import annotations

import sys

import dlt
from dlt.sources.sql_database import sql_table


def main(url: str, directory: str) -> None:
    pipeline = dlt.pipeline(
        "made",
        pipelines_dir=directory,
        destination=dlt.destinations.postgres(url),
        dataset_name="loaded",
        dev_mode=False,
    )
    table = sql_table(
        url, table="made", backend="connectorx", backend_kwargs={"return_type": "arrow"}, chunk_size=100_000
    )
    pipeline.run(table, loader_file_format="csv", write_disposition="replace")


main(*sys.argv[1:])
