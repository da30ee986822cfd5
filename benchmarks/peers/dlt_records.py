"""`dlt_records.py URL DIRECTORY SCHEMA RECORDS`: made records into the table `made`, which is replaced, by dlt.

The records are those of the source `synthetic`. Runs in dlt's own environment and so imports nothing of Syncline.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import dlt


def main(url: str, directory: str, schema: str, records: str) -> None:
    pipeline = dlt.pipeline(
        "made", pipelines_dir=directory, destination=dlt.destinations.postgres(url), dataset_name=schema
    )
    began = datetime(2020, 1, 1, tzinfo=UTC)
    made = [
        {
            "id": number,
            "text": f"record {number}",
            "number": number / 8,
            "timestamp": began + timedelta(seconds=number),
        }
        for number in range(int(records))
    ]
    pipeline.run(made, table_name="made", write_disposition="replace", primary_key="id")


main(*sys.argv[1:])
