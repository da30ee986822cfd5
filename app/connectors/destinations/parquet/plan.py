"""Describes tables of Parquet files as a first load would make them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.contract.passes import DescribedTable
from app.connectors.destinations.parquet import types
from app.connectors.destinations.parquet.destination import check_possible
from app.connectors.warehouse.layout import column_names
from app.domain.naming import namer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.connectors.contract.passes import Log
    from app.connectors.contract.schema import Table
    from app.connectors.destinations.parquet.options import ParquetDestinationOptions


def plan_tables(
    options: ParquetDestinationOptions,
    tables: Sequence[Table],
    *,
    name: str,  # noqa: ARG001 -- its errors do not need it
    work_dir: Path,  # noqa: ARG001 -- no file is needed
    log: Log,  # noqa: ARG001 -- nothing to tell
) -> list[DescribedTable]:
    return [_described(table, options) for table in tables]


def _described(table: Table, options: ParquetDestinationOptions) -> DescribedTable:
    check_possible(table)
    names = column_names(table, column_name=namer(options.naming), name_key=str.lower)
    columns = {
        field: (column, types.type_name(table.columns[field], table.digits.get(field)))
        for field, column in names.items()
    }
    return DescribedTable(table, columns)
