"""dlt's client for one resource, which fails where a response would silently lose or duplicate rows.

By itself it reads no rows where a path leads nowhere, follows a repeated token for ever, reads only one page if it
recognises no paginator, and stops at an empty page whatever the total says.
"""

from __future__ import annotations

import copy
import hashlib
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus, urlsplit

from dlt.common import jsonpath
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import (
    BaseReferencePaginator,
    HeaderCursorPaginator,
    HeaderLinkPaginator,
    JSONLinkPaginator,
    JSONResponseCursorPaginator,
    PageNumberPaginator,
    RangePaginator,
    SinglePagePaginator,
)
from dlt.sources.rest_api.config_setup import PAGINATOR_MAP
from jsonpath_ng import Child, Fields, Root
from jsonpath_ng.ext.filter import Filter
from requests import Request

from app.connectors.sources.rest.addresses import mask_url
from app.connectors.sources.rest.answers import WHOLE, describe_missing, error_in, letters_of, outline, rows_beside
from app.connectors.sources.rest.following import sign_of_more, speaks_of_pages
from app.connectors.sources.rest.session import describe_response
from app.connectors.values import jsontext
from app.domain.errors import ConfigurationError, SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlt.sources.helpers.rest_client.client import PageData
    from dlt.sources.helpers.rest_client.paginators import BasePaginator
    from requests import PreparedRequest, Response

    from app.connectors.contract.passes import Log

_MOST_EMPTY_PAGES: Final = 100
# Where a total may count rows as well as pages.
_MOST_EMPTY_PAGES_OF_A_TOTAL: Final = 3
_IGNORE: Final = "if it means that there are no rows, declare that with 'response_actions'"
_DECLARE: Final = (
    "declare the resource's 'paginator' (one of json_link, header_link, header_cursor, cursor, page_number, offset), "
    "or 'paginator: single_page' if you want only one page"
)


