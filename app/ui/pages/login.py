"""The login: a token of the API for a cookie."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from app.api.http.authentication import grant
from app.api.http.errors import RefusedError
from app.ui.access import check_origin, forget, is_encrypted, remember
from app.ui.page import go_to, read_form, safe_path
from app.ui.rendering import render

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from app.api.http.services import Services


async def show_login(request: Request, prefix: str) -> Response:
    """Ask for a token."""
    return _form(request, prefix, wanted=request.query_params.get("next", ""))


async def log_in(request: Request, prefix: str) -> Response:
    """Check the token, and go where somebody wanted to."""
    check_origin(request)
    form = await read_form(request)
    services: Services = request.app.state.services
    token, wanted = form.get("token", "").strip(), form.get("next", "")
    try:
        await grant(services, [token.encode()])
    except RefusedError as refused:
        if refused.status != HTTPStatus.UNAUTHORIZED:
            raise
        return _form(request, prefix, wanted=wanted, problem=refused.error or refused.message)
    answer = go_to(safe_path(wanted, prefix))
    await remember(services, answer, token, encrypted=is_encrypted(request))
    return answer


async def log_out(request: Request, prefix: str) -> Response:
    """Let the browser forget the token."""
    check_origin(request)
    answer = go_to(f"{prefix}/login")
    await forget(request.app.state.services, answer)
    return answer


def _form(request: Request, prefix: str, *, wanted: str, problem: str | None = None) -> Response:
    status = HTTPStatus.OK if problem is None else HTTPStatus.UNAUTHORIZED
    # Browsers send it over https, and to this machine.
    is_safe = "Sec-Fetch-Mode" in request.headers or is_encrypted(request)
    values = {
        "prefix": prefix,
        "next": wanted,
        "problem": problem,
        "is_plain": not is_safe,
    }
    return render("login.html", values, status=status)
