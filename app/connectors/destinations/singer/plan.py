"""Describes what a target is told of columns. Which types it makes of that, only the target knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.contract.passes import DescribedTable
from app.connectors.destinations.singer.messages import told_type

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.connectors.contract.passes import Log
    from app.connectors.contract.schema import Table
    from app.connectors.destinations.singer.options import TargetOptions


def plan_tables(
    options: TargetOptions,  # noqa: ARG001 -- every target is told the same
    tables: Sequence[Table],
    *,
    name: str,  # noqa: ARG001 -- there are no errors
    work_dir: Path,  # noqa: ARG001 -- no file is needed
    log: Log,  # noqa: ARG001 -- nothing to tell
) -> list[DescribedTable]:
    return [
        DescribedTable(table, {field: (field, told_type(kind)) for field, kind in table.columns.items()})
        for table in tables
    ]
