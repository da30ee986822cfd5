"""Tries a warehouse: a new table, a row in it as an attempt writes it, and no table again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.contract.schema import Kind, Table
from app.connectors.contract.trials import trial_name
from app.domain.errors import SynclineError
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.connectors.warehouse.layout import Target
    from app.connectors.warehouse.session import Session
    from app.connectors.warehouse.stage import Stage
    from app.connectors.warehouse.tables import Tables


def try_table(session: Session, tables: Tables, make_stage: Callable[[Target], Stage]) -> None:
    """Runs in a transaction of the caller's, who rolls it back: nothing is left, even if the process is killed."""
    row = {"id": 1, "body": "written by a test of this destination"}
    table = Table(trial_name(), {"id": Kind.INTEGER, "body": Kind.TEXT}, key=("id",), mode=WriteMode.UPSERT)
    tables.make_schema()
    target = tables.make_room(table)
    stage = make_stage(target)
    stage.add([row], row.keys())
    stage.move()
    if not tables.has_rows(target.qualified):
        raise SynclineError(f"a row that was written to {target.qualified} is not there")
    session.run(f"DROP TABLE {target.qualified}")
