"""The HTTP session of an API: dlt's own, which tries again; each failed try is told, numbers are kept exactly."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from dlt.sources.helpers.requests import Client
from dlt.sources.helpers.requests.retry import DEFAULT_RETRY_EXCEPTIONS, DEFAULT_RETRY_STATUS
from dlt.sources.helpers.rest_client.redaction import sanitize_url

from app.connectors.dlt_runtime import REQUEST_ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
    from requests import PreparedRequest, Response, Session

    from app.connectors.passes import Log

_UNAUTHORIZED = 401


def session(tokens: Sequence[OAuth2ClientCredentials], *, log: Log, redact: Callable[[str], str]) -> Session:
    """429 and 5xx are tried again, after the seconds of `Retry-After` or longer and longer ones, within bounds.

    A 401 is tried once more with a new token where one of `tokens` had brought the old one.
    """
    watch = _Watch(tokens, log=log, redact=redact)
    # dlt asks no condition about what its own lists have already decided.
    made = Client(
        raise_for_status=False,
        status_codes=(),
        exceptions=(),
        request_max_attempts=REQUEST_ATTEMPTS,
        retry_condition=watch.tries_again,
    ).session
    made.send = partial(_sent, made.send)  # type: ignore[method-assign]
    return made


class _Watch:
    """Sees the end of every try."""

    def __init__(self, tokens: Sequence[OAuth2ClientCredentials], *, log: Log, redact: Callable[[str], str]) -> None:
        self._tokens = tokens
        self._log = log
        self._redact = redact
        self._renewed: PreparedRequest | None = None

    def tries_again(self, response: Response | None, error: BaseException | None) -> bool:
        """Whether another try may help."""
        if response is None:
            broken = isinstance(error, DEFAULT_RETRY_EXCEPTIONS)
            if broken:
                self._log("warn", self._redact(f"no answer: {type(error).__name__}: {error}"))
            return broken
        if response.status_code not in (_UNAUTHORIZED, *DEFAULT_RETRY_STATUS):
            return False
        self._log("warn", self._redact(_told(response)))
        return response.status_code != _UNAUTHORIZED or self._renew(response.request)

    def _renew(self, request: PreparedRequest) -> bool:
        """Puts a new token into `request`; False if there is none, or it has got one already."""
        sent = request.headers.get("Authorization")
        for each in self._tokens:
            if sent == f"Bearer {each.access_token}" and request is not self._renewed:
                self._renewed = request
                each.obtain_token()
                each(request)
                self._log("info", "the token was not accepted any more: a new one is there")
                return True
        return False


def _sent(send: Callable[..., Response], request: PreparedRequest, **options: Any) -> Response:
    response = send(request, **options)
    # Floats would change numbers of more than fifteen digits.
    response.json = partial(response.json, parse_float=Decimal, parse_constant=_refused)  # type: ignore[method-assign]
    return response


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"the answer has the number {constant}, which is not JSON")


def _told(response: Response) -> str:
    method, url = response.request.method, sanitize_url(response.url)
    wait = response.headers.get("Retry-After")
    later = f", Retry-After: {wait}" if wait else ""
    return f"{method} {url} was answered with {response.status_code} {response.reason}{later}"
