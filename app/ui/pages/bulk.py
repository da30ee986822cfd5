"""What is done to all collections that a filter takes, whether they are shown or not."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from app.api.http.errors import RefusedError
from app.api.operations.tasks import find_task
from app.domain.condition import Condition
from app.domain.counts import count
from app.domain.errors import SynclineError
from app.pausing import pause_source, resume_source
from app.task_requests import sync_task
from app.ui.collection_states import QUALIFIERS
from app.ui.filters import read_filter
from app.ui.page import go_to, read_form, safe_path

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from starlette.responses import Response

    from app.domain.cause import Cause
    from app.ui.collection_states import CollectionState
    from app.ui.page import View

# Each takes a connection of the pool, which others need too.
_AT_ONCE: Final = 4


def count_actions(found: Sequence[CollectionState]) -> Iterator[tuple[str, int]]:
    """How many of the collections each action is for."""
    for name, (is_for, _) in _ACTIONS.items():
        yield name, sum(map(is_for, found))


async def act_on_all(view: View) -> Response:
    """Run, cancel, pause or resume all that match a filter.

    Raises:
        RefusedError: 400; the filter or the action is not understood, so that more than was meant could be concerned.
            409; there are more than were shown, or some could not be dealt with.
    """
    form = await read_form(view.request)
    wanted = read_filter(form.get("q", ""), QUALIFIERS)
    name, _, shown = form.get("act", "").partition(" ")
    if wanted.problem or wanted.takes_all or name not in _ACTIONS:
        why = wanted.problem or ("give a filter" if wanted.takes_all else f"give one of {', '.join(_ACTIONS)}")
        raise RefusedError(HTTPStatus.BAD_REQUEST, "Nothing was done", why)
    is_for, act = _ACTIONS[name]
    found = [*filter(is_for, (await view.snapshots.get()).matching(wanted))]
    if not shown.isdecimal() or len(found) > int(shown):
        why = f"by now it would be {count(len(found), 'collection')}; look at them, and try again"
        raise RefusedError(HTTPStatus.CONFLICT, "Nothing was done", why)
    cause, limit = view.cause(form.get("note")), asyncio.Semaphore(_AT_ONCE)

    async def act_in_turn(each: CollectionState) -> None:
        async with limit:
            await act(view, each, cause)

    try:
        await do_all(map(act_in_turn, found))
    finally:
        view.shared.forget()
    return go_to(safe_path(form.get("back", ""), view.prefix))


async def do_all(calls: Iterable[Awaitable[object]]) -> None:
    """Wait for all of them, whichever fail.

    Raises:
        RefusedError: 409; some have failed, the first of them because of what it says.
    """
    results = await asyncio.gather(*calls, return_exceptions=True)
    failed = [each for each in results if isinstance(each, BaseException)]
    if not failed:
        return
    if not isinstance(failed[0], SynclineError):
        raise failed[0]
    why = f"{count(len(results) - len(failed), 'collection')} done, {len(failed):,} not: {failed[0]}"
    raise RefusedError(HTTPStatus.CONFLICT, "Not everything could be done", why) from failed[0]


async def _run(view: View, each: CollectionState, cause: Cause) -> None:
    services = view.services
    await services.queue.schedule(sync_task(services.catalogue(), each.source, each.collection, cause))


async def _cancel(view: View, each: CollectionState, cause: Cause) -> None:
    row = await find_task(view.services, each.last_task or "")
    await view.services.queue.cancel(row["task"], cause)


async def _pause(view: View, each: CollectionState, cause: Cause) -> None:
    services = view.services
    await pause_source(services.pauses, services.queue, each.source, each.collection, cause=cause)


async def _resume(view: View, each: CollectionState, cause: Cause) -> None:
    services = view.services
    await resume_source(services.pauses, services.catalogue(), each.source, each.collection, cause=cause)


_Action = tuple["Callable[[CollectionState], bool]", "Callable[[View, CollectionState, Cause], Awaitable[None]]"]
_ACTIONS: Final[Mapping[str, _Action]] = {
    "run": (lambda each: not each.is_active and each.facts.paused_since is None, _run),
    "cancel": (lambda each: each.is_active, _cancel),
    "pause": (lambda each: each.facts.paused_since is None, _pause),
    "resume": (lambda each: each.condition is Condition.PAUSED and each.paused_alone, _resume),
}
