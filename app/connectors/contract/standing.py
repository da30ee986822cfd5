"""What a bookmark stands for: rows of one table or stream of the source, in tables of the destination.

It is wrong for any other table: the rows before it are not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from app.domain.collection import ALL

if TYPE_CHECKING:
    from app.domain.attempt_protocol import SourceJob

# Options of a source that decide the table names when all of its streams are loaded.
_NAMING = ("stream_table_name_prefix", "stream_table_names")


class Standing(msgspec.Struct, frozen=True):
    """`reads` is what is read; `writes` the table, or what the names of several depend on; `tables` have the rows."""

    reads: str
    writes: str
    tables: tuple[str, ...] = ()

    @classmethod
    def of(cls, job: SourceJob) -> Standing:
        """What the bookmarks of this job stand for, with the table that must exist if there is only one."""
        collection = job.collection
        reads = str(collection.parameters.get("table") or collection.type)
        if collection.parameters.get("query"):
            reads = "a query"
        elif "." not in reads and (schema := job.source_config.get("schema")):
            reads = f"{schema}.{reads}"
        if collection.type != ALL:
            return cls(reads, collection.table_name, (collection.table_name,))
        naming = {key: job.source_config[key] for key in _NAMING if job.source_config.get(key)}
        names = f" {msgspec.json.encode(naming, order='sorted').decode()}" if naming else ""
        return cls(reads, collection.table_name + names)

    @classmethod
    def parse(cls, text: str | None) -> Standing | None:
        """The inverse of `text`; None for a bookmark of a release before 0.1.1."""
        return None if text is None else msgspec.json.decode(text, type=cls)

    def text(self) -> str:
        return msgspec.json.encode(self).decode()

    def change_from(self, kept: Standing) -> str | None:
        """Why a bookmark that stands for `kept` does not stand for this; None if it does."""
        if kept.writes != self.writes:
            return f"its bookmark covers rows in {kept.writes!r}, but the table is now {self.writes!r}"
        if kept.reads != self.reads:
            return f"its bookmark covers rows of {kept.reads!r}, but the source now reads {self.reads!r}"
        return None

    def with_tables(self, before: Standing | None, *tables: str) -> Standing:
        """This, with the tables that already have rows and the given ones."""
        kept = before.tables if before else ()
        return msgspec.structs.replace(self, tables=tuple(sorted({*kept, *tables})))
