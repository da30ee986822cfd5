"""Events in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from app.domain.events import TYPES
from app.domain.story import entry_of

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
WORKER = UUID("01a22e18-50df-7e1c-ae8c-1f48baa000d2")
OPS = {"who": {"kind": "token", "name": "ops"}, "note": "month end"}


@pytest.mark.parametrize(
    ("type_", "data", "title", "details"),
    [
        ("TaskScheduled", OPS, "Requested", "by ops: month end"),
        ("TaskScheduled", {}, "Requested", ""),
        ("TaskScheduled", {"fire_time": "2026-11-30T11:00:00+00:00"}, "Scheduled", "fire time 2026-11-30 11:00:00Z"),
        ("TaskScheduled", {"backfill": "2024-01-01T00:00:00Z/2024-02-01T00:00:00Z", **OPS}, "Backfill requested",
         "2024-01-01T00:00:00Z to 2024-02-01T00:00:00Z, by ops: month end"),
        ("TaskStarted", {"release": "0.2.0"}, "Attempt 2 started", "worker 1f48baa000d2, release 0.2.0"),
        ("BookmarkSaved", {"rows": 1200, "destination": "lake"}, "1,200 rows committed", "to lake"),
        ("SchemaChanged", {"table": "t", "destination": "lake", "revision": 1}, "Columns recorded", "t at lake"),
        ("SchemaChanged", {"table": "t", "destination": "lake", "changes": [
            {"change": "added", "field": "coupon"}, {"change": "removed", "field": "email"},
            {"change": "retyped", "field": "total", "from_field_type": "int4", "to_field_type": "text"},
            {"change": "retyped", "field": "x", "from_column_type": "INTEGER", "to_column_type": "BIGINT"}]},
         "Columns have changed", "t at lake: + coupon, - email, total: int4 → text, x: INTEGER → BIGINT"),
        ("ConfigRenewed", {"role": "source", "name": "shop", "kept": True},
         "Source shop renewed its configuration", "kept"),
        ("CancelRequested", OPS, "Cancellation requested", "by ops: month end"),
        ("RunAgainRequested", OPS, "One more run requested", "by ops: month end"),
        ("AttemptFailed", {"error": "no disk", "run_at": "2026-11-30T12:00:05+00:00"}, "Attempt 2 failed",
         "no disk; next attempt at 2026-11-30 12:00:05Z"),
        ("AttemptRescued", {"error": "lease expired"}, "The worker of attempt 2 was lost", "lease expired"),
        ("AttemptHandedBack", {"reason": "draining"}, "Attempt 2 was handed back", "draining"),
        ("AttemptHandedBack", {"reason": "no quota", "run_at": "2026-11-30T13:00:00+00:00",
                               "postponed_since": "2026-11-30T12:00:00+00:00"},
         "Attempt 2 was postponed to 2026-11-30 13:00:00Z", "no quota"),
        ("TaskSucceeded", {}, "Succeeded", ""),
        ("TaskFailed", {"error": "no disk"}, "Failed", "no disk"),
        ("TaskCanceled", OPS, "Canceled", "by ops: month end"),
        ("CollectionPaused", {"source": "s", "collection": "c", "until": "2026-11-30T12:00:00+00:00", **OPS}, "Paused",
         "until 2026-11-30 12:00:00Z; by ops: month end"),
        ("CollectionPaused", {"source": "s"}, "The whole source was paused", ""),
        ("CollectionResumed", {"source": "s", "collection": "c", **OPS}, "Resumed", "by ops: month end"),
        ("CollectionReset", {"source": "s", "collection": "c", **OPS}, "Reset: the next task loads everything again",
         "by ops: month end"),
        ("BookmarkSet", {"given": {"lake": 0, "old": 2}, **OPS}, "Bookmark set", "for lake; by ops: month end"),
        ("CatalogueChanged", {"source": "s", "change": "added", "collections": {"added": ["a", "b"]}}, "Source added",
         "+ a; + b"),
        ("CatalogueChanged", {"source": "s", "change": "changed", "keys": ["config.host", "schedule"], "collections": {
            "added": ["a"], "removed": ["b"], "changed": {"c": ["mode", "key"]}}}, "Catalogue changed",
         "config.host, schedule; + a; - b; c: mode, key"),
        ("CatalogueChanged", {"source": "s", "change": "changed", "collections": {
            "added": list("abcdefg"), "more": 3}}, "Catalogue changed", "+ a; + b; + c; + d; + e; and 5 more"),
        ("CatalogueChanged", {"destinations": {"removed": ["lake"]}, "server": ["port"]}, "Catalogue changed",
         "- lake; server: port"),
        ("SourceRejected", {"problems": [{"path": "s.a", "message": "no"}, {"path": "s.b", "message": "x"}],
                            "more": 1}, "Its newest version is not used", "s.a: no (and 2 more problems)"),
        ("SourceRejected", {"problems": "[redacted]"}, "Its newest version is not used", "[redacted]"),
        ("ProgressReported", {"records_read": 1200, "bytes_read": 5}, "1,200 rows read", ""),
        ("ProgressReported", {"records_read": 1200, "bytes_read": 5, "share": 0.255}, "1,200 rows read", "26 %"),
        ("SourceAccepted", {"source": "s"}, "Its newest version is used again", ""),
        ("SyncRefused", {"reason": "unknown", **OPS}, "A request in the database was refused",
         "unknown; by ops: month end"),
        ("EventRedacted", {"fields": ["error"], **OPS}, "Redacted", "error; by ops: month end"),
        ("OfALaterRelease", {"x": 1}, "OfALaterRelease", ""),
    ],
)  # fmt: skip
def test_an_event_is_told(type_: str, data: dict[str, Any], title: str, details: str) -> None:
    entry = entry_of(type_, AT, 2, WORKER, data)
    assert (entry.title, entry.details) == (title, details)


def test_every_event_that_a_story_has_is_told_in_words() -> None:
    facts = {"rows": 0, "destination": "d", "table": "t", "records_read": 0}
    assert [type_ for type_ in TYPES if entry_of(type_, AT, 1, None, facts).title == type_] == []
