"""Requests to the API, with errors that say what to do."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx
import orjson

from app.client.address import BASE
from app.domain.errors import ApiRefusalError, ApiUnreachableError, ConfigurationError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from app.client.address import ApiAddress

_SECONDS: Final = 60.0
_CONNECT_SECONDS: Final = 10.0
_DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_READINESS: Final = "/readyz"
# Of the API while its database is away, and of proxies before it.
_AWAY: Final = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})


class Answer(NamedTuple):
    """`document` is None for a 304."""

    status: int
    document: Any
    etag: str = ""


class Api:
    """The API at an address. Paths are those below `/api/v1`; parameters that are None are left out."""

    def __init__(self, address: ApiAddress) -> None:
        self.address = address
        # The user's own proxy cannot reach a server on this machine.
        self._http = httpx.Client(
            base_url=f"{address.url}{BASE}",
            headers={"X-Admin-Token": address.token, "Accept": "application/json"},
            timeout=httpx.Timeout(_SECONDS, connect=_CONNECT_SECONDS),
            trust_env=address.dev is None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """The document at a path; raises what `request` raises."""
        return self.request("GET", path, parameters).document

    def post(self, path: str, body: Any = None, **parameters: Any) -> Answer:
        """Post a document, or parameters alone; raises what `request` raises."""
        return self.request("POST", path, parameters, body=body)

    def request(self, method: str, path: str, parameters: Any = None, *, body: Any = None, etag: str = "") -> Answer:
        """Send a request; with an `etag`, the answer may be that nothing has changed.

        Raises:
            ApiUnreachableError: nobody answers, or it cannot do so at the moment.
            ApiRefusalError: it refuses what was asked for, with its own words.
            ConfigurationError: the token is not valid or does not allow this, or it is not Syncline that answers.
        """
        given = {name: _text(value) for name, value in (parameters or {}).items() if value is not None}
        headers = {"If-None-Match": etag} if etag else {}
        answer = self._send(method, path, params=given, json=body, headers=headers)
        if answer.status_code == HTTPStatus.NOT_MODIFIED:
            return Answer(answer.status_code, None, etag)
        document = _document(answer)
        if answer.is_success and document is not None:
            return Answer(answer.status_code, document, answer.headers.get("ETag", ""))
        raise self._error(answer, document)

    def find_pages(self) -> str | None:
        """The address of the pages for people, without what that of the API may have of a login; None if it has none.

        Raises:
            ApiUnreachableError: nobody answers.
            ConfigurationError: it is not Syncline that answers.
        """
        answer = self._send("GET", f"{self.address.url}{_READINESS}")
        document = _document(answer)
        if not isinstance(document, dict) or "status" not in document:
            raise self._error(answer, document)
        path = document.get("pages")
        return str(self._url.copy_with(path=path)) if isinstance(path, str) else None

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ApiUnreachableError(f"{self.name} does not answer: {error or type(error).__name__}") from error

    def _error(self, answer: httpx.Response, document: Any) -> Exception:
        status = answer.status_code
        if isinstance(document, dict) and "message" in document:
            text = ": ".join(str(document[key]) for key in ("message", "error") if document.get(key))
            if status in _DENIED:
                return ConfigurationError(f"{self.name} refuses the token: {text}")
            return ApiUnreachableError(text) if status in _AWAY else ApiRefusalError(text, status)
        if status in _AWAY:
            return ApiUnreachableError(f"{self.name} answers {status} {answer.reason_phrase}")
        what = f"{status} {answer.reason_phrase}, {answer.headers.get('Content-Type', 'no Content-Type')}"
        return ConfigurationError(f"{self.name} is not Syncline's API ({what}): check SYNCLINE_URL")

    @property
    def _url(self) -> httpx.URL:
        """Without what a URL may have of a login."""
        return httpx.URL(self.address.url).copy_with(userinfo=b"")

    @property
    def name(self) -> str:
        """What answers, for messages."""
        return f"the 'syncline dev' on {self.address.dev} ({self._url})" if self.address.dev else str(self._url)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _document(answer: httpx.Response) -> Any:
    """The JSON of an answer; None if it has none."""
    if "json" not in answer.headers.get("Content-Type", ""):
        return None
    try:
        return orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return None
