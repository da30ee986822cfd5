"""A destination that discards all rows, to generate load or to try a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.contract.passes import Emptied, Position

if TYPE_CHECKING:
    from pathlib import Path

    from app.connectors.contract.batches import Batch
    from app.connectors.contract.passes import Fence, Log
    from app.connectors.contract.schema import Table
    from app.connectors.destinations.none.options import NoneDestinationOptions


class NoneDestination:
    def __init__(self, _options: NoneDestinationOptions, _fence: Fence, *, name: str, work_dir: Path, log: Log) -> None:
        """Needs nothing."""

    def open(self) -> Position:
        return Position(indifferent=True)

    def begin(self, table: Table) -> None:
        pass

    def write(self, table: str, batch: Batch) -> None:
        pass

    def empty(self, emptied: Emptied) -> None:
        pass

    def complete(self, table: str) -> None:
        pass

    def commit(self, bookmark: str | None, *, final: bool) -> int:  # noqa: ARG002 -- nothing is kept
        return 0

    def own_tables(self) -> dict[str, bool]:
        return {}

    def drop_table(self, table: str) -> None:
        pass

    def close(self) -> None:
        pass
