"""The path of every page and action."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from app.domain.api_token import TokenScope
from app.ui.briefly import Briefly
from app.ui.live import show_live
from app.ui.page import open_page, page
from app.ui.pages.actions import backfill, cancel, pause, reset, resume, run, set_bookmark
from app.ui.pages.bulk import act_on_all
from app.ui.pages.collection import show_collection
from app.ui.pages.events import show_events
from app.ui.pages.failures import run_again, show_failures
from app.ui.pages.log import download_json, download_text
from app.ui.pages.login import log_in, log_out, show_login
from app.ui.pages.moment import go_to_moment
from app.ui.pages.overview import show_overview
from app.ui.pages.sources import discover, show_sources, test
from app.ui.pages.task import show_task
from app.ui.pages.timeline import show_timeline
from app.ui.pages.workers import look_at_workers, show_workers
from app.ui.past import PATH
from app.ui.snapshot import Snapshots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from app.api.http.services import Services


_ACTIONS: Final = {
    "run": (run, TokenScope.RUN),
    "run-again": (run_again, TokenScope.RUN),
    "cancel": (cancel, TokenScope.RUN),
    "pause": (pause, TokenScope.RUN),
    "resume": (resume, TokenScope.RUN),
    "all": (act_on_all, TokenScope.RUN),
    "backfill": (backfill, TokenScope.RUN),
    "reset": (reset, TokenScope.ADMIN),
    "set-bookmark": (set_bookmark, TokenScope.ADMIN),
}
"""What can be done on the pages, and with which tokens, as in the API."""


class _Static(StaticFiles):
    """What pages are made of. A browser asks whether it has changed, for a new release has the same names."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        answer = super().file_response(*arguments, **options)
        answer.headers["Cache-Control"] = "no-cache"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer


def make_pages(services: Services, prefix: str) -> list[BaseRoute]:
    """The pages below a prefix, which begins with a slash or is empty."""
    return [*_pages(services, prefix)]


def _pages(services: Services, prefix: str) -> Iterator[BaseRoute]:
    snapshots, workforce = Snapshots(services), Briefly(partial(look_at_workers, services))
    for moment in ("", PATH):
        start = prefix + moment
        yield Route(start or "/", page(partial(show_overview, snapshots=snapshots), prefix))
        yield Route(f"{start}/timeline", page(partial(show_timeline, snapshots=snapshots), prefix))
        yield Route(f"{start}/failures", page(partial(show_failures, snapshots=snapshots), prefix))
        yield Route(f"{start}/collection", page(partial(show_collection, snapshots=snapshots), prefix))
        yield Route(f"{start}/tasks/{{task_id}}", page(show_task, prefix))
        yield Route(f"{start}/tasks/{{task_id}}/log.txt", page(download_text, prefix))
        yield Route(f"{start}/tasks/{{task_id}}/log.jsonl", page(download_json, prefix))
        yield Route(f"{start}/events", page(show_events, prefix))
        yield Route(f"{start}/workers", page(partial(show_workers, workforce=workforce), prefix))
    yield Route(f"{prefix}/sources", page(partial(show_sources, snapshots=snapshots), prefix))
    for name, show in (("test", test), ("discover", discover)):
        yield Route(f"{prefix}/{name}", page(show, prefix, scope=TokenScope.ADMIN), methods=["POST"])
    yield Route(f"{prefix}/as-of", open_page(go_to_moment, prefix))
    yield Route(f"{prefix}/live", page(partial(show_live, snapshots=snapshots), prefix))
    yield Route(f"{prefix}/login", open_page(show_login, prefix), methods=["GET"])
    yield Route(f"{prefix}/login", open_page(log_in, prefix), methods=["POST"])
    yield Route(f"{prefix}/logout", open_page(log_out, prefix), methods=["POST"])
    for name, (act, scope) in _ACTIONS.items():
        endpoint = page(partial(act, snapshots=snapshots), prefix, scope=scope)
        yield Route(f"{prefix}/{name}", endpoint, methods=["POST"])
    yield Mount(f"{prefix}/static", _Static(packages=[("app.ui", "static")]))
