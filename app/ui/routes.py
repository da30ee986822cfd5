"""The path of every page and action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from app.domain.api_token import TokenScope
from app.ui.live import show_live
from app.ui.page import Pages, open_page, page, renewed
from app.ui.pages.actions import backfill, cancel, pause, reset, resume, run, set_bookmark
from app.ui.pages.bulk import act_on_all
from app.ui.pages.collection import show_collection
from app.ui.pages.events import show_events
from app.ui.pages.failures import run_again, show_failures
from app.ui.pages.live_log import follow_log
from app.ui.pages.log import download_json, download_text
from app.ui.pages.login import log_in, log_out, show_login
from app.ui.pages.moment import go_to_moment
from app.ui.pages.overview import show_overview
from app.ui.pages.sources import discover, show_sources, test
from app.ui.pages.task import show_task
from app.ui.pages.timeline import show_timeline
from app.ui.pages.workers import show_workers
from app.ui.past import PATH
from app.ui.shared import Shared
from app.ui.snapshot import Snapshots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from app.api.http.services import Services


_SHOWN: Final = {
    "": show_overview,
    "/timeline": show_timeline,
    "/failures": show_failures,
    "/collection": show_collection,
    "/tasks/{task_id}": show_task,
    "/events": show_events,
    "/workers": show_workers,
}
"""What can be looked at, now and as it was at any moment."""

ACTIONS: Final = {
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
    shared = Shared()
    return [*_pages(Pages(prefix, Snapshots(services, shared), shared))]


def _pages(pages: Pages) -> Iterator[BaseRoute]:
    prefix = pages.base
    for moment in ("", PATH):
        start = prefix + moment
        for path, show in _SHOWN.items():
            yield Route(f"{start}{path}" or "/", page(renewed(show), pages))
        yield Route(f"{start}/tasks/{{task_id}}/log.txt", page(download_text, pages))
        yield Route(f"{start}/tasks/{{task_id}}/log.jsonl", page(download_json, pages))
    yield Route(f"{prefix}/sources", page(renewed(show_sources), pages))
    for name, look in (("test", test), ("discover", discover)):
        yield Route(f"{prefix}/{name}", page(look, pages, scope=TokenScope.ADMIN), methods=["POST"])
    yield Route(f"{prefix}/as-of", open_page(go_to_moment, prefix))
    yield Route(f"{prefix}/tasks/{{task_id}}/log.live", page(follow_log, pages))
    yield Route(f"{prefix}/live", page(show_live, pages))
    yield Route(f"{prefix}/login", open_page(show_login, prefix), methods=["GET"])
    yield Route(f"{prefix}/login", open_page(log_in, prefix), methods=["POST"])
    yield Route(f"{prefix}/logout", open_page(log_out, prefix), methods=["POST"])
    for name, (act, scope) in ACTIONS.items():
        yield Route(f"{prefix}/{name}", page(act, pages, scope=scope), methods=["POST"])
    yield Mount(f"{prefix}/static", _Static(packages=[("app.ui", "static")]))
