"""A collection: all its keys in the catalogue, and those that an attempt gets.

To add a key, add a line here and use it; if attempts need it, add a line to `CollectionJob` too.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import msgspec
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from app.domain.about import About
from app.domain.columns import ColumnRules, WrittenColumns
from app.domain.duration import Duration  # noqa: TC001 - pydantic reads the annotations
from app.domain.keys import (  # noqa: TC001 - pydantic reads the annotations
    Attempts,
    Day,
    Levels,
    Name,
    Names,
    OfferedName,
    Percentage,
    Schedule,
    Silence,
    Timeout,
    Timezone,
    Window,
)
from app.domain.size import Memory  # noqa: TC001 - pydantic reads the annotations
from app.domain.windows import Length, Windows
from app.domain.writing import MAX_SHRINK, Deletes, Empty, SchemaPolicy, WriteMode

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema

Misfire = Literal["skip", "latest", "all"]
SyncMode = Literal["full_refresh", "incremental"]

ALL: Final = "all"
"""The type and name of the only collection of a source that discovers by itself what to load."""

DAYS_BACK: Final = 365

_EMPTY_IS_ABSENT: Final = frozenset({"schedule", "owner", "description", "runbook"})


class Inherited(About):
    """Keys of a source that a collection may override.

    `max_silence` None: what the server says; zero: no limit. `max_memory` is in bytes. `write_mode` None: depends on
    how the source reads. `deletes` None: `mark` where records say that a row was deleted. An incremental read begins
    `lookback` before its bookmark, so that rows which were committed late arrive.
    `flatten` levels of objects become columns.
    Labels are not overridden: a collection has those of its source too.
    """

    schedule: Schedule = None
    timezone: Timezone = "UTC"
    spread: Duration = dt.timedelta()
    misfire: Misfire = "latest"
    misfire_window: Window = None
    timeout: Timeout = dt.timedelta(hours=48)
    max_silence: Silence = None
    max_memory: Memory = None
    max_attempts: Attempts = 3
    max_delay: Duration = dt.timedelta(hours=24)
    write_mode: WriteMode | None = None
    schema_policy: SchemaPolicy = SchemaPolicy.EVOLVE
    lookback: Duration = dt.timedelta()
    empty: Empty = "refuse"
    max_shrink: Percentage = f"{MAX_SHRINK:g}%"  # type: ignore[assignment] # validated like a written one
    deletes: Deletes | None = None
    flatten: Levels = 0

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_text(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: inner for key, inner in value.items() if inner != "" or key not in _EMPTY_IS_ABSENT}


class Collection(Inherited):
    """One table or endpoint of a source, an entry of `collections:`.

    `start_date` None: `DAYS_BACK` days before the attempt. `sync_mode`, `cursor_field`, `primary_key` None: the source
    decides. With an `interval` the collection is read in time windows; those that began within the `refresh_window`
    before now are read again. `within` sets the defaults of `type` and `table_name`.

    `primary_key` and `cursor_field` are the source's names, whatever `columns` renames.
    """

    name: Name
    type: OfferedName = Field(default="", validate_default=False)
    table_name: Name = Field(default="", validate_default=False)
    start_date: Day | None = None
    sync_mode: SyncMode | None = None
    cursor_field: str | None = Field(default=None, min_length=1)
    primary_key: Names | None = Field(default=None, min_length=1)
    interval: Length | None = None
    refresh_window: Duration = dt.timedelta()
    columns: WrittenColumns | None = None
    parameters: dict[str, Any] = Field(default_factory=dict, repr=False)

    @model_validator(mode="before")
    @classmethod
    def _parse_name(cls, value: Any) -> Any:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return {"name": str(value)}
        if not isinstance(value, dict):
            raise PydanticCustomError("name_or_mapping", "must be a name or a mapping")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        reference = handler(schema)
        described = handler.resolve_ref_schema(reference)
        described["type"] = ["object", "string", "number"]
        described.pop("pattern", None)
        return reference

    def within(self, source: str, keys: Inherited) -> Self:
        """The collection with the keys that it inherits from `source`."""
        inherited = {key: getattr(keys, key) for key in Inherited.model_fields if key not in self.model_fields_set}
        named = {"type": self.type or self.name, "table_name": self.table_name or f"{source}_{self.name}"}
        labels = tuple(dict.fromkeys((*keys.labels, *self.labels)))
        return self.model_copy(update=inherited | named | {"labels": labels})

    def _column_rules(self) -> ColumnRules | None:
        rules = self.columns.rules if self.columns else None
        return msgspec.structs.replace(rules or ColumnRules(), flatten=self.flatten) if self.flatten else rules

    def for_attempt(self, now: dt.datetime) -> CollectionJob:
        """The collection as an attempt gets it that starts `now` (in UTC)."""
        start_date = self.start_date or now.date() - dt.timedelta(days=DAYS_BACK)
        windows = None
        if self.interval is not None:
            windows = Windows(self.interval, start_date, now, self.refresh_window.total_seconds())
        made: dict[str, Any] = {
            "start_date": start_date.isoformat(),
            "windows": windows,
            "columns": self._column_rules(),
        }
        as_written = {key: getattr(self, key) for key in CollectionJob.__struct_fields__ if key not in made}
        return CollectionJob(**made, **as_written)


class CollectionJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The collection that an attempt copies, with all defaults applied.

    `sync_mode`, `cursor_field` and `primary_key` are None if the source decides; `write_mode` is None if it depends on
    how the source reads, `deletes` if it was not set. `max_shrink` is in percent. With `windows` the collection is read
    in time windows; those in sync are not read again.
    """

    name: str
    type: str
    table_name: str
    start_date: str
    parameters: dict[str, Any] = {}
    sync_mode: SyncMode | None = None
    cursor_field: str | None = None
    primary_key: list[str] | None = None
    write_mode: WriteMode | None = None
    schema_policy: SchemaPolicy = SchemaPolicy.EVOLVE
    empty: Empty = "refuse"
    max_shrink: float | None = MAX_SHRINK
    deletes: Deletes | None = None
    windows: Windows | None = None
    lookback: dt.timedelta = dt.timedelta()
    columns: ColumnRules | None = None
