"""What people do on the pages: each action is that of the API, and leads back to the page."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from app.api.http.errors import unknown_task
from app.domain.task import task_id
from app.pausing import check_known, pause_source, resume_source
from app.task_requests import sync_task
from app.ui.page import go_to, read_form, safe_path

if TYPE_CHECKING:
    from starlette.responses import Response

    from app.ui.page import View
    from app.ui.snapshot import Snapshots

_UUID_LENGTH = 36


async def run(view: View, snapshots: Snapshots) -> Response:
    """Ask for a task of a collection."""
    form = await read_form(view.request)
    services, cause = view.services, view.cause(form.get("note"))
    await services.queue.schedule(
        sync_task(services.catalogue(), form.get("source", ""), form.get("collection", ""), cause)
    )
    return _back(view, form.get("back", ""), snapshots)


async def cancel(view: View, snapshots: Snapshots) -> Response:
    """Cancel a task."""
    form = await read_form(view.request)
    given = form.get("task", "")
    try:
        task = UUID(given[-_UUID_LENGTH:])
    except ValueError:
        raise unknown_task(given) from None
    row = await view.services.reader.get_task(task)
    if row is None or task_id(row["source"], row["collection"], row["task"]) != given:
        raise unknown_task(given)
    await view.services.queue.cancel(task, view.cause(form.get("note")))
    return _back(view, form.get("back", ""), snapshots)


async def pause(view: View, snapshots: Snapshots) -> Response:
    """Pause a collection, or a whole source if none is given."""
    form = await read_form(view.request)
    services, source, collection = view.services, form.get("source", ""), form.get("collection") or None
    check_known(services.catalogue(), source, collection)
    cause = view.cause(form.get("note"))
    await pause_source(services.pauses, services.queue, source, collection, until=None, cancel=False, cause=cause)
    return _back(view, form.get("back", ""), snapshots)


async def resume(view: View, snapshots: Snapshots) -> Response:
    """End the pause of a collection, or that of a whole source."""
    form = await read_form(view.request)
    services, source, collection = view.services, form.get("source", ""), form.get("collection") or None
    await resume_source(services.pauses, services.catalogue(), source, collection, cause=view.cause(form.get("note")))
    return _back(view, form.get("back", ""), snapshots)


def _back(view: View, path: str, snapshots: Snapshots) -> Response:
    """The page that the action was on, as it is now."""
    snapshots.forget()
    return go_to(safe_path(path, view.prefix))
