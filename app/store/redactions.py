"""Redacts fields of events: the value goes, its digest stays, and an event tells of it.

An event keeps its digest, so its week still has the seal that it had: see docs/decisions/0042-sealed-history.md.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from app.domain.errors import ConfigurationError
from app.domain.events import EVENT_REDACTED
from app.domain.seal import REDACTABLE, redact
from app.domain.task import task_id, uuid_in
from app.store.jsonb import jsonb_text
from app.store.partitions import with_partitions
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import asyncpg

    from app.domain.cause import Cause

_SQL: Final = load_statements("redactions.sql")


class LogLine(NamedTuple):
    """A line that an attempt has written to its log."""

    attempt: int
    number: int

    def __str__(self) -> str:
        return f"{self.attempt}:{self.number}"


class Copy(NamedTuple):
    """A field of another event, or another field of the same one, that has a value which was redacted."""

    task: UUID
    version: int
    type: str
    field: str


class Redaction(NamedTuple):
    """What was redacted: the type of the event, and what it is about.

    `archived` says whether an archive may still have the values, and `copies` where else they are: in the same task,
    and in those that its collection had before and after it.
    """

    type: str
    source: str | None
    collection: str | None
    archived: bool
    copies: Sequence[Copy]


class Redactions:
    """Redacts, over a connection with the rights of the tables' owner."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection

    async def redact(
        self, given: str, version: int, fields: Sequence[str], cause: Cause, *, lines: Sequence[LogLine] = ()
    ) -> Redaction:
        """Redact fields of an event, and append the event that says so; all in one transaction.

        Args:
            given: the task, as its id or only the UUID at the end of it; for a fact, its UUID.
            version: that of the event.
            fields: names of fields of the event's data.
            cause: who redacts them, and why.
            lines: lines of the task's log to redact as well.

        Raises:
            ConfigurationError: there is no such event or line, or a field cannot be redacted.
        """
        return await with_partitions(
            self._connection, partial(self._redact, given, version, sorted(set(fields)), cause, lines)
        )

    async def _redact(
        self, given: str, version: int, fields: Sequence[str], cause: Cause, lines: Sequence[LogLine]
    ) -> Redaction:
        task = _task_in(given)
        async with self._connection.transaction():
            # By themselves: a statement that waits for a lock sees the events as they were before.
            await self._connection.execute(_SQL["lock_head"], task)
            await self._connection.execute(_SQL["lock_stream"], task)
            row = await self._connection.fetchrow(_SQL["event_to_redact"], task, version)
            if row is None or given.lower() not in _names(task, row["source"], row["collection"]):
                raise ConfigurationError(
                    f"no task {given} with an event {version}; 'syncline events --json' shows task_id and version of"
                    " each event"
                )
            _check(row["type"], orjson.loads(row["data"]), fields)
            copies = await self._find_copies(task, version, fields, row)
            fact = await self._connection.fetchval(_SQL["new_fact"])
            await self._connection.execute(_SQL["keep_digests"], task, version, fields, fact)
            await self._connection.execute(_SQL["redact_event"], task, version, fields)
            for projection in ("task", "collection", "request", "pause", "problems"):
                await self._connection.execute(_SQL[f"redact_{projection}"], task)
            await self._redact_lines(given, task, lines)
            about = {key: row[key] for key in ("source", "collection") if row[key] is not None}
            about |= {"task": str(task), "version": version}
            what = {"fields": fields} | ({"lines": [str(line) for line in lines]} if lines else {})
            data = jsonb_text(about | what | cause.data)
            await self._connection.execute(_SQL["append_fact"], fact, EVENT_REDACTED, data)
            archived = await self._connection.fetchval(_SQL["is_archived"], task)
        return Redaction(row["type"], row["source"], row["collection"], archived, copies)

    async def _find_copies(self, task: UUID, version: int, fields: Sequence[str], row: asyncpg.Record) -> list[Copy]:
        # What happens beside the tasks has none before and after it.
        source = None if row["is_fact"] else row["source"]
        values = (task, version, fields, REDACTABLE, source, row["collection"], row["began_at"])
        return [Copy(*copy) for copy in await self._connection.fetch(_SQL["copies"], *values)]

    async def _redact_lines(self, given: str, task: UUID, lines: Sequence[LogLine]) -> None:
        attempts, numbers = [line.attempt for line in lines], [line.number for line in lines]
        rows = await self._connection.fetch(_SQL["redact_lines"], task, attempts, numbers)
        if missing := [line for line in lines if line not in {LogLine(*row) for row in rows}]:
            raise ConfigurationError(
                f"the log of {given} has no line {missing[0]} to redact; the view reporting.task_logs shows attempt and"
                " line. Lines that say how an attempt began or ended are made of its events"
            )


def _task_in(given: str) -> UUID:
    try:
        return uuid_in(given)
    except ValueError:
        raise ConfigurationError(f"{given!r} is not a task: give its id, or the UUID at the end of it") from None


def _names(task: UUID, source: str | None, collection: str | None) -> set[str]:
    """What an event may be given by, in lower case. A fact may be about no collection, or no source."""
    names = {str(task)}
    return names if source is None or collection is None else names | {task_id(source, collection, task).lower()}


def _check(type_: str, data: dict[str, Any], fields: Sequence[str]) -> None:
    for field in fields:
        if field not in data:
            raise ConfigurationError(f"{type_} has no field {field!r} here; it has {', '.join(sorted(data)) or 'none'}")
        if field not in REDACTABLE:
            raise ConfigurationError(
                f"{field!r} cannot be redacted: Syncline works with its value. Only what people or programs have"
                f" written can be: {', '.join(REDACTABLE)}"
            )
        if data[field] == redact(field, data[field]):
            raise ConfigurationError(f"{field!r} is redacted already")
