"""Loads of dlt: packages of staged rows with an id that are loaded, found at the destination, or undone."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import dlt
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from dlt.common.schema import Schema
from dlt.extract import DltSource

from app.connectors.destinations.dlt.occurrences import UNIQUE
from app.connectors.destinations.dlt.target import LOAD_COLUMN, NAME_COLUMN
from app.connectors.warehouse.layout import SYNCED_COLUMN, TASK_COLUMN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from app.connectors.destinations.dlt.ledger import Prepared
    from app.connectors.destinations.dlt.stage import Stage
    from app.connectors.destinations.dlt.warehouse import Warehouse

_LONGEST_NAME: Final = 40
# For these, dlt reads Parquet files only through ADBC or from a bucket. Not CSV, which turns empty strings into NULL.
_WITHOUT_PARQUET: Final = frozenset({"postgres", "mssql", "redshift"})
# For these, LIMIT is no SQL.
_WITH_TOP: Final = frozenset({"mssql", "synapse", "fabric"})
_SUPPORTED_MERGES: Final = ("upsert", "delete-insert")


def schema_name(source: str, collection: str) -> str:
    """The name, in dlt's alphabet, of a collection's schema."""
    plain = re.sub(r"[^a-z0-9]+", "_", f"{source}_{collection}".lower()).strip("_")[:_LONGEST_NAME].strip("_")
    return "_".join(filter(None, ["s", plain, hashlib.sha256(f"{source}/{collection}".encode()).hexdigest()[:8]]))


class Loader:
    """Loads of one collection; each has its own directory and pipeline, so that nothing is ever resumed."""

    def __init__(self, warehouse: Warehouse, *, name: str, task_id: str, home: Path) -> None:
        self._warehouse = warehouse
        self._name = name
        self._task_id = task_id
        self._home = home
        self._pipeline: Any = None
        self._packages = 0

    def package(self, stages: list[Stage]) -> str:
        """Makes a load package of the staged rows; returns its id, which the destination does not know yet."""
        self._packages += 1
        self._pipeline = dlt.pipeline(
            pipeline_name=self._name,
            pipelines_dir=str(self._home / f"load-{self._packages}"),
            destination=self._warehouse.factory,
            staging=self._warehouse.staging,
            dataset_name=self._warehouse.dataset,
        )
        resources = [self._resource(stage) for stage in stages]
        extracted = self._pipeline.extract(DltSource(self._schema(), "syncline", resources))
        self._pipeline.normalize()
        (load_id,) = extracted.loads_ids
        return str(load_id)

    def load(self) -> None:
        """Loads the package into the destination; returns when `_dlt_loads` has its id."""
        self._pipeline.load(workers=1, raise_on_failed_jobs=True)
        self._pipeline.deactivate()

    def is_known(self, prepared: Prepared) -> bool:
        """Whether the load is complete at the destination."""
        with self._client() as client:
            if self._warehouse.is_of_files:
                name = f"{client.schema.name}__{prepared.load_id}.jsonl"
                client.fs_client.invalidate_cache()
                path = client.pathlib.join(client.dataset_path, client.schema.loads_table_name, name)
                return bool(client.fs_client.exists(path))
            sql = client.sql_client
            table, column = sql.make_qualified_table_name("_dlt_loads"), sql.escape_column_name("load_id")
            query = f"SELECT {column} FROM {table} WHERE {column} = %s"  # noqa: S608 -- quoted identifiers
            return bool(sql.execute_sql(query, prepared.load_id))

    def tables_without_rows(self, tables: Sequence[str]) -> list[str]:
        """Those of the source's tables that are missing or empty."""
        with self._client() as client:
            return [table for table in tables if not self._has_rows(client, table)]

    def exists(self, table: str) -> bool:
        with self._client() as client:
            name = client.schema.naming.normalize_tables_path(table)
            return bool(
                _files(client, name, bool) if self._warehouse.is_of_files else client.get_storage_table(name)[0]
            )

    def has_rows(self, table: str) -> bool:
        with self._client() as client:
            return self._has_rows(client, table)

    def count_rows(self, table: str) -> int:
        with self._client() as client:
            if self._warehouse.is_of_files:
                return sum(_rows_in(client, path) for path in _files(client, table, _is_parquet))
            return _count(client, table)

    def _has_rows(self, client: Any, table: str) -> bool:
        name = client.schema.naming.normalize_tables_path(table)
        if self._warehouse.is_of_files:
            return bool(_files(client, name, bool))
        if not client.get_storage_table(name)[0]:
            return False
        qualified = client.sql_client.make_qualified_table_name(name)
        one = f"TOP 1 1 FROM {qualified}" if self._warehouse.name in _WITH_TOP else f"1 FROM {qualified} LIMIT 1"
        return bool(client.sql_client.execute_sql(f"SELECT {one}"))

    def drop(self, table: str) -> None:
        with self._client() as client:
            name = client.schema.naming.normalize_tables_path(table)
            if self._warehouse.is_of_files:
                _remove(client, _files(client, name, bool))
                return
            client.drop_tables(name, delete_schema=False)
            with client.with_staging_dataset():
                if client.is_storage_initialized():
                    client.drop_tables(name, delete_schema=False)

    def undo(self, prepared: Prepared) -> None:
        """Removes the rows of an unfinished load that would be duplicated when they are loaded again.

        What it merged or replaced will be merged or replaced again.
        """
        with self._client() as client:
            for table, how in prepared.tables.items():
                if self._warehouse.is_of_files:
                    _remove(client, _files(client, table, lambda name: prepared.load_id in name))
                elif how == "append":
                    _delete(client, table, having=prepared.load_id)
                elif how == "named":
                    _delete(client, table, having=prepared.load_id, unique=True)

    def finish(self, prepared: Prepared, *, verify: Callable[[], None]) -> None:
        """What is left to do after a load: remove old files, and empty replaced tables that got no rows.

        `verify` raises if another attempt has the collection: until then, none of the files found can be its own.
        """
        with self._client() as client:
            for table, how in prepared.tables.items():
                if how == "empty" and not self._warehouse.is_of_files:
                    verify()
                    _delete(client, table)
                elif how in {"empty", "replace"} and self._warehouse.is_of_files:
                    old = _files(client, table, lambda name: not prepared.load_id or prepared.load_id not in name)
                    verify()
                    _remove(client, old)

    def _schema(self) -> Schema:
        """The newest schema in a bucket is its only record of the collection's tables and columns."""
        if self._warehouse.is_of_files:
            with self._client() as client:
                if stored := client.get_stored_schema(self._name):
                    return Schema.from_dict(json.loads(stored.schema))
        return Schema(self._name)

    def _client(self) -> AbstractContextManager[Any]:
        return self._warehouse.client(Schema(self._name))

    def _resource(self, stage: Stage) -> Any:
        target = stage.target
        disposition: Any = target.how
        columns: Any = list(target.described.values())
        if disposition == "replace" and self._warehouse.is_of_files:
            # A bucket cannot swap: the old files are removed when the new ones are complete.
            disposition = "append"
        if disposition in {"merge", "named"}:
            disposition = {"disposition": "merge", "strategy": self._merge_strategy()}

        def pieces() -> Iterator[pa.Table]:
            yield from map(self._add_own_columns, stage.tables())

        return dlt.resource(
            pieces,
            name=target.qualified,
            table_name=target.qualified,
            columns=columns,
            write_disposition=disposition,
            file_format=self._format(),
        )()

    def _format(self) -> Any:
        return (
            "insert_values" if self._warehouse.name in _WITHOUT_PARQUET and not self._warehouse.staging else "parquet"
        )

    def _add_own_columns(self, rows: pa.Table) -> pa.Table:
        """`rows` with Syncline's own columns."""
        task = pa.repeat(pa.scalar(self._task_id, pa.string()), rows.num_rows)
        now = pa.repeat(pa.scalar(datetime.now(UTC), pa.timestamp("us", "UTC")), rows.num_rows)
        return rows.append_column(TASK_COLUMN, task).append_column(SYNCED_COLUMN, now)

    def _merge_strategy(self) -> str:
        supported = self._warehouse.factory.capabilities().supported_merge_strategies or ()
        return next(strategy for strategy in _SUPPORTED_MERGES if strategy in supported)


