"""From the field for a time, in the header, to the page as it was then."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from app.api.http.errors import RefusedError
from app.ui.page import go_to, safe_path
from app.ui.past import path_at

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


async def go_to_moment(request: Request, prefix: str) -> Response:
    """Lead to the page `page` as of the time `time`, in UTC; without a time, as it is now."""
    given, page = request.query_params.get("time", "").strip(), request.query_params.get("page", "/")
    if not given:
        return go_to(safe_path(prefix + page, prefix))
    try:
        time = datetime.fromisoformat(given)
        path = path_at(time if time.tzinfo else time.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        why = "use a day such as 2024-01-31, or a time such as 2024-01-31 12:00, in UTC"
        raise RefusedError(HTTPStatus.BAD_REQUEST, "This is not a time", why) from None
    return go_to(safe_path(prefix + path + page, prefix))
