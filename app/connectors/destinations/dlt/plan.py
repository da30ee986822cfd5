"""Describes tables of one of dlt's destinations as a load would make them, those that exist included."""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from app.connectors.destinations.dlt.trial import leaving_nothing
from app.connectors.destinations.dlt.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.connectors.contract.passes import DescribedTable, Log
    from app.connectors.contract.schema import Table
    from app.connectors.destinations.dlt.options import DltDestinationOptions


def plan_tables(
    options: DltDestinationOptions,
    tables: Sequence[Table],
    *,
    name: str,  # noqa: ARG001 -- its errors do not need it
    work_dir: Path,
    log: Log,  # noqa: ARG001 -- nothing to tell
) -> list[DescribedTable]:
    from dlt.common.schema import Schema  # noqa: PLC0415 -- dlt takes seconds

    from app.connectors.destinations.dlt.tables import check_possible  # noqa: PLC0415 -- likewise
    from app.connectors.destinations.dlt.target import describe_target  # noqa: PLC0415 -- likewise

    # Several destinations may be looked at in one work directory.
    home = Path(mkdtemp(prefix="dlt-plan-", dir=work_dir))
    warehouse = Warehouse(options, home=home, locks=work_dir.parent)
    schema = Schema("syncline_plan")
    described: list[DescribedTable] = []
    with leaving_nothing(warehouse, options, doing="cannot look at tables"), warehouse.client(schema) as client:
        # The files of a directory have no common schema.
        has_tables = not warehouse.is_of_files and client.is_storage_initialized()
        for table in tables:
            check_possible(table, warehouse)
            qualified = schema.naming.normalize_tables_path(table.name)
            present = dict(client.get_storage_table(qualified)[1]) if has_tables else {}
            target = describe_target(
                table, schema, present, client.capabilities, unfinished=False, naming=options.naming
            )
            described.append(target.description())
    return described
