"""The tables of one collection: made, widened and described as dlt does it, with the rows that wait for them."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from dlt.common.schema import Schema
from dlt.common.schema.utils import new_table

from app.connectors.destinations.dlt.options import write_modes
from app.connectors.destinations.dlt.stage import Stage
from app.connectors.destinations.dlt.target import described, is_named
from app.connectors.warehouse.bookmarks import BOOKMARK_TABLE
from app.domain.errors import ConfigurationError
from app.domain.writing import SchemaPolicy

if TYPE_CHECKING:
    from pathlib import Path

    from app.connectors.contract.schema import Table
    from app.connectors.destinations.dlt.bookmarks import Bookmark
    from app.connectors.destinations.dlt.columns import Described
    from app.connectors.destinations.dlt.target import Target
    from app.connectors.destinations.dlt.warehouse import Warehouse


class Tables:
    """`stages` by the name of the source's table; `schema` names dlt's schema of the collection, `attempt` this one."""

    def __init__(self, warehouse: Warehouse, bookmark: Bookmark, *, schema: str, home: Path, attempt: str) -> None:
        self.stages: dict[str, Stage] = {}
        self._warehouse = warehouse
        self._bookmark = bookmark
        self._schema_name = schema
        self._home = home
        self._attempt = attempt
        self._names: dict[str, str] = {}

    def begin(self, table: Table) -> None:
        """Under the destination's lock for changes of its schema.

        Raises:
            ConfigurationError: the destination cannot have such a table.
        """
        self._check(table)
        stage = self.stages.get(table.name)
        if stage:
            # Rows that are staged may have values in columns that are announced no more.
            table = dataclasses.replace(table, columns=stage.target.table.columns | table.columns)
        target = self._made(table, {} if stage is None else stage.target.described)
        if stage:
            stage.widen(target)
        else:
            directory = self._home / f"stage-{len(self.stages)}"
            directory.mkdir()
            self.stages[table.name] = Stage(target, directory=directory, attempt=self._attempt)

    def _check(self, table: Table) -> None:
        if table.mode not in write_modes(self._warehouse.name):
            valid = " or ".join(f"'write_mode: {mode}'" for mode in write_modes(self._warehouse.name))
            raise ConfigurationError(
                f"table {table.name!r}: write_mode '{table.mode}' is not possible here: set {valid}"
            )
        if is_named(table) and self._warehouse.is_of_files:
            raise ConfigurationError(
                f"table {table.name!r}: its source reads the rows at the last value of {table.cursor_field!r} again, "
                "which files would have twice: set 'sync_mode: full_refresh', or choose the destination 'parquet'"
            )

    def _made(self, table: Table, staged: dict[str, Described]) -> Target:
        schema = Schema(self._schema_name)
        with self._warehouse.client(schema) as client:
            name = self._name(schema, table.name)
            capabilities = client.capabilities
            present = staged | self._present(client, name)
            unfinished = table.name in self._bookmark.unfinished
            if not present and not unfinished and table.schema_policy is not SchemaPolicy.EVOLVE:
                self._bookmark.begin(table.name)
            target = described(table, schema, present, capabilities, unfinished=unfinished)
            columns: Any = list(target.described.values())
            schema.update_table(new_table(name, columns=columns))
            if not self._warehouse.is_of_files:
                client.schema = self._warehouse.as_stored(schema)
                self._make_room(client, name, staged=target.how != "append")
        return target

    def _name(self, schema: Schema, table: str) -> str:
        name = schema.naming.normalize_tables_path(table)
        if name == BOOKMARK_TABLE or name in schema.dlt_table_names():
            raise ConfigurationError(f"table_name {table!r} is that of a table of our own or of dlt's: choose another")
        if (other := self._names.setdefault(name, table)) != table:
            raise ConfigurationError(f"the tables {other!r} and {table!r} would be one table here: rename one of them")
        return name

    def _make_room(self, client: Any, name: str, *, staged: bool) -> None:
        """Here, where one at a time does it; the load then finds nothing to change."""
        client.update_stored_schema(only_tables=[name, *client.schema.dlt_table_names()], force=True)
        if staged:
            with client.with_staging_dataset():
                if not client.is_storage_initialized():
                    client.initialize_storage()
                client.update_stored_schema(only_tables=[name, client.schema.version_table_name], force=True)

    def _present(self, client: Any, name: str) -> dict[str, Described]:
        if not self._warehouse.is_of_files:
            return dict(client.get_storage_table(name)[1])
        # Files know their types, and dlt's schema what the files so far have.
        stored = client.get_stored_schema(self._schema_name)
        tables = {} if stored is None else json.loads(stored.schema)["tables"]
        return dict(tables.get(name, {}).get("columns", {}))
