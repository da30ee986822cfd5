"""Tries a directory or bucket for Parquet files: a file that only one writer can create, and one with a row."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from app.connectors.contract.trials import trial_name, without_new_directories
from app.connectors.destinations.parquet.storage import make_storage
from app.connectors.options.addresses import local_path
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from pathlib import Path

    from app.connectors.contract.passes import Log
    from app.connectors.destinations.parquet.options import ParquetDestinationOptions


def try_out(
    options: ParquetDestinationOptions,
    *,
    name: str,  # noqa: ARG001 -- its errors do not need it
    work_dir: Path,
    data_dir: Path,  # noqa: ARG001 -- it has no programs
    log: Log,  # noqa: ARG001 -- nothing to tell
) -> None:
    manifest, data = f"{trial_name()}.json", f"{trial_name()}.parquet"
    local = work_dir / data
    pq.write_table(pa.table({"id": [1]}), local)
    with without_new_directories(local_path(options.path)), ExitStack() as stack:
        storage = make_storage(options)
        for each in (manifest, data):
            stack.callback(storage.remove, each)
        if not storage.create(manifest, b"{}"):
            raise SynclineError(f"a new file cannot be created: {manifest} is said to exist")
        storage.put(local, data)
        with storage.open(data) as file:
            if pq.read_table(file).num_rows != 1:
                raise SynclineError(f"a row that was written to {data} is not there")
