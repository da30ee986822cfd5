"""What people do on the pages: each action is that of the API, and leads back to the page."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from app.api.operations.tasks import find_task
from app.domain.task import task_id
from app.pausing import check_known, pause_source, resume_source
from app.task_requests import sync_task
from app.ui.page import go_to, read_form, safe_path

if TYPE_CHECKING:
    from starlette.responses import Response

    from app.ui.page import View
    from app.ui.snapshot import Snapshots


async def run(view: View, snapshots: Snapshots) -> Response:
    """Ask for a task of a collection."""
    form = await read_form(view.request)
    services, cause = view.services, view.cause(form.get("note"))
    source, collection = form.get("source", ""), form.get("collection", "")
    task, _ = await services.queue.schedule(sync_task(services.catalogue(), source, collection, cause))
    if form.get("show") == "task":
        return _back(view, f"{view.prefix}/tasks/{quote(task_id(source, collection, task))}", snapshots)
    return _back(view, form.get("back", ""), snapshots)


async def cancel(view: View, snapshots: Snapshots) -> Response:
    """Cancel a task."""
    form = await read_form(view.request)
    row = await find_task(view.services, form.get("task", ""))
    await view.services.queue.cancel(row["task"], view.cause(form.get("note")))
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
