"""Redactions as events tell of them, and as a row has them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from app.domain.seal import redact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.domain.seal import SealedEvent


class RedactedField(NamedTuple):
    """A field of an event that has lost its value; `xid` is the transaction that appended the event."""

    task: UUID
    version: int
    field: str
    xid: int


class ToldRedaction(NamedTuple):
    """A redaction that event `fact` tells of; `xid` is the transaction that appended this one."""

    task: UUID
    version: int
    field: str
    fact: UUID
    xid: int

    def explains(self, redacted: RedactedField) -> bool:
        """Whether it is this redaction, and was told after the event that it is about."""
        return self[:3] == redacted[:3] and self.fact > redacted.task and self.xid > redacted.xid


def redacted_fields(event: SealedEvent) -> list[RedactedField]:
    """The fields of an event whose hashes are kept because their values are gone."""
    data = json.loads(event.data)
    return [
        RedactedField(event.task, event.version, field, event.xid)
        for field in event.redacted
        if field in data and data[field] == redact(field, data[field])
    ]


def told_redactions(fact: UUID, xid: int, data: str) -> list[ToldRedaction]:
    """What the data of an event `EventRedacted` tells; nothing if it is not as Syncline writes it."""
    try:
        told = json.loads(data)
        return [
            ToldRedaction(UUID(told["task"]), int(told["version"]), str(field), fact, xid) for field in told["fields"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def list_unexplained(redacted: Iterable[RedactedField], told: Iterable[ToldRedaction]) -> list[RedactedField]:
    """The redactions that no event tells of."""
    by_field: dict[tuple[UUID, int, str], list[ToldRedaction]] = {}
    for each in told:
        by_field.setdefault(each[:3], []).append(each)
    return [one for one in redacted if not any(each.explains(one) for each in by_field.get(one[:3], ()))]
