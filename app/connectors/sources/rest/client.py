"""dlt's client for one resource, which fails where a response would silently lose or duplicate rows.

By itself it reads no rows where a path leads nowhere, follows a repeated token for ever, reads only one page if it
recognises no paginator, and stops at an empty page whatever the total says.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus, urlsplit

from dlt.common import jsonpath
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import SinglePagePaginator

from app.connectors.sources.rest.answers import WHOLE, describe_missing, error_in, outline, rows_beside
from app.connectors.sources.rest.following import speaks_of_pages
from app.connectors.sources.rest.paging import DECLARE, Paging
from app.connectors.sources.rest.paths import count_unfiltered, first_value, is_of_names, is_of_one_list, with_filter
from app.connectors.sources.rest.session import describe_response
from app.connectors.sources.rest.shapes import describe_mixture, describe_scalar, describe_wait
from app.domain.errors import ConfigurationError, SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlt.sources.helpers.rest_client.client import PageData
    from dlt.sources.helpers.rest_client.paginators import BasePaginator
    from requests import PreparedRequest, Request, Response

    from app.connectors.contract.passes import Log

_IGNORE: Final = "if it means that there are no rows, declare that with 'response_actions'"


class Client(RESTClient):
    """A copy of it, with a `Paging` of its own, reads the pages of one request; `key` identifies its rows, if known."""

    _paging: Paging
    _declared: bool

    def __init__(self, *args: Any, log: Log, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.key: Sequence[str] = ()
        self._log = log

    def paginate(self, *args: Any, **kwargs: Any) -> Iterator[PageData[Any]]:
        return copy.copy(self).read_pages(*args, **kwargs)

    def read_pages(self, *args: Any, **kwargs: Any) -> Iterator[PageData[Any]]:
        """Only for `paginate`, which dlt calls, also in several threads."""
        self._declared = bool(kwargs.get("data_selector") or self.data_selector)
        self._paging = Paging(self.key, log=self._log)
        if paginator := kwargs.get("paginator") or copy.deepcopy(self.paginator):
            self._paging.begin(paginator)
        for page in super().paginate(*args, **kwargs | {"paginator": paginator}):
            self._paging.check(page)
            # It refers to the response and so to itself: the body would stay in memory until a garbage collection.
            del page.response.json
            yield page

    def _send_request(self, request: Request, **kwargs: Any) -> Response:
        self._paging.requested.add(request)
        return super()._send_request(request, **kwargs)

    def extract_response(self, response: Response, data_selector: jsonpath.TJsonPath) -> list[Any]:
        path, document = jsonpath.compile_path(data_selector), response.json()
        wrong = describe_missing(path, document) or describe_scalar(path, document)
        rows = [] if wrong else super().extract_response(response, path)
        self._note(path, response)
        self._refuse_other_answers(path, response, rows)
        if wrong:
            # A word in the place of rows may be another at the next try.
            first = len(self._paging.requested) == 1 and not describe_scalar(path, document)
            raise (ConfigurationError if first else SynclineError)(
                f"{self._paging.outcome}, but {self._wanted(data_selector)} {wrong}: {outline(document)}. Correct the "
                f"path, or {_IGNORE}"
            )
        if mixed := describe_mixture(rows):
            raise SynclineError(
                f"{self._paging.outcome}, but {self._wanted(data_selector)} leads to {mixed}. Correct the path, or "
                f"leave out what is not a row, for example with '{with_filter(path)}'"
            )
        if not self._declared and (other := rows_beside(document, rows, selector=self._paging.selector)):
            raise ConfigurationError(
                f"{self._paging.outcome}, and {self._paging.selector!r} would be read although {other!r} has elements, "
                f"too: declare the resource's 'data_selector', such as {other!r}"
            )
        return rows

    def _note(self, path: Any, response: Response) -> None:
        """What the response is, and how its rows are chosen."""
        paging, document = self._paging, response.json()
        paging.outcome = describe_response(response)
        paging.selector = str(path).removeprefix("$.")
        paging.is_one_object = is_of_names(path) and isinstance(first_value(path, document), dict)
        paging.elements = count_unfiltered(path, document)
        paging.counts_alike = is_of_one_list(path, document)

    def _refuse_other_answers(self, path: Any, response: Response, rows: list[Any]) -> None:
        """Raises `SynclineError` if the response reports an error, or that it has no rows yet."""
        document, words = response.json(), _words(response.request)
        otherwise = f"If these are rows, declare the resource's 'data_selector'; {_IGNORE}"
        if error := error_in(document, rows, selector=str(path), declared=self._declared, request_words=words):
            raise SynclineError(f"{self._paging.outcome}, but reports an error: {error}. {otherwise}")
        if wait := describe_wait(document, rows, response.status_code, declared=self._declared, request_words=words):
            raise SynclineError(f"{self._paging.outcome}, but its rows are not ready: {wait}. {otherwise}")

    def _wanted(self, data_selector: jsonpath.TJsonPath) -> str:
        return "'data_selector' " * self._declared + repr(str(data_selector))

    def detect_paginator(self, response: Response, data: Any) -> BasePaginator:
        paging = self._paging
        paging.guessed = True
        found = super().detect_paginator(response, data)
        if paging.is_one_object and _is_of_row(found, paging.selector):
            return SinglePagePaginator()
        if isinstance(found, SinglePagePaginator) and (sign := paging.sign_of_more(response, len(data), counted=True)):
            raise ConfigurationError(
                f"{paging.outcome} and says that more follows ({sign}), but dlt recognises no paginator in it, so only "
                f"one page would be read: {DECLARE}"
            )
        paging.begin(found)
        return found


def _is_of_row(paginator: BasePaginator, selector: str) -> bool:
    """Whether a guessed paginator follows a field of the one object that is the row."""
    path = getattr(paginator, "next_url_path", None) or getattr(paginator, "cursor_path", None)
    field = str(path or "").removeprefix("$.")
    if selector != WHOLE:
        return field.startswith(f"{selector}.")
    return "." in field and not speaks_of_pages(field.partition(".")[0])


def _words(request: PreparedRequest) -> set[str]:
    """The words of its path, parameters and body, in lower case."""
    address, body = urlsplit(request.url or ""), request.body or ""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    return set(re.split(r"[^\w.~-]+", f"{unquote_plus(f'{address.path} {address.query}')} {text}".lower()))
