"""What every page has: who looks at which moment, what is allowed, and errors as pages of their own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple
from urllib.parse import parse_qsl, quote

from starlette.responses import RedirectResponse

from app.api.http.authentication import check_granted
from app.api.http.errors import RefusedError, refusal_of
from app.api.http.limits import read_body
from app.api.http.secrecy import secrecy_of
from app.domain.api_token import TokenScope
from app.domain.cause import NOTE_FORM, Cause, read_note
from app.store.moments import LATEST
from app.ui.access import check_origin, find_viewer
from app.ui.past import moment_of, past_of, path_of, without_moment
from app.ui.rendering import HEADERS, render

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from app.api.http.known_tokens import Granted
    from app.api.http.services import Services
    from app.store.moments import Moment
    from app.ui.shared import Shared
    from app.ui.snapshot import Snapshots

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


@dataclass(frozen=True, slots=True)
class Pages:
    """What all pages have in common: `base` is where they begin."""

    base: str
    snapshots: Snapshots
    shared: Shared


@dataclass(frozen=True, slots=True)
class View:
    """A request for a page, by somebody with a token.

    `prefix` is where the pages of the same moment begin.
    """

    request: Request
    granted: Granted
    pages: Pages
    prefix: str
    moment: Moment

    @property
    def services(self) -> Services:
        services: Services = self.request.app.state.services
        return services

    @property
    def base(self) -> str:
        return self.pages.base

    @property
    def snapshots(self) -> Snapshots:
        return self.pages.snapshots

    @property
    def shared(self) -> Shared:
        return self.pages.shared

    @property
    def path(self) -> str:
        """The address of the page on this host."""
        return f"{self.request.url.path}?{self.request.url.query}".rstrip("?")

    @property
    def is_renewal(self) -> bool:
        """Whether an open page asks again, by itself."""
        return "HX-Request" in self.request.headers

    @property
    def is_past(self) -> bool:
        return self.moment != LATEST

    @property
    def now(self) -> datetime:
        """The moment that is shown."""
        return self.moment.moment if self.is_past else datetime.now(UTC)

    def may(self, scope: TokenScope) -> bool:
        """Whether the token allows it; nobody can change the past."""
        return not self.is_past and self.granted.scope.covers(scope)

    async def read(self, read: Callable[[*Arguments], Coroutine[Any, Any, Result]], *arguments: *Arguments) -> Result:
        """Call `read` with these arguments. Open pages that renew themselves share the result, whoever looks at them.

        The arguments are the key: they must be hashable, and the same for all who ask within some seconds.
        """
        if not self.is_renewal:
            return await read(*arguments)
        return await self.shared.get((read, arguments), partial(read, *arguments))

    def cause(self, note: str | None) -> Cause:
        """Who acts, and why; people may paste a token even into a note.

        Raises:
            RefusedError: 400; it is not a note.
        """
        secrecy = secrecy_of(self.services.catalogue().server.admin_token)
        try:
            return Cause(self.granted.who, secrecy.text(read_note(note)) if note else None)
        except ValueError:
            why = f"'note' must have {NOTE_FORM}"
            raise RefusedError(HTTPStatus.BAD_REQUEST, "Error parsing 'note' field", why) from None

    @property
    def _here(self) -> str:
        """The page, whatever the moment: what leads to it below any prefix."""
        page = self.path.removeprefix(self.base) or "/"
        return without_moment(page) if self.is_past else page

    def render(self, template: str, *, current: str, **values: Any) -> Response:
        """The page, with what the frame around it needs; `current` is its entry in the navigation."""
        frame = {
            "base": self.base,
            "prefix": self.prefix,
            "current": current,
            "path": self.path,
            "here": self._here,
            "past": past_of(self.moment, self.base) if self.is_past else None,
            "who": self.granted.who.name,
            "scope": self.granted.scope.value,
            "may_run": self.may(TokenScope.RUN),
            "now": self.now,
            "config_problem": self.services.config_problem(),
        }
        return render(template, {**frame, **values})


def page(
    show: Callable[[View], Awaitable[Response]], pages: Pages, *, scope: TokenScope = TokenScope.READ
) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that shows a page, or carries out an action if the request is a POST.

    Without a valid token it leads to the login; what is refused becomes a page that says why.
    """

    async def show_to_viewer(request: Request, prefix: str) -> Response:
        if request.method == "POST":
            check_origin(request)
        granted = await find_viewer(request.scope)
        if granted is None:
            return _to_login(request, prefix)
        check_granted(granted, scope)
        moment = await moment_of(request)
        return await show(View(request, granted, pages, prefix + path_of(request), moment))

    return open_page(show_to_viewer, pages.base)


def renewed(show: Callable[[View], Coroutine[Any, Any, Response]]) -> Callable[[View], Awaitable[Response]]:
    """The same for a page that renews itself: all whose token has the same name and scope get the same answer.

    Others still share what the page reads by `View.read`.
    """

    async def show_once(view: View) -> Response:
        if not view.is_renewal:
            return await show(view)
        key = show, view.path, view.granted.who, view.granted.scope
        return await view.shared.get(key, partial(show, view))

    return show_once


def open_page(
    show: Callable[[Request, str], Awaitable[Response]], prefix: str
) -> Callable[[Request], Awaitable[Response]]:
    """The same for everybody."""

    async def endpoint(request: Request) -> Response:
        try:
            return await show(request, prefix)
        except Exception as error:  # noqa: BLE001 - what is not known is raised again
            return _refusal(request, error, prefix)

    return endpoint


async def read_form(request: Request) -> Mapping[str, str]:
    """The fields of a form; of a repeated one the first.

    Raises:
        RefusedError: 400 or 413; it has a NUL, which no name has, or is too large.
    """
    body = await read_body(request)
    fields: dict[str, str] = {}
    for name, value in parse_qsl(body.decode(errors="replace"), keep_blank_values=True):
        if "\0" in value:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"Error parsing '{name}' field", "it must not have a NUL")
        fields.setdefault(name, value)
    return fields


def go_to(path: str) -> Response:
    """An answer to an action: the page to look at now."""
    return RedirectResponse(path, status_code=HTTPStatus.SEE_OTHER, headers=HEADERS)


def safe_path(path: str, prefix: str) -> str:
    """The path, if it is one of our pages; otherwise that of the first page."""
    is_ours = path.startswith(f"{prefix}/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if is_ours else f"{prefix}/"


def _to_login(request: Request, prefix: str) -> Response:
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = f"{prefix}/login" + ("" if request.method == "POST" else f"?next={quote(wanted, safe='/')}")
    if request.headers.get("HX-Request"):
        # htmx would put the login into a part of the page.
        return RedirectResponse(target, headers={**HEADERS, "HX-Redirect": target}, status_code=HTTPStatus.NO_CONTENT)
    return go_to(target)


def _refusal(request: Request, error: Exception, prefix: str) -> Response:
    """A page that says what was refused, and why.

    Raises:
        Exception: the error itself, if nobody expected it.
    """
    services: Services = request.app.state.services
    redact = secrecy_of(services.catalogue().server.admin_token).text
    refused = refusal_of(error, redact)
    if refused is None:
        raise error
    values = {"prefix": prefix, "message": refused.message, "error": refused.error}
    answer = render("refused.html", values, status=refused.status)
    answer.headers.update(refused.headers or {})
    return answer
