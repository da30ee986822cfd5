"""Tries a DuckDB destination: in a transaction that is rolled back, or in a file of its own if there is none yet."""

from __future__ import annotations

from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.connectors.contract.trials import trial_name
from app.connectors.destinations.duckdb.file import TargetFile, translate_errors
from app.connectors.destinations.duckdb.stage import DuckdbStage
from app.connectors.destinations.duckdb.tables import DuckdbTables
from app.connectors.warehouse.trial import try_table
from app.domain.naming import AS_IS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.contract.passes import Log
    from app.connectors.destinations.duckdb.options import DuckdbDestinationOptions

WAIT_SECONDS: Final = 30.0


class _RolledBackError(Exception):
    """Ends the transaction."""


def try_out(options: DuckdbDestinationOptions, *, name: str, work_dir: Path, data_dir: Path, log: Log) -> None:  # noqa: ARG001 -- it has no programs
    with file_to_try(Path(options.path).absolute()) as path:
        file = TargetFile(str(path), name=name, work_dir=work_dir, log=log, wait_seconds=WAIT_SECONDS)
        tables = DuckdbTables(file, schema=options.schema_, naming=AS_IS)
        with (
            closing(file),
            translate_errors(f"cannot write to {options.path}"),
            suppress(_RolledBackError),
            file.transaction(),
        ):
            try_table(file, tables, lambda target: DuckdbStage(file, target, number=0, task_id="trial"))
            raise _RolledBackError


@contextmanager
def file_to_try(path: Path) -> Iterator[Path]:
    """The file itself, or one beside it, which is removed: opening a file that does not exist would create it."""
    if path.exists():
        yield path
        return
    beside = path.with_name(f"{path.name}.{trial_name()}")
    try:
        yield beside
    finally:
        for each in (beside, beside.with_name(f"{beside.name}.wal")):
            each.unlink(missing_ok=True)
