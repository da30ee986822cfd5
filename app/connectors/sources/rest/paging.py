"""What the pages of one request have said so far, and whether the next may be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dlt.sources.helpers.rest_client.paginators import (
    BaseReferencePaginator,
    HeaderCursorPaginator,
    HeaderLinkPaginator,
    JSONLinkPaginator,
    JSONResponseCursorPaginator,
    OffsetPaginator,
    RangePaginator,
)
from dlt.sources.rest_api.config_setup import PAGINATOR_MAP

from app.connectors.sources.rest.addresses import mask_url
from app.connectors.sources.rest.announced import explain_missing
from app.connectors.sources.rest.following import sign_of_more
from app.connectors.sources.rest.limits import Limits
from app.connectors.sources.rest.repeats import Repeats
from app.connectors.sources.rest.requested import Requested, address
from app.connectors.sources.rest.totals import MOST_EMPTY_PAGES, Totals
from app.connectors.values import jsontext
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlt.sources.helpers.rest_client.client import PageData
    from dlt.sources.helpers.rest_client.paginators import BasePaginator
    from requests import Response

    from app.connectors.contract.passes import Log

DECLARE: Final = (
    "declare the resource's 'paginator' (one of json_link, header_link, header_cursor, cursor, page_number, offset), "
    "or 'paginator: single_page' if you want only one page"
)


class Paging:
    """`outcome` is the last request and its status, `selector` the path to its rows.

    `is_one_object` if that path leads to an object, which is the only row; `elements` counts rows before a filter.
    `counts_alike` if the API counts what the path selects: `orders[*].lines[*]` are others than its orders.
    """

    def __init__(self, key: Sequence[str], *, log: Log) -> None:
        self.requested = Requested()
        self.guessed = False
        self.outcome = ""
        self.selector = ""
        self.is_one_object = False
        self.elements = 0
        self.counts_alike = True
        self._log = log
        self._sizes: list[int] = []
        self._totals: Totals | None = None
        self._limits: Limits | None = None
        self._repeats = Repeats(key, log=log)

    @property
    def total(self) -> int | None:
        """The last total that a response had, if the paginator reads one."""
        return None if self._totals is None else self._totals.total

    def begin(self, paginator: BasePaginator) -> None:
        """Once, before `paginator` sees its first response."""
        explain_missing(paginator, self)
        if isinstance(paginator, RangePaginator):
            self._totals = Totals(paginator, _name_of(paginator), log=self._log)
            if isinstance(paginator, OffsetPaginator):
                self._limits = Limits(paginator, self._totals, log=self._log)

    def check(self, page: PageData[Any]) -> None:
        """Corrects where dlt would stop too early; raises `ConfigurationError` where it would read pages again."""
        # Including rows that a filter leaves out.
        self._sizes.append(max(len(page), self.elements))
        if self._totals:
            self._totals.check(page, self._sizes, self.outcome)
        if self._limits and self.counts_alike:
            self._limits.check(self._sizes, self.outcome)
        if isinstance(page.paginator, BaseReferencePaginator):
            self._check_reference(page, page.paginator)
        if page.paginator.has_next_page:
            self._check_next(page)
        self._check_rows(page)

    def sign_of_more(self, response: Response, count: int, *, counted: bool) -> str | None:
        """The sign that more follows; nothing follows an object that is the only row."""
        if self.is_one_object:
            return None
        count = max(count, self.elements)
        return sign_of_more(response.json(), response.headers, count, selector=self.selector, counted=counted)

    def _check_reference(self, page: PageData[Any], paginator: BaseReferencePaginator) -> None:
        # An empty string is not a reference, although dlt would follow it.
        if paginator._next_reference == "":  # noqa: SLF001 -- dlt exposes it nowhere else
            paginator._next_reference = None  # noqa: SLF001 -- likewise
        if paginator.has_next_page and len(self._sizes) > MOST_EMPTY_PAGES and not any(self._sizes[-MOST_EMPTY_PAGES:]):
            raise ConfigurationError(
                f"{self.outcome}, without rows, like the {MOST_EMPTY_PAGES - 1} pages before it, and there is a next "
                f"page again. {self._advice(paginator)}"
            )
        if len(self.requested) == 1 and not paginator.has_next_page:
            self._check_only_page(page, paginator)

    def _check_only_page(self, page: PageData[Any], paginator: BaseReferencePaginator) -> None:
        """If the first page is the last, the path to the next may be wrong; many APIs leave it out there."""
        if not self.guessed and _has_reference(paginator, page.response):
            return
        if sign := self.sign_of_more(page.response, len(page), counted=self.guessed):
            raise ConfigurationError(
                f"{self.outcome} and says that more follows ({sign}), but the paginator {_name_of(paginator)} found "
                f"no next page, so only one page would be read: correct it, or {DECLARE}"
            )

    def _check_next(self, page: PageData[Any]) -> None:
        if page.request not in self.requested:
            return
        token = getattr(page.paginator, "_next_reference", None)
        token_text = "" if token is None or "/" in str(token) else f" {jsontext.preview(token)}"
        raise ConfigurationError(
            f"{self.outcome}, but the next page{token_text} has already been read, so reading would never end: "
            f"{page.request.method} {mask_url(address(page.request))}. {self._advice(page.paginator)}"
        )

    def _check_rows(self, page: PageData[Any]) -> None:
        if problem := self._repeats.describe(page, self.outcome, guessed=self.guessed):
            raise ConfigurationError(
                f"{self.outcome}, {problem}: the API seems to ignore the parameter that asks for the next page. "
                f"{self._advice(page.paginator)}"
            )

    def _advice(self, paginator: BasePaginator) -> str:
        if self.guessed:
            return f"Its paginator, {_name_of(paginator)}, was guessed: {DECLARE}"
        return f"Check the resource's 'paginator', which is {_name_of(paginator)}"


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


def _name_of(paginator: BasePaginator) -> str:
    """Its name in a configuration."""
    return next((repr(name) for name, kind in PAGINATOR_MAP.items() if type(paginator) is kind), "unknown")
