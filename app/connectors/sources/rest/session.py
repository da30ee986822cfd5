"""The HTTP session of an API: dlt's own, which retries; failed tries are logged and numbers stay exact."""

from __future__ import annotations

from decimal import Decimal
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urljoin

from dlt.sources.helpers.requests import Client
from dlt.sources.helpers.requests.retry import DEFAULT_RETRY_EXCEPTIONS, DEFAULT_RETRY_STATUS
from requests.exceptions import InvalidSchema, InvalidURL, JSONDecodeError, TooManyRedirects

from app.connectors.contract.reads import READS
from app.connectors.dlt.runtime import REQUEST_ATTEMPTS
from app.connectors.sources.rest.addresses import mask_url
from app.connectors.sources.rest.waits import LONGEST_PAUSE, is_long_wait
from app.connectors.values.repeats import check_names
from app.domain.errors import ConfigurationError, SynclineError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
    from requests import PreparedRequest, Response, Session

    from app.connectors.contract.passes import Log

_UNAUTHORIZED = 401
_WITHOUT_BODY: Final = {"GET", "HEAD"}
# Redirects after which the same request is sent, with its body.
_KEEPING_BODY: Final = {307, 308}
_OF_THE_BODY: Final = {"Content-Type", "Content-Length"}


def make_session(tokens: Sequence[OAuth2ClientCredentials], *, log: Log, redact: Callable[[str], str]) -> Session:
    """A session that retries 429 and 5xx after `Retry-After` or growing delays, up to `LONGEST_PAUSE`.

    It gives up at once if the API asks for a longer wait. A 401 is retried once with a new token if one of `tokens`
    provided the old one.
    """
    watch = _Watch(tokens, log=log, redact=redact)
    # dlt does not ask the condition where its own lists already decide.
    session = Client(
        raise_for_status=False,
        status_codes=(),
        exceptions=(),
        request_max_attempts=REQUEST_ATTEMPTS,
        request_max_retry_delay=LONGEST_PAUSE.total_seconds(),
        retry_condition=watch.tries_again,
    ).session
    session.send = partial(_send, session, session.send)  # type: ignore[method-assign]
    session.rebuild_auth = partial(_keep_credentials, session, session.rebuild_auth)  # type: ignore[method-assign]
    return session


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
                self._log("warn", self._redact(f"no response: {type(error).__name__}: {error}"))
            return broken
        if error is not None:
            # Nobody reads the body of what was refused, and its connection would stay open until then.
            response.close()
        if response.status_code not in (_UNAUTHORIZED, *DEFAULT_RETRY_STATUS):
            return False
        self._log("warn", self._redact(_describe_failure(response)))
        if is_long_wait(response):
            return False
        return response.status_code != _UNAUTHORIZED or self._renew(response.request)

    def _renew(self, request: PreparedRequest) -> bool:
        """Puts a new token into `request`; False if there is none, or it already has a new one."""
        sent = request.headers.get("Authorization")
        for each in self._tokens:
            if sent == f"Bearer {each.access_token}" and request is not self._renewed:
                self._renewed = request
                each.obtain_token()
                each(request)
                self._log("info", "the token was no longer accepted; got a new one")
                return True
        return False


def _send(
    session: Session,
    attempt: Callable[..., Response],
    request: PreparedRequest,
    *,
    allow_redirects: bool = True,
    **options: Any,
) -> Response:
    """Follows redirects itself: `attempt` would try all of them again if the last of them fails."""
    response = attempt(request, allow_redirects=False, **options)
    READS.note()
    if not allow_redirects:
        # From requests, for the next redirect.
        return response
    response = _follow(session, response, request, options)
    # Parse once: dlt calls it at each step.
    response.json = cache(partial(_parse_json, response, response.json))  # type: ignore[method-assign]
    return response


def _follow(session: Session, response: Response, request: PreparedRequest, options: dict[str, Any]) -> Response:
    """The response at the end of redirects, with those before it as its history."""
    history: list[Response] = []
    following = session.resolve_redirects(response, request, **options)
    while response.is_redirect:
        if request.method not in _WITHOUT_BODY and response.status_code not in _KEEPING_BODY:
            raise ConfigurationError(
                f"{describe_response(response)}, a redirect to {_target(response)} that would not be sent the "
                f"{request.method} request's body. Set 'base_url' or the resource's 'path' to that address"
            )
        history.append(response)
        try:
            response = next(following)
        except TooManyRedirects:
            raise SynclineError(
                f"{describe_response(history[0])} and redirects without an end, last to {_target(response)}. "
                "Check 'base_url', the resource's 'path' and 'auth'"
            ) from None
        except (InvalidSchema, InvalidURL):
            raise SynclineError(
                f"{describe_response(response)}, a redirect to {_target(response)}, which is no address of an API. "
                "Check 'base_url' and the resource's 'path'"
            ) from None
    response.history = history
    return response


def _target(response: Response) -> str:
    return mask_url(urljoin(response.url, response.headers["Location"]))


def _keep_credentials(
    session: Session, rebuild: Callable[..., None], request: PreparedRequest, response: Response
) -> None:
    """Sends another server only the headers of every request: requests itself removes only `Authorization`."""
    if session.should_strip_auth(str(response.request.url), str(request.url)):
        for name in set(request.headers) - _OF_THE_BODY:
            if name not in session.headers:
                del request.headers[name]
    rebuild(request, response)


def _parse_json(response: Response, parse: Callable[..., Any]) -> Any:
    try:
        # Floats would change numbers with more than fifteen digits.
        parsed = parse(parse_float=Decimal, parse_constant=_refuse_constant)
        check_names(response.content.decode(errors="replace"), parsed)
    except JSONDecodeError as error:
        kind = response.headers.get("Content-Type", "none")
        wrong = f"its body is not valid JSON: {error}" if response.content else "its body is empty"
        advice = f"declare that with 'response_actions': [{{status_code: {response.status_code}, action: ignore}}]"
        raise SynclineError(
            f"{describe_response(response)}, but {wrong} (Content-Type: {kind}). If it means that there are no rows, "
            f"{advice}"
        ) from None
    except (ValueError, RecursionError) as error:
        wrong = "its JSON is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise SynclineError(f"{describe_response(response)}, but {wrong}") from None
    return parsed


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"its body has the number {constant}, which is not valid JSON")


def describe_response(response: Response) -> str:
    """The request, where it was redirected to, and its status, for a message."""
    first = response.history[0] if response.history else response
    redirected = f", redirected to {mask_url(response.url)}," if response.history else ""
    asked = f"{first.request.method} {mask_url(first.url)}{redirected}"
    return f"{asked} returned {response.status_code} {response.reason}"


def _describe_failure(response: Response) -> str:
    wait = response.headers.get("Retry-After")
    return describe_response(response) + (f", Retry-After: {wait}" if wait else "")
