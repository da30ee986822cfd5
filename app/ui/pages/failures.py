"""The failures of the last days, by cause: which still need somebody, and which are dealt with?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from app.domain.failures import Failure, FailureGroup, group_failures
from app.domain.task import Status, task_id
from app.store.recent_tasks import RecentTasks
from app.task_requests import sync_task
from app.ui.page import go_to, read_form, safe_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from app.ui.page import View
    from app.ui.snapshot import Snapshots

_SINCE: Final = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_USUAL: Final = "7d"
_MOST_FAILURES: Final = 5_000
_NAMES: Final = 6


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause, and the collections whose last task failed because of it: those are not dealt with."""

    group: FailureGroup
    still: Sequence[Failure]
    gone: Sequence[Failure]

    @property
    def shown(self) -> Sequence[Failure]:
        """Some of its collections, those first that still fail."""
        return [*self.still, *self.gone][:_NAMES]

    @property
    def more(self) -> int:
        return len(self.still) + len(self.gone) - len(self.shown)


async def show_failures(view: View, snapshots: Snapshots) -> Response:
    """Show the causes, those first that are not dealt with."""
    chosen = view.request.query_params.get("since", _USUAL)
    chosen = chosen if chosen in _SINCE else _USUAL
    causes, is_all = await _causes(view, snapshots, _SINCE[chosen])
    return view.render(
        "failures.html",
        current="failures",
        causes=sorted(causes, key=lambda each: not each.still),
        open=sum(bool(each.still) for each in causes),
        since=chosen,
        periods=list(_SINCE),
        left_out=None if is_all else _MOST_FAILURES,
    )


async def run_again(view: View, snapshots: Snapshots) -> Response:
    """Ask for a task of every collection that still fails because of a cause, whether it was shown or not."""
    form = await read_form(view.request)
    causes, _ = await _causes(view, snapshots, _SINCE.get(form.get("since", ""), _SINCE[_USUAL]))
    services, cause = view.services, view.cause(form.get("note"))
    catalogue = services.catalogue()
    for failure in (each for found in causes if found.group.key == form.get("cause") for each in found.still):
        await services.queue.schedule(sync_task(catalogue, failure.source, failure.collection, cause))
    snapshots.forget()
    return go_to(safe_path(form.get("back", ""), view.prefix))


async def _causes(view: View, snapshots: Snapshots, since: timedelta) -> tuple[list[Cause], bool]:
    """The causes of the failures since then, the newest first, and whether these are all failures."""
    wanted = RecentTasks(datetime.now(UTC) - since, statuses={Status.FAILED})
    rows = await view.services.reader.list_recent(wanted, _MOST_FAILURES)
    snapshot = await snapshots.get()
    failing = {
        (each.source, each.collection): each.facts.last_failure_at
        for each in snapshot.collections
        if each.facts.consecutive_failures
    }
    groups = group_failures(map(_failure, rows))
    return [_cause(group, failing) for group in groups], len(rows) < _MOST_FAILURES


def _failure(row: Any) -> Failure:
    id_ = task_id(row["source"], row["collection"], row["task"])
    return Failure(id_, row["source"], row["collection"], row["error"] or "", row["finished_at"])


def _cause(group: FailureGroup, failing: dict[tuple[str, str], datetime | None]) -> Cause:
    """A collection still fails because of a cause if its last failure had it, and nothing has succeeded since."""
    last = group.collections
    still = [failure for name, failure in last.items() if failing.get(name) == failure.at]
    return Cause(group, still, [failure for failure in last.values() if failure not in still])
