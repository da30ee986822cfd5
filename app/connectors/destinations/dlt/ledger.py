"""A destination's own record of a collection: how far it is, who may write, which load is under way.

No transaction spans dlt's load and this. So entries are never changed: each step adds one, and the newest is valid, in
the order of (task, claim, step). Whatever an overtaken attempt still writes is older than its successor's first entry.
Every warehouse and every bucket can do this.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote

import msgspec

from app.connectors.contract.standing import Standing  # noqa: TC001 - msgspec reads the annotations
from app.connectors.warehouse.bookmarks import BOOKMARK_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.destinations.dlt.warehouse import Warehouse

# `attempt` holds the number of the claim. Releases before 0.1.1 had the attempt's own there, which is always lower.
_COLUMNS: Final = ("source", "collection", "task", "attempt", "step", "entry")
_NUMBERS: Final = ("attempt", "step")
_DIGITS: Final = 8


class Prepared(msgspec.Struct, frozen=True):
    """A load of `task` that may have begun; `tables` says append, named, merge, replace or empty for each."""

    task: str
    load_id: str
    tables: dict[str, str]
    bookmark: str | None
    generation: int
    final: bool
    standing: Standing | None = None


class Entry(msgspec.Struct, frozen=True):
    """The complete state after a step. Rows of `abandoned` loads may still arrive."""

    task: str
    claim: int = msgspec.field(name="attempt")
    step: int
    generation: int
    bookmark: str | None = None
    completed_task: str | None = None
    loaded: bool = False
    prepared: Prepared | None = None
    abandoned: tuple[Prepared, ...] = ()
    unfinished: tuple[str, ...] = ()
    standing: Standing | None = None

    @property
    def order(self) -> tuple[str, int, int]:
        return (self.task, self.claim, self.step)


class Ledger(Protocol):
    """The entries of one collection."""

    def prepare(self) -> None:
        """Creates what they need, under the destination's lock for schema changes."""

    def exists(self) -> bool:
        """Whether `prepare` has been called at some time; this makes nothing."""

    def entries(self) -> list[Entry]:
        """All entries, the newest last."""

    def others(self) -> list[Entry]:
        """The entries of all other collections in the destination, in no order."""

    def add(self, entry: Entry) -> None:
        """Durable on return."""

    def remove(self, entry: Entry) -> None: ...


class SqlLedger:
    """A table in the dataset; dlt creates it, because it knows the types of each destination."""

    def __init__(self, warehouse: Warehouse, *, source: str, collection: str) -> None:
        from dlt.common.schema import Schema  # noqa: PLC0415 -- dlt takes seconds
        from dlt.common.schema.utils import new_table  # noqa: PLC0415

        self._warehouse = warehouse
        self._owner = (source, collection)
        schema = Schema("syncline")
        columns: Any = [
            {"name": name, "data_type": "bigint" if name in _NUMBERS else "text", "nullable": False}
            for name in _COLUMNS
        ]
        schema.update_table(new_table(BOOKMARK_TABLE, columns=columns))
        self._schema = warehouse.as_stored(schema)

    def prepare(self) -> None:
        with self._warehouse.client(self._schema) as client:
            if not client.is_storage_initialized():
                client.initialize_storage()
            if not client.get_storage_table(BOOKMARK_TABLE)[0]:
                client.update_stored_schema(force=True)

    def exists(self) -> bool:
        with self._warehouse.client(self._schema) as client:
            return bool(client.is_storage_initialized() and client.get_storage_table(BOOKMARK_TABLE)[0])

    def entries(self) -> list[Entry]:
        with self._sql() as (client, table, column):
            rows = client.execute_sql(
                f"SELECT {column['entry']} FROM {table} WHERE {column['source']} = %s AND {column['collection']} = %s",  # noqa: S608 -- quoted identifiers
                *self._owner,
            )
        return sorted((_decode(row[0]) for row in rows or ()), key=lambda entry: entry.order)

    def others(self) -> list[Entry]:
        with self._sql() as (client, table, column):
            rows = client.execute_sql(
                f"SELECT {column['entry']} FROM {table} WHERE {column['source']} <> %s OR {column['collection']} <> %s",  # noqa: S608 -- quoted identifiers
                *self._owner,
            )
        return [_decode(row[0]) for row in rows or ()]

    def add(self, entry: Entry) -> None:
        with self._sql() as (client, table, column):
            names, placeholders = ", ".join(column.values()), ", ".join(["%s"] * len(column))
            client.execute_sql(
                f"INSERT INTO {table} ({names}) VALUES ({placeholders})",  # noqa: S608 -- quoted identifiers
                *self._owner,
                *entry.order,
                msgspec.json.encode(entry).decode(),
            )

    def remove(self, entry: Entry) -> None:
        with self._sql() as (client, table, column):
            wanted = " AND ".join(f"{column[name]} = %s" for name in _COLUMNS[:-1])
            client.execute_sql(f"DELETE FROM {table} WHERE {wanted}", *self._owner, *entry.order)  # noqa: S608 -- quoted identifiers

    @contextlib.contextmanager
    def _sql(self) -> Iterator[tuple[Any, str, dict[str, str]]]:
        with self._warehouse.client(self._schema) as client:
            sql = client.sql_client
            yield (
                sql,
                sql.make_qualified_table_name(BOOKMARK_TABLE),
                {name: sql.escape_column_name(name) for name in _COLUMNS},
            )


