"""The failures of the last days, by cause: which still need somebody, and which are dealt with?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.domain.about import About
from app.domain.condition import Condition
from app.domain.failures import Failure, FailureGroup, group_failures
from app.domain.task import task_id
from app.task_requests import sync_task
from app.ui.page import go_to, read_form, safe_path
from app.ui.pages.bulk import do_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.responses import Response

    from app.ui.collection_states import CollectionState
    from app.ui.page import View

_SINCE: Final = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_USUAL: Final = "7d"
_MOST_FAILURES: Final = 2_500
_NAMES: Final = 6


class Since(StrEnum):
    """What has become of a collection since it failed because of a cause."""

    FAILS = "fails"
    """It has not succeeded since, and nothing else was wrong."""
    FAILS_OTHERWISE = "now fails for another reason"
    WORKS = "works again"
    REMOVED = "not in the catalogue any more"


class Stopped(NamedTuple):
    """A collection's last failure because of a cause, what has become of it since, and what people say about it."""

    failure: Failure
    since: Since
    about: About


@dataclass(frozen=True, slots=True)
class FailureCause:
    """A cause, and what has become of each collection that it has stopped; those first that still fail."""

    group: FailureGroup
    collections: Sequence[Stopped]

    @property
    def still(self) -> Sequence[Failure]:
        """The last failures of the collections that still fail because of it."""
        return [each.failure for each in self.collections if each.since is Since.FAILS]

    @property
    def is_open(self) -> bool:
        """Whether it may still be there: a collection that fails for another reason now has not come so far again."""
        return any(each.since in {Since.FAILS, Since.FAILS_OTHERWISE} for each in self.collections)

    @property
    def contact(self) -> About | None:
        """Whose its collections are and what to do about them, if that is the same for all."""
        [first, *others] = {(each.about.owner, each.about.runbook): each.about for each in self.collections}.values()
        return None if others else first

    @property
    def shown(self) -> Sequence[Stopped]:
        return self.collections[:_NAMES]

    @property
    def more(self) -> int:
        return len(self.collections) - len(self.shown)


async def show_failures(view: View) -> Response:
    """Show the causes, those first that are not dealt with."""
    chosen = view.request.query_params.get("since", _USUAL)
    chosen = chosen if chosen in _SINCE else _USUAL
    causes, is_all = await _causes(view, _SINCE[chosen])
    return view.render(
        "failures.html",
        current="failures",
        causes=sorted(causes, key=lambda each: not each.is_open),
        open=sum(each.is_open for each in causes),
        failing=(await view.snapshots.get(view.moment)).counts.get(Condition.FAILING, 0),
        since=chosen,
        periods=list(_SINCE),
        left_out=None if is_all else _MOST_FAILURES,
    )


async def run_again(view: View) -> Response:
    """Ask for a task of every collection that still fails because of a cause, whether it was shown or not."""
    form = await read_form(view.request)
    causes, _ = await _causes(view, _SINCE.get(form.get("since", ""), _SINCE[_USUAL]))
    services, cause = view.services, view.cause(form.get("note"))
    catalogue = services.catalogue()
    wanted = [each for found in causes if found.group.key == form.get("cause") for each in found.still]
    # Together, so that they share a statement.
    try:
        await do_all(
            services.queue.schedule(sync_task(catalogue, each.source, each.collection, cause)) for each in wanted
        )
    finally:
        view.shared.forget()
    return go_to(safe_path(form.get("back", ""), view.prefix))


async def _causes(view: View, since: timedelta) -> tuple[list[FailureCause], bool]:
    """The causes of the failures since then, the newest first, and whether these are all failures."""
    begin = view.now.replace(second=0, microsecond=0) - since
    rows = await view.read(view.services.reader.list_failed, begin, _MOST_FAILURES, view.moment)
    states = {(each.source, each.collection): each for each in (await view.snapshots.get(view.moment)).collections}
    groups = group_failures(map(_failure, rows))
    return [_cause_of(group, states) for group in groups], len(rows) < _MOST_FAILURES


def _failure(row: Any) -> Failure:
    id_ = task_id(row["source"], row["collection"], row["task"])
    return Failure(id_, row["source"], row["collection"], row["error"] or "", row["finished_at"])


def _cause_of(group: FailureGroup, states: Mapping[tuple[str, str], CollectionState]) -> FailureCause:
    found = [_stopped(failure, states.get(name)) for name, failure in group.collections.items()]
    return FailureCause(group, sorted(found, key=lambda each: list(Since).index(each.since)))


def _stopped(failure: Failure, state: CollectionState | None) -> Stopped:
    return Stopped(failure, _since(failure, state), state.about if state else About())


def _since(failure: Failure, state: CollectionState | None) -> Since:
    if state is None:
        return Since.REMOVED
    if not state.facts.consecutive_failures:
        return Since.WORKS
    return Since.FAILS if state.facts.last_failure_at == failure.at else Since.FAILS_OTHERWISE
