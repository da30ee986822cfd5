"""What has happened to a task, a collection or a source, event by event, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from app.domain import events
from app.domain.cause import Cause
from app.domain.counts import count
from app.domain.timestamp import utc_in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

_MOST_NAMES: Final = 5
"""More names of collections in one entry would hide what else has happened."""

Tone = Literal["plain", "busy", "good", "bad"]


@dataclass(frozen=True, slots=True)
class StoryEntry:
    """An event as a title, and details if there are any."""

    at: datetime
    title: str
    details: str
    tone: Tone


def entry_of(type_: str, at: datetime, attempt: int, worker: UUID | None, data: Mapping[str, Any]) -> StoryEntry:
    """An event in words. One of a type that this release does not know has its name."""
    describe = _ENTRIES.get(type_)
    if describe is None:
        return StoryEntry(at, type_, "", "plain")
    title, details = describe(_Facts(attempt, worker, data))
    return StoryEntry(at, title, details, _TONES.get(type_, "plain"))


@dataclass(frozen=True, slots=True)
class _Facts:
    attempt: int
    worker: UUID | None
    data: Mapping[str, Any]

    @property
    def cause(self) -> str:
        """Who it was, and why."""
        cause = Cause.of(self.data)
        return ": ".join(filter(None, [f"by {cause.who.name}" if cause.who else "", cause.note or ""]))

    @property
    def error(self) -> str:
        return str(self.data.get("error") or "")

    @property
    def reason(self) -> str:
        return str(self.data.get("reason") or "")

    @property
    def by_worker(self) -> str:
        return f"worker {str(self.worker)[-12:]}" if self.worker else ""


def _scheduled(facts: _Facts) -> tuple[str, str]:
    data = facts.data
    if fire_time := data.get("fire_time"):
        return "Scheduled", f"fire time {_time(fire_time)}"
    if interval := data.get("backfill"):
        return "Backfill requested", ", ".join(filter(None, [str(interval).replace("/", " to "), facts.cause]))
    return "Requested", facts.cause


def _started(facts: _Facts) -> tuple[str, str]:
    release = facts.data.get("release")
    details = [facts.by_worker, f"release {release}" if release else ""]
    return f"Attempt {facts.attempt} started", ", ".join(filter(None, details))


def _failed_attempt(facts: _Facts) -> tuple[str, str]:
    again = facts.data.get("run_at")
    return f"Attempt {facts.attempt} failed", facts.error + (f"; next attempt at {_time(again)}" if again else "")


def _rescued(facts: _Facts) -> tuple[str, str]:
    return f"The worker of attempt {facts.attempt} was lost", facts.error


def _handed_back(facts: _Facts) -> tuple[str, str]:
    if "postponed_since" in facts.data:
        return f"Attempt {facts.attempt} was postponed to {_time(facts.data['run_at'])}", facts.reason
    return f"Attempt {facts.attempt} was handed back", facts.reason


def _saved(facts: _Facts) -> tuple[str, str]:
    return f"{count(facts.data['rows'], 'row')} committed", f"to {facts.data['destination']}"


def _schema(facts: _Facts) -> tuple[str, str]:
    table = f"{facts.data['table']} at {facts.data['destination']}"
    changes = [describe_change(each) for each in facts.data.get("changes") or ()]
    return ("Columns have changed", f"{table}: {', '.join(changes)}") if changes else ("Columns recorded", table)


def describe_change(change: Mapping[str, Any]) -> str:
    """A changed column: `+ coupon`, `- email`, `total: integer → text`."""
    name = change["field"]
    match change["change"]:
        case "added":
            return f"+ {name}"
        case "removed":
            return f"- {name}"
        case _:
            of = "field" if "to_field_type" in change else "column"
            return f"{name}: {change.get(f'from_{of}_type', '?')} → {change.get(f'to_{of}_type', '?')}"


def _progress(facts: _Facts) -> tuple[str, str]:
    share = facts.data.get("share")
    return f"{count(facts.data['records_read'], 'row')} read", "" if share is None else f"{100 * share:.0f} %"


def _renewed(facts: _Facts) -> tuple[str, str]:
    kept = "kept" if facts.data.get("kept") else "not kept: server.secret_key is not set"
    return f"{facts.data.get('role', '').capitalize()} {facts.data.get('name', '')} renewed its configuration", kept


def _paused(facts: _Facts) -> tuple[str, str]:
    what = "Paused" if "collection" in facts.data else "The whole source was paused"
    until = facts.data.get("until")
    return what, _joined(f"until {_time(until)}" if until else "", facts.cause)


def _resumed(facts: _Facts) -> tuple[str, str]:
    return "Resumed" if "collection" in facts.data else "The whole source was resumed", facts.cause


def _bookmark_set(facts: _Facts) -> tuple[str, str]:
    # Those that were given by an earlier event, and not used since, have another number.
    names = [name for name, number in facts.data.get("given", {}).items() if number == 0]
    return "Bookmark set", _joined(f"for {', '.join(names)}" if names else "", facts.cause)


def _catalogue(facts: _Facts) -> tuple[str, str]:
    """Names of keys, collections and destinations; values are never recorded."""
    data = facts.data
    if data.get("change") in {"added", "removed"}:
        return f"Source {data['change']}", _names(data.get("collections", {}))
    sections = [f"{name}: {', '.join(data[name])}" for name in ("server", "notifications") if name in data]
    keys = ", ".join(data.get("keys", ()))
    return "Catalogue changed", _joined(
        keys, _names(data.get("collections", {})), _names(data.get("destinations", {})), *sections
    )


def _names(of: Mapping[str, Any]) -> str:
    """The names that were added, removed and changed, these with their keys."""
    parts = [f"+ {name}" for name in of.get("added", ())]
    parts += [f"- {name}" for name in of.get("removed", ())]
    parts += [f"{name}: {', '.join(keys)}" for name, keys in of.get("changed", {}).items()]
    left_out = len(parts) - _MOST_NAMES + int(of.get("more", 0))
    return "; ".join(parts[:_MOST_NAMES] + ([f"and {left_out:,} more"] if left_out > 0 else []))


def _rejected(facts: _Facts) -> tuple[str, str]:
    problems = facts.data.get("problems", ())
    if isinstance(problems, str):  # they were redacted
        return "Its newest version is not used", problems
    first = "".join(f"{each['path']}: {each['message']}" for each in problems[:1])
    others = len(problems) - 1 + facts.data.get("more", 0)
    return "Its newest version is not used", first + (f" (and {count(others, 'more problem')})" if others > 0 else "")


def _joined(*parts: str) -> str:
    return "; ".join(filter(None, parts))


def _time(text: str) -> str:
    return utc_in_words(datetime.fromisoformat(text))


_ENTRIES: Final[Mapping[str, Callable[[_Facts], tuple[str, str]]]] = {
    events.TASK_SCHEDULED: _scheduled,
    events.TASK_STARTED: _started,
    events.BOOKMARK_SAVED: _saved,
    events.PROGRESS_REPORTED: _progress,
    events.SCHEMA_CHANGED: _schema,
    events.CONFIG_RENEWED: _renewed,
    events.CANCEL_REQUESTED: lambda facts: ("Cancellation requested", facts.cause),
    events.RUN_AGAIN_REQUESTED: lambda facts: ("One more run requested", facts.cause),
    events.ATTEMPT_FAILED: _failed_attempt,
    events.ATTEMPT_RESCUED: _rescued,
    events.ATTEMPT_HANDED_BACK: _handed_back,
    events.TASK_SUCCEEDED: lambda _: ("Succeeded", ""),
    events.TASK_FAILED: lambda facts: ("Failed", facts.error),
    events.TASK_CANCELED: lambda facts: ("Canceled", facts.cause),
    events.COLLECTION_PAUSED: _paused,
    events.COLLECTION_RESUMED: _resumed,
    events.COLLECTION_RESET: lambda facts: ("Reset: the next task loads everything again", facts.cause),
    events.BOOKMARK_SET: _bookmark_set,
    events.CATALOGUE_CHANGED: _catalogue,
    events.SOURCE_REJECTED: _rejected,
    events.SOURCE_ACCEPTED: lambda _: ("Its newest version is used again", ""),
    events.SYNC_REFUSED: lambda facts: ("A request in the database was refused", _joined(facts.reason, facts.cause)),
    events.EVENT_REDACTED: lambda facts: ("Redacted", _joined(", ".join(facts.data.get("fields", ())), facts.cause)),
}
_TONES: Final[Mapping[str, Tone]] = {
    events.TASK_STARTED: "busy",
    events.ATTEMPT_FAILED: "bad",
    events.ATTEMPT_RESCUED: "bad",
    events.TASK_SUCCEEDED: "good",
    events.TASK_FAILED: "bad",
    events.SOURCE_REJECTED: "bad",
}
