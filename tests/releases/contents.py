"""What the database of a release must have, and what must not leave the machine that filled it."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import psycopg

_ASKED: Final = "SELECT task FROM syncline.events WHERE type = 'CancelRequested'"
_GONE: Final = "SELECT worker FROM syncline.workers WHERE lease_until < syncline.clock()"
# The version of the schema since which it exists, what it is, and from which rows one sees it.
_KINDS: Final = (
    ("0007", "a task that succeeded", "reporting.tasks WHERE status = 'SUCCESS'"),
    ("0007", "a task that failed after a retry", "reporting.tasks WHERE status = 'FAILED' AND failures > 1"),
    ("0007", "a task that was canceled while it ran", "syncline.events WHERE type = 'CancelRequested'"),
    (
        "0007",
        "a task that was canceled in the queue",
        f"syncline.events WHERE type = 'TaskCanceled' AND task NOT IN ({_ASKED})",
    ),
    ("0007", "a task that was rescued", "syncline.events WHERE type = 'AttemptRescued'"),
    ("0007", "a task that was handed back", "syncline.events WHERE type = 'AttemptHandedBack'"),
    ("0007", "a retry", "syncline.events WHERE type = 'AttemptFailed'"),
    ("0007", "progress", "syncline.events WHERE type = 'ProgressReported'"),
    ("0007", "a backfill that succeeded", "reporting.tasks WHERE trigger = 'backfill' AND status = 'SUCCESS'"),
    ("0007", "a fire time that started a task", "syncline.fire_times WHERE outcome = 'started' AND task IS NOT NULL"),
    ("0007", "a fire time that was skipped", "syncline.fire_times WHERE outcome = 'skipped'"),
    ("0007", "a fire time that was missed", "syncline.fire_times WHERE outcome = 'missed'"),
    ("0007", "a schedule", "syncline.schedules WHERE active"),
    ("0007", "a cache that was cleared", "syncline.resets WHERE generation > 0"),
    ("0007", "a bookmark since then", "syncline.bookmarks WHERE bookmark IS NOT NULL AND generation > 0"),
    ("0007", "log lines", "syncline.log_events WHERE message LIKE '%synthetic line%'"),
    ("0007", "a token that was used", "syncline.api_tokens WHERE last_used_at IS NOT NULL"),
    ("0007", "a token that was revoked", "syncline.api_tokens WHERE revoked_at IS NOT NULL"),
    ("0007", "a queued task", "reporting.queue WHERE status = 'SCHEDULED'"),
    (
        "0007",
        "a running task whose lease has expired",
        f"reporting.queue WHERE status = 'RUNNING' AND worker IN ({_GONE})",
    ),
    ("0007", "failures whose events are gone", "syncline.retired_failures WHERE failures > 0"),
    ("0007", "days whose statistics are final", "syncline.retention WHERE sealed_before IS NOT NULL"),
    ("0007", "statistics", "syncline.daily_collection_stats WHERE success > 0"),
    ("0007", "a worker that was lost", "syncline.workers WHERE state = 'lost'"),
    ("0007", "a worker that was stopped", "syncline.workers WHERE state = 'stopped'"),
    ("0009", "a claim with a number", "syncline.events WHERE type = 'TaskStarted' AND data ? 'claim'"),
    ("0012", "a table whose columns have changed", "syncline.table_schemas WHERE revision > 1"),
    ("0014", "a renewed configuration", "syncline.renewed_configs"),
    ("0017", "a task that its own pool has run", "syncline.tasks WHERE source = 'abroad' AND status = 'SUCCESS'"),
    ("0017", "a task that waits for its pool", "syncline.collections WHERE pool = 'eu' AND status = 'SCHEDULED'"),
    ("0019", "what a task was started with", "reporting.task_starts WHERE config_digest IS NOT NULL"),
    ("0020", "a task that another one followed", "syncline.events WHERE type = 'RunAgainRequested'"),
)


def list_missing(connection: psycopg.Connection[Any], schema: str) -> list[str]:
    """What a database with this version of the schema should have, and does not."""
    return [what for since, what, rows in _KINDS if since <= schema and not _has(connection, rows)]


def list_traces(text: str, checkout: Path) -> list[str]:
    """Where the text of a dump tells of this machine: its name, the user's home directory or the checkout's path."""
    names = {socket.gethostname(), socket.getfqdn(), str(Path.home()), str(checkout)}
    words = "|".join(map(re.escape, sorted(names)))
    return [found[0] for found in re.finditer(rf".{{0,40}}(?<![\w/])(?:{words})(?![\w.]).{{0,40}}", text)]


def _has(connection: psycopg.Connection[Any], rows: str) -> bool:
    found = connection.execute(f"SELECT EXISTS (SELECT FROM {rows})".encode()).fetchone()
    return found == (True,)
