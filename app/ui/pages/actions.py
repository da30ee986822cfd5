"""What people do on the pages: each action is that of the API, and leads back to the page."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from app.api.http.errors import RefusedError
from app.api.http.parameters import COLLECTION, FROM, POSITION, SOURCE, TO
from app.api.operations.tasks import find_task
from app.bookmarks import find_settable, set_bookmarks
from app.domain.interval import Interval
from app.domain.task import task_id
from app.domain.timestamp import read_day_or_time
from app.pausing import check_known, pause_source, resume_source
from app.task_requests import backfill_task, request_backfill, sync_task
from app.ui.page import go_to, read_form, safe_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from starlette.responses import Response

    from app.ui.page import View


async def run(view: View) -> Response:
    """Ask for a task of a collection."""
    form = await read_form(view.request)
    services, cause = view.services, view.cause(form.get("note"))
    source, collection = form.get("source", ""), form.get("collection", "")
    task, _ = await services.queue.schedule(sync_task(services.catalogue(), source, collection, cause))
    if form.get("show") == "task":
        return _back(view, f"{view.prefix}/tasks/{quote(task_id(source, collection, task))}")
    return _back(view, form.get("back", ""))


async def cancel(view: View) -> Response:
    """Cancel a task."""
    form = await read_form(view.request)
    row = await find_task(view.services, form.get("task", ""))
    await view.services.queue.cancel(row["task"], view.cause(form.get("note")))
    return _back(view, form.get("back", ""))


async def pause(view: View) -> Response:
    """Pause a collection, or a whole source if none is given."""
    form = await read_form(view.request)
    services, source, collection = view.services, form.get("source", ""), form.get("collection") or None
    check_known(services.catalogue(), source, collection)
    cause = view.cause(form.get("note"))
    await pause_source(services.pauses, services.queue, source, collection, until=None, cancel=False, cause=cause)
    return _back(view, form.get("back", ""))


async def resume(view: View) -> Response:
    """End the pause of a collection, or that of a whole source."""
    form = await read_form(view.request)
    services, source, collection = view.services, form.get("source", ""), form.get("collection") or None
    await resume_source(services.pauses, services.catalogue(), source, collection, cause=view.cause(form.get("note")))
    return _back(view, form.get("back", ""))


async def backfill(view: View) -> Response:
    """Ask for a task that loads an interval of a collection again."""
    form = await read_form(view.request)
    source, collection = SOURCE.required_in(form), COLLECTION.required_in(form)
    interval = Interval.between(_day_in(form, FROM.name), _day_in(form, TO.name))
    services = view.services
    new = backfill_task(services.catalogue(), source, collection, interval, view.cause(form.get("note")))
    await request_backfill(services.queue, services.reader, new)
    return _back(view, form.get("back", ""))


async def reset(view: View) -> Response:
    """Forget the bookmarks of a collection."""
    form = await read_form(view.request)
    source, collection = view.services.catalogue().find(SOURCE.required_in(form), COLLECTION.required_in(form))
    await view.services.reset_collection(source.id, collection.name, cause=view.cause(form.get("note")))
    return _back(view, form.get("back", ""))


async def set_bookmark(view: View) -> Response:
    """Set the bookmark of one destination, or those of all as they were at a place of the feed."""
    form = await read_form(view.request)
    bookmarks, catalogue = view.services.bookmarks, view.services.catalogue()
    source, collection = SOURCE.required_in(form), COLLECTION.required_in(form)
    catalogue.find(source, collection)
    given: Mapping[str, str | None] = {form.get("destination", ""): form.get("bookmark", "").strip() or None}
    if (place := POSITION.optional_in(form)) is not None:
        given = await find_settable(bookmarks, catalogue, source, collection, place)
    await set_bookmarks(bookmarks, catalogue, source, collection, given, cause=view.cause(form.get("note")))
    return _back(view, form.get("back", ""))


def _day_in(form: Mapping[str, str], name: str) -> datetime:
    """The day, from midnight UTC on, or the time.

    Raises:
        RefusedError: 400; it is neither.
    """
    try:
        return read_day_or_time(form.get(name, ""))
    except (ValueError, OverflowError):
        why = f"{name!r} must be a day such as 2024-01-31, or a time such as 2024-01-31T12:00:00Z"
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"Error parsing '{name}' field", why) from None


def _back(view: View, path: str) -> Response:
    """The page that the action was on, as it is now."""
    view.shared.forget()
    return go_to(safe_path(path, view.prefix))