class FileLedger:
    """A file for each entry, below the dataset; a damaged file counts as an entry that was never written."""

    def __init__(self, warehouse: Warehouse, *, source: str, collection: str) -> None:
        self._warehouse = warehouse
        self._name = f"{quote(source, safe='')}.{quote(collection, safe='')}"

    def prepare(self) -> None:
        with self._warehouse.client() as client:
            if not client.is_storage_initialized():
                client.initialize_storage()
        with self._files() as (files, directory):
            files.makedirs(directory, exist_ok=True)

    def exists(self) -> bool:
        with self._files() as (files, directory):
            return bool(files.exists(directory))

    def entries(self) -> list[Entry]:
        with self._files() as (files, directory):
            files.invalidate_cache()
            return sorted(_entries_in(files, directory), key=lambda entry: entry.order)

    def others(self) -> list[Entry]:
        with self._files() as (files, directory):
            files.invalidate_cache()
            every = files.ls(directory.rpartition("/")[0], detail=False)
            others = [path for path in every if path.rstrip("/").rpartition("/")[2] != self._name]
            return [entry for path in others for entry in _entries_in(files, path)]

    def add(self, entry: Entry) -> None:
        with self._files() as (files, directory), files.open(f"{directory}/{_file_name(entry)}", "wb") as file:
            file.write(msgspec.json.encode(entry))
            if hasattr(file, "fileno"):  # only local files need this: object stores confirm a write when it is durable
                file.flush()
                os.fsync(file.fileno())

    def remove(self, entry: Entry) -> None:
        with self._files() as (files, directory), contextlib.suppress(FileNotFoundError):
            files.rm_file(f"{directory}/{_file_name(entry)}")

    @contextlib.contextmanager
    def _files(self) -> Iterator[tuple[Any, str]]:
        with self._warehouse.client() as client:
            yield client.fs_client, f"{client.dataset_path.rstrip('/')}/{BOOKMARK_TABLE}/{self._name}"


def _entries_in(files: Any, directory: str) -> list[Entry]:
    found = []
    with contextlib.suppress(FileNotFoundError):
        for path in files.ls(directory, detail=False):
            with contextlib.suppress(msgspec.MsgspecError, FileNotFoundError):
                found.append(_decode(files.cat_file(path)))
    return found


def _file_name(entry: Entry) -> str:
    return f"{entry.task}-{entry.claim:0{_DIGITS}}-{entry.step:0{_DIGITS}}.json"


_decoder = msgspec.json.Decoder(Entry)


def _decode(text: str | bytes) -> Entry:
    return _decoder.decode(text)
