"""Creates, widens and describes the tables of one collection with dlt, and holds the rows that wait for them."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from dlt.common.schema import Schema
from dlt.common.schema.utils import new_table

from app.connectors.destinations.dlt.options import write_modes
from app.connectors.destinations.dlt.stage import Stage
from app.connectors.destinations.dlt.target import describe_target, is_named
from app.connectors.warehouse.bookmarks import BOOKMARK_TABLE
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from app.connectors.contract.schema import Table
    from app.connectors.destinations.dlt.bookmarks import Bookmark
    from app.connectors.destinations.dlt.columns import Described
    from app.connectors.destinations.dlt.target import Target
    from app.connectors.destinations.dlt.warehouse import Warehouse
    from app.domain.naming import Naming


class Tables:
    """`stages` are by name of the source's table; `schema` and `attempt` are names of dlt's schema and this attempt."""

    def __init__(
        self,
        warehouse: Warehouse,
        bookmark: Bookmark,
        *,
        schema: str,
        home: Path,
        attempt: str,
        naming: Naming,
    ) -> None:
        self.stages: dict[str, Stage] = {}
        self._warehouse = warehouse
        self._bookmark = bookmark
        self._schema_name = schema
        self._home = home
        self._attempt = attempt
        self._naming = naming
        self._names: dict[str, str] = {}

    def begin(self, table: Table) -> None:
        """Creates or widens a table, under the destination's lock for schema changes.

        Raises:
            ConfigurationError: the destination cannot have such a table.
        """
        check_possible(table, self._warehouse)
        stage = self.stages.get(table.name)
        if stage:
            # Staged rows may have values in columns that are no longer announced.
            earlier = stage.target.table.columns
            inferred = table.inferred.union(earlier.keys() - table.columns.keys())
            table = dataclasses.replace(table, columns=earlier | table.columns, inferred=inferred)
        target = self._make_target(table, {} if stage is None else stage.target.described)
        if stage:
            stage.widen(target)
        else:
            directory = self._home / f"stage-{len(self.stages)}"
            directory.mkdir()
            self.stages[table.name] = Stage(target, directory=directory, attempt=self._attempt)

    def _make_target(self, table: Table, staged: dict[str, Described]) -> Target:
        schema = Schema(self._schema_name)
        with self._warehouse.client(schema) as client:
            name = self._name(schema, table.name)
            capabilities = client.capabilities
            present = staged | self._existing_columns(client, name)
            unfinished = table.name in self._bookmark.unfinished
            if not present and not unfinished:
                self._bookmark.begin(table.name)
            target = describe_target(table, schema, present, capabilities, unfinished=unfinished, naming=self._naming)
            columns: Any = list(target.described.values())
            schema.update_table(new_table(name, columns=columns))
            if not self._warehouse.is_of_files:
                client.schema = self._warehouse.as_stored(schema)
                self._make_room(client, name, staged=target.how != "append")
        return target

    def _name(self, schema: Schema, table: str) -> str:
        name = schema.naming.normalize_tables_path(table)
        if name == BOOKMARK_TABLE or name in schema.dlt_table_names():
            raise ConfigurationError(f"table_name {table!r} is reserved by Syncline or dlt: choose another")
        if (other := self._names.setdefault(name, table)) != table:
            raise ConfigurationError(
                f"the tables {other!r} and {table!r} would be one table in this destination: rename one of them"
            )
        return name

    def _make_room(self, client: Any, name: str, *, staged: bool) -> None:
        """Changes the schema here, one attempt at a time, so that the load finds nothing to change."""
        client.update_stored_schema(only_tables=[name, *client.schema.dlt_table_names()], force=True)
        if staged:
            with client.with_staging_dataset():
                if not client.is_storage_initialized():
                    client.initialize_storage()
                client.update_stored_schema(only_tables=[name, client.schema.version_table_name], force=True)

    def _existing_columns(self, client: Any, name: str) -> dict[str, Described]:
        if not self._warehouse.is_of_files:
            return dict(client.get_storage_table(name)[1])
        # Files have no common schema; dlt's stored schema has the columns of all files so far.
        stored = client.get_stored_schema(self._schema_name)
        tables = {} if stored is None else json.loads(stored.schema)["tables"]
        return dict(tables.get(name, {}).get("columns", {}))


def check_possible(table: Table, warehouse: Warehouse) -> None:
    """Refuses a table that the destination cannot have.

    Raises:
        ConfigurationError: its write mode is not possible there, or its rows may come twice.
    """
    if table.mode not in write_modes(warehouse.name):
        valid = " or ".join(f"'write_mode: {mode}'" for mode in write_modes(warehouse.name))
        raise ConfigurationError(
            f"table {table.name!r}: this destination does not support write_mode '{table.mode}': set {valid}"
        )
    if is_named(table) and warehouse.is_of_files:
        raise ConfigurationError(
            f"table {table.name!r}: its source reads the rows at the last value of {table.cursor_field!r} again, "
            "and files would hold them twice: set 'sync_mode: full_refresh', or use a destination of type 'parquet'"
        )
