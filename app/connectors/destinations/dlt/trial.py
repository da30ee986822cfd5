"""Tries one of dlt's destinations: a table in its dataset, or in a dataset of its own if that does not exist yet."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.connectors.contract.trials import trial_name, without_new_directories
from app.connectors.destinations.dlt.warehouse import Warehouse
from app.connectors.options.addresses import local_path
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.contract.passes import Log
    from app.connectors.destinations.dlt.options import DltDestinationOptions


def try_out(
    options: DltDestinationOptions,
    *,
    name: str,  # noqa: ARG001 -- its errors do not need it
    work_dir: Path,
    data_dir: Path,  # noqa: ARG001 -- it has no programs
    log: Log,  # noqa: ARG001 -- nothing to tell
) -> None:
    home = work_dir / "dlt-trial"
    home.mkdir()
    warehouse = Warehouse(options, home=home, locks=work_dir.parent)
    with leaving_nothing(warehouse, options, doing="cannot write"):
        with warehouse.client() as client:
            exists = client.is_storage_initialized()
        if exists:
            _try_in(warehouse)
            return
        scratch = Warehouse(options.model_copy(update={"dataset": trial_name()}), home=home, locks=work_dir.parent)
        with scratch.client() as client:
            client.initialize_storage()
        try:
            _try_in(scratch)
        finally:
            with scratch.client() as client:
                client.drop_storage()


@contextmanager
def leaving_nothing(warehouse: Warehouse, options: DltDestinationOptions, *, doing: str) -> Iterator[None]:
    """Removes what connecting creates, and translates errors, which begin with what is `doing`."""
    with (
        warehouse.translate_errors(doing),
        warehouse.loading(),
        _without_new_file(warehouse),
        without_new_directories(_directory_of(options)),
    ):
        yield


def _try_in(warehouse: Warehouse) -> None:
    if warehouse.is_of_files:
        _try_file(warehouse)
    else:
        _try_table(warehouse)


def _try_file(warehouse: Warehouse) -> None:
    with warehouse.client() as client:
        path = f"{client.dataset_path.rstrip('/')}/{trial_name()}.json"
        try:
            client.fs_client.pipe_file(path, b"{}")
            client.fs_client.cat_file(path)
        finally:
            client.fs_client.invalidate_cache()
            if client.fs_client.exists(path):
                client.fs_client.rm_file(path)


def _try_table(warehouse: Warehouse) -> None:
    from dlt.common.schema import Schema  # noqa: PLC0415 -- dlt takes seconds
    from dlt.common.schema.utils import new_table  # noqa: PLC0415

    schema = Schema("syncline_trial")
    table = schema.naming.normalize_tables_path(trial_name())
    schema.update_table(new_table(table, columns=[{"name": "id", "data_type": "bigint", "nullable": True}]))
    with warehouse.client(warehouse.as_stored(schema)) as client:
        sql = client.sql_client
        qualified, column = sql.make_qualified_table_name(table), sql.escape_column_name("id")
        try:
            _create(client, table)
            sql.execute_sql(f"INSERT INTO {qualified} ({column}) VALUES (%s)", 1)  # noqa: S608 -- quoted identifiers
            rows = sql.execute_sql(f"SELECT {column} FROM {qualified}")  # noqa: S608 -- quoted identifiers
            if len(rows or ()) != 1:
                raise SynclineError(f"a row that was written to {qualified} is not there")
        finally:
            sql.drop_tables(table)


def _create(client: Any, table: str) -> None:
    """Creates this table alone; dlt's own way also writes to the tables in which it keeps schemas."""
    if hasattr(client, "_to_table_object"):  # that of SQLAlchemy
        client.sql_client.create_table(client._to_table_object(client.schema.tables[table]))  # noqa: SLF001 -- as dlt does
    else:
        client._execute_schema_update_sql([table], store_schema=False)  # noqa: SLF001 -- likewise


@contextmanager
def _without_new_file(warehouse: Warehouse) -> Iterator[None]:
    """Removes the database's file if connecting creates it."""
    path = _file_of(warehouse)
    is_new = path is not None and not path.exists()
    try:
        yield
    finally:
        if path is not None and is_new:
            for suffix in ("", ".wal", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)


def _directory_of(options: DltDestinationOptions) -> Path | None:
    """The local directory that holds the dataset; None for other destinations."""
    url = str(options.settings.get("bucket_url", ""))
    return local_path(url) if url else None


def _file_of(warehouse: Warehouse) -> Path | None:
    """The file of DuckDB or SQLite; None for other databases."""
    factory = warehouse.factory
    settled = factory.configuration(factory.spec()._bind_dataset_name(warehouse.dataset))  # noqa: SLF001 -- as dlt does
    credentials = getattr(settled, "credentials", None)
    is_file = warehouse.name == "duckdb" or str(getattr(credentials, "drivername", "")).startswith("sqlite")
    database = getattr(credentials, "database", None) if is_file else None
    return Path(database) if isinstance(database, str) and database and not database.startswith(":") else None
