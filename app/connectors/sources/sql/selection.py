"""What a collection reads from a database, and how its rows arrive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from app.connectors.sources.sql.options import SqlOptions, SqlParameters
    from app.domain.collection import CollectionJob

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Selection:
    """A `table` (in `schema`, None for the database's own default) or a `query`, never both.

    `cursor_field` None: all rows each time. `key` is empty where nothing identifies a row. An incremental read begins
    `lookback` before its bookmark.
    """

    table: str | None
    schema: str | None
    query: str | None
    cursor_field: str | None
    key: tuple[str, ...]
    lookback: timedelta = timedelta()

    @classmethod
    def of(cls, options: SqlOptions, parameters: SqlParameters, collection: CollectionJob) -> Selection:
        """Raises `ConfigurationError` if parameters and the collection's own keys contradict each other."""
        given_key = tuple(collection.primary_key) if collection.primary_key else None
        mode = _only_value("mode", parameters.mode, "sync_mode", collection.sync_mode)
        cursor_field = _only_value("cursor_field", parameters.cursor_field, "cursor_field", collection.cursor_field)
        key = _only_value("key", parameters.key, "primary_key", given_key)
        if mode == "incremental" and cursor_field is None:
            raise ConfigurationError("mode 'incremental' needs a 'cursor_field' to tell which rows are new")
        schema, _, table = (parameters.table or collection.type).rpartition(".")
        return cls(
            table=None if parameters.query else table,
            schema=schema or options.schema_,
            query=None if parameters.query is None else parameters.query.strip().rstrip("; \t\n"),
            cursor_field=None if mode == "full_refresh" else cursor_field,
            key=key or (),
            lookback=collection.lookback,
        )

    def check(self, columns: list[str]) -> None:
        """Raises `ConfigurationError` unless all needed columns exist, each once."""
        if not columns:
            raise ConfigurationError("there are no columns to read")
        if twice := sorted({name for name in columns if columns.count(name) > 1}):
            raise ConfigurationError(
                f"several columns are named {', '.join(map(repr, twice))}; give each its own name with AS"
            )
        for key, names in (("cursor_field", [self.cursor_field] if self.cursor_field else []), ("key", self.key)):
            if missing := [name for name in names if name not in columns]:
                unknown, known = (", ".join(map(repr, each)) for each in (missing, columns))
                raise ConfigurationError(f"{key} names the unknown column {unknown}; choose from {known}")


def _only_value(parameter: str, own: Value | None, key: str, general: Value | None) -> Value | None:
    if own is not None and general is not None and own != general:
        raise ConfigurationError(
            f"the collection's {key} is {general!r}, but its parameters.{parameter} is {own!r}; remove one of them"
        )
    return general if own is None else own
