"""Describes tables of a DuckDB file as a load would make them, those that exist included."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from app.connectors.destinations.duckdb.file import TargetFile, translate_errors
from app.connectors.destinations.duckdb.tables import DuckdbTables
from app.connectors.destinations.duckdb.trial import WAIT_SECONDS, file_to_try

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.connectors.contract.passes import DescribedTable, Log
    from app.connectors.contract.schema import Table
    from app.connectors.destinations.duckdb.options import DuckdbDestinationOptions


def plan_tables(
    options: DuckdbDestinationOptions, tables: Sequence[Table], *, name: str, work_dir: Path, log: Log
) -> list[DescribedTable]:
    with file_to_try(Path(options.path).absolute()) as path:
        file = TargetFile(str(path), name=name, work_dir=work_dir, log=log, wait_seconds=WAIT_SECONDS)
        known = DuckdbTables(file, schema=options.schema_, naming=options.naming)
        with closing(file), translate_errors(f"cannot look into {options.path}"), file.transaction():
            return [known.plan(table).description() for table in tables]