class Client(RESTClient):
    """A copy of it reads the pages of one request, and requests each of them once."""

    _declared = False
    _guessed = False
    _selector = ""
    _is_one_object = False
    _requested: set[bytes]
    _outcome = ""
    _total: int | None = None
    _most = 0
    _elements = 0

    def __init__(self, *args: Any, log: Log, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._log = log

    def paginate(self, *args: Any, **kwargs: Any) -> Iterator[PageData[Any]]:
        one = copy.copy(self)
        one._declared = bool(kwargs.get("data_selector") or self.data_selector)  # noqa: SLF001 -- of this class
        one._requested = set()  # noqa: SLF001 -- likewise
        return one._pages(*args, **kwargs)  # noqa: SLF001 -- likewise

    def _pages(self, *args: Any, **kwargs: Any) -> Iterator[PageData[Any]]:
        full, before, sizes = 0, None, []
        for page in super().paginate(*args, **kwargs):
            # Including rows that a filter leaves out.
            sizes.append(max(len(page), self._elements))
            if isinstance(page.paginator, RangePaginator):
                self._pass_over_empty(page, page.paginator, sizes)
            elif isinstance(page.paginator, BaseReferencePaginator):
                self._end_at_nothing(page.paginator)
                if len(self._requested) == 1 and not page.paginator.has_next_page:
                    self._check_only_page(page, page.paginator)
            if page.paginator.has_next_page:
                self._check_next(page)
            full = full or len(page)
            # Rows without a key may repeat: a declared paginator continues, as does one at its last rows.
            is_sure = self._guessed and len(page) >= full > 0 and all(isinstance(row, dict) and row for row in page)
            digest = _digest(jsontext.encode(list(page))) if is_sure else None
            if digest and digest == before:
                raise ConfigurationError(
                    f"{self._outcome}, with the same rows as the previous page: the API seems to ignore the parameter "
                    f"that asks for the next page. {self._advice(page.paginator)}"
                )
            before = digest
            # It refers to the response and so to itself: the body would stay in memory until a garbage collection.
            del page.response.json
            yield page

    def _send_request(self, request: Request, **kwargs: Any) -> Response:
        self._requested.add(_fingerprint(request))
        return super()._send_request(request, **kwargs)

    def _check_next(self, page: PageData[Any]) -> None:
        """Raises `ConfigurationError` if the next page was read before."""
        if _fingerprint(page.request) not in self._requested:
            return
        token = getattr(page.paginator, "_next_reference", None)
        token_text = "" if token is None or "/" in str(token) else f" {jsontext.preview(token)}"
        raise ConfigurationError(
            f"{self._outcome}, but the next page{token_text} has already been read, so reading would never end: "
            f"{page.request.method} {mask_url(_address(page.request))}. {self._advice(page.paginator)}"
        )

    def _advice(self, paginator: BasePaginator) -> str:
        if self._guessed:
            return f"Its paginator, {_name_of(paginator)}, was guessed: {_DECLARE}"
        return f"Check the resource's 'paginator', which is {_name_of(paginator)}"

    def extract_response(self, response: Response, data_selector: jsonpath.TJsonPath) -> list[Any]:
        self._outcome = describe_response(response)
        document = response.json()
        path = jsonpath.compile_path(data_selector)
        wrong = describe_missing(path, document)
        self._selector = str(path).removeprefix("$.")
        self._is_one_object = _is_of_names(path) and isinstance(_first_value(path, document), dict)
        rows = [] if wrong else super().extract_response(response, path)
        self._elements = _count_unfiltered(path, document)
        request_words = _words(response.request)
        if error := error_in(document, rows, selector=str(path), declared=self._declared, request_words=request_words):
            raise SynclineError(
                f"{self._outcome}, but reports an error: {error}. If these are rows, declare the "
                f"resource's 'data_selector'; {_IGNORE}"
            )
        if wrong:
            wanted = f"'data_selector' {str(data_selector)!r}" if self._declared else f"{str(data_selector)!r}"
            first = len(self._requested) == 1
            raise (ConfigurationError if first else SynclineError)(
                f"{self._outcome}, but {wanted} {wrong}: {outline(document)}. Correct the path, or {_IGNORE}"
            )
        if not self._declared and (other := rows_beside(document, rows, selector=self._selector)):
            raise ConfigurationError(
                f"{self._outcome}, and {self._selector!r} would be read although {other!r} has elements, too: "
                f"declare the resource's 'data_selector', such as {other!r}"
            )
        return rows

    def detect_paginator(self, response: Response, data: Any) -> BasePaginator:
        self._guessed = True
        found = super().detect_paginator(response, data)
        if self._is_one_object and _is_of_row(found, self._selector):
            return SinglePagePaginator()
        if isinstance(found, SinglePagePaginator) and (sign := self._sign_of_more(response, len(data), counted=True)):
            raise ConfigurationError(
                f"{self._outcome} and says that more follows ({sign}), but dlt recognises no paginator in it, so only "
                f"one page would be read: {_DECLARE}"
            )
        return found

    def _check_only_page(self, page: PageData[Any], paginator: BaseReferencePaginator) -> None:
        """If the first page is the last, the path to the next may be wrong; many APIs leave it out there."""
        if not self._guessed and _has_reference(paginator, page.response):
            return
        if sign := self._sign_of_more(page.response, len(page), counted=self._guessed):
            raise ConfigurationError(
                f"{self._outcome} and says that more follows ({sign}), but the paginator {_name_of(paginator)} found "
                f"no next page, so only one page would be read: correct it, or {_DECLARE}"
            )

    def _sign_of_more(self, response: Response, count: int, *, counted: bool) -> str | None:
        """The sign that more follows; nothing follows an object that is the only row."""
        if self._is_one_object:
            return None
        count = max(count, self._elements)
        return sign_of_more(response.json(), response.headers, count, selector=self._selector, counted=counted)

    @staticmethod
    def _end_at_nothing(paginator: BaseReferencePaginator) -> None:
        """An empty string is not a reference, although dlt would follow it."""
        if paginator._next_reference == "":  # noqa: SLF001 -- dlt exposes it nowhere else
            paginator._next_reference = None  # noqa: SLF001 -- likewise

    def _pass_over_empty(self, page: PageData[Any], paginator: RangePaginator, sizes: list[int]) -> None:
        """Continues after a page without rows, where dlt stops, while the responses announce more."""
        document = page.response.json()
        total = _first_value(paginator.total_path, document)
        # An empty response may leave out the total.
        self._total = int(total) if str(total).isdecimal() else self._total
        self._most = max(self._most, self._total or 0)
        if page or paginator.has_next_page:
            return
        following = paginator.current_value + paginator.value_step
        last = paginator.maximum_value is not None and following >= paginator.maximum_value
        may_be_of_rows = isinstance(paginator, PageNumberPaginator) and not _is_of_pages(paginator)
        has_all = self._has_all(sizes) if may_be_of_rows else sum(sizes) == self._total and not _is_of_pages(paginator)
        counted = self._total is not None and not has_all and following < self._total + paginator.base_index
        is_said = str(_first_value(paginator.has_more_path, document)).lower() == "true"
        if last or not (counted or is_said):
            return
        # A total below the number of rows does not count rows.
        is_unclear = may_be_of_rows and not is_said and 0 < sum(sizes) <= self._most
        most = _MOST_EMPTY_PAGES_OF_A_TOTAL if is_unclear else _MOST_EMPTY_PAGES
        if len(sizes) > most and not any(sizes[-most:]):
            problem = f"{self._outcome}, without rows, like the {most - 1} pages before it"
            if is_unclear and len(sizes) * max(sizes) >= (self._total or 0):
                self._log("warn", f"{problem}: its total of {self._total} seems to count rows, not all of which came")
                return
            raise ConfigurationError(
                f"{problem}, although more are announced. Check the resource's 'paginator', which is "
                f"{_name_of(paginator)}: if its total means something else, set 'total_path: null'"
            )
        paginator.current_value = following
        paginator._has_next_page = True  # noqa: SLF001 -- dlt has no other way back
        paginator.update_request(page.request)

    def _has_all(self, sizes: list[int]) -> bool:
        """Whether all rows have come, if the total counts rows, as it often does where dlt expects pages.

        If some are hidden or were deleted meanwhile, there are as many pages with rows as the total would fill.
        """
        rows, total = sum(sizes), self._total or 0
        return rows == total or (rows <= self._most and total <= sum(map(bool, sizes)) * max(sizes))


def _has_reference(paginator: BaseReferencePaginator, response: Response) -> bool:
    """Whether the response has the field that the paginator reads, even null or empty: then nothing follows."""
    match paginator:
        case JSONLinkPaginator():
            return bool(paginator.next_url_path.find(response.json()))
        case JSONResponseCursorPaginator():
            return bool(paginator.cursor_path.find(response.json()))
        case HeaderLinkPaginator():
            return bool(response.links)
        case HeaderCursorPaginator():
            return paginator.cursor_key in response.headers
    return False


def _is_of_row(paginator: BasePaginator, selector: str) -> bool:
    """Whether a guessed paginator follows a field of the one object that is the row."""
    path = getattr(paginator, "next_url_path", None) or getattr(paginator, "cursor_path", None)
    field = str(path or "").removeprefix("$.")
    if selector != WHOLE:
        return field.startswith(f"{selector}.")
    return "." in field and not speaks_of_pages(field.partition(".")[0])


def _fingerprint(request: Request) -> bytes:
    """Equal for requests that are the same."""
    return _digest(repr((request.method, _address(request), request.json, request.data)))


def _words(request: PreparedRequest) -> set[str]:
    """The words of its path, parameters and body, in lower case."""
    address, body = urlsplit(request.url or ""), request.body or ""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    return set(re.split(r"[^\w.~-]+", f"{unquote_plus(f'{address.path} {address.query}')} {text}".lower()))


def _address(request: Request) -> str:
    return str(Request("GET", request.url, params=request.params).prepare().url)


def _first_value(path: Any, document: Any) -> Any:
    """The first value at `path`; None if there is none."""
    return next(iter(jsonpath.find_values(path, document)), None) if path is not None else None


def _count_unfiltered(path: Any, document: Any) -> int:
    """How many elements a path that ends in a filter selects from."""
    while isinstance(path, Child) and not isinstance(path.right, Filter):
        path = path.left
    if not isinstance(path, Child):
        return 0
    return sum(len(each) for each in jsonpath.find_values(path.left, document) if isinstance(each, list))


def _is_of_pages(paginator: RangePaginator) -> bool:
    """Whether the name of a paginator's total is that of a total of pages."""
    return "page" in letters_of(str(paginator.total_path).rpartition(".")[2])


def _is_of_names(path: Any) -> bool:
    """Whether it leads to a single value."""
    if isinstance(path, Child):
        return _is_of_names(path.left) and _is_of_names(path.right)
    return isinstance(path, Root) or (isinstance(path, Fields) and len(path.fields) == 1 and "*" not in path.fields)


def _name_of(paginator: BasePaginator) -> str:
    """Its name in a configuration."""
    return next((repr(name) for name, kind in PAGINATOR_MAP.items() if type(paginator) is kind), "unknown")


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