def _files(client: Any, table: str, which: Callable[[str], bool]) -> list[str]:
    client.fs_client.invalidate_cache()
    if not client.fs_client.exists(client.get_table_dir(table)):
        return []
    return [path for path in client.list_table_files(table) if which(client.pathlib.basename(path))]


def _is_parquet(name: str) -> bool:
    return name.endswith(".parquet")


def _rows_in(client: Any, path: str) -> int:
    """Reads only the end of the Parquet file."""
    with client.fs_client.open(path, "rb") as file:
        return int(pq.ParquetFile(file).metadata.num_rows)


def _count(client: Any, table: str) -> int:
    qualified = client.sql_client.make_qualified_table_name(table)
    return int(client.sql_client.execute_sql(f"SELECT count(*) FROM {qualified}")[0][0])  # noqa: S608 -- a quoted identifier


def _remove(client: Any, paths: list[str]) -> None:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            client.fs_client.rm_file(path)


def _delete(client: Any, table: str, *, having: str | None = None, unique: bool = False) -> None:
    """Deletes all rows, or those of one load (`having`), or of these only the ones with a unique name."""
    if not client.get_storage_table(table)[0]:
        return
    sql = client.sql_client
    qualified = sql.make_qualified_table_name(table)
    load, name = sql.escape_column_name(LOAD_COLUMN), sql.escape_column_name(NAME_COLUMN)
    if having is None:
        sql.execute_sql(f"DELETE FROM {qualified} WHERE 1 = 1")  # noqa: S608 -- quoted identifiers
    elif unique:
        query = f"DELETE FROM {qualified} WHERE {load} = %s AND {name} LIKE %s"  # noqa: S608 -- quoted identifiers
        sql.execute_sql(query, having, f"{UNIQUE}%")
    else:
        sql.execute_sql(f"DELETE FROM {qualified} WHERE {load} = %s", having)  # noqa: S608 -- quoted identifiers
