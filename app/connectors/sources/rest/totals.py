"""What responses announce where pages are numbered or counted: dlt stops at an empty page whatever that is."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator

from app.connectors.sources.rest.answers import letters_of
from app.connectors.sources.rest.paths import first_value
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from dlt.sources.helpers.rest_client.client import PageData
    from dlt.sources.helpers.rest_client.paginators import RangePaginator

    from app.connectors.contract.passes import Log

MOST_EMPTY_PAGES: Final = 100
# Where a total may count rows as well as pages.
_MOST_EMPTY_PAGES_OF_A_TOTAL: Final = 3
OTHERWISE: Final = "If its total means something else, set 'total_path: null'"


class Totals:
    """The last `total` of one request's responses; `more_is_said` if the last response itself says that more follows.

    `sizes` are those of the pages so far, and `outcome` is the last request and its status.
    """

    def __init__(self, paginator: RangePaginator, name: str, *, log: Log) -> None:
        self.total: int | None = None
        self.more_is_said = False
        self._paginator = paginator
        self._name = name
        self._log = log
        self._most = 0

    def check(self, page: PageData[Any], sizes: list[int], outcome: str) -> None:
        self._read(page)
        if not page and not self._paginator.has_next_page:
            self._pass_over_empty(page, sizes, outcome)
        if isinstance(self._paginator, PageNumberPaginator) and self._counts_pages(sizes):
            self._check_base_page(page, sizes, outcome)

    def _read(self, page: PageData[Any]) -> None:
        paginator, document = self._paginator, page.response.json()
        total = _number(first_value(paginator.total_path, document))
        if total is not None:
            self.total = total
            self._most = max(self._most, total)
        elif self.total is not None and paginator.current_value >= self.total + paginator.base_index:
            # Later responses may leave out the total; dlt would go on.
            paginator._has_next_page = False  # noqa: SLF001 -- dlt has no other way
        self.more_is_said = str(first_value(paginator.has_more_path, document)).lower() == "true"

    def _pass_over_empty(self, page: PageData[Any], sizes: list[int], outcome: str) -> None:
        """Continues after a page without rows, where dlt stops, while the responses announce more."""
        paginator = self._paginator
        following = paginator.current_value + paginator.value_step
        last = paginator.maximum_value is not None and following >= paginator.maximum_value
        may_be_of_rows = isinstance(paginator, PageNumberPaginator) and not self._is_of_pages()
        has_all = self._has_all(sizes) if may_be_of_rows else sum(sizes) == self.total and not self._is_of_pages()
        announced = self.total is not None and following < self.total + paginator.base_index
        if last or not ((announced and not has_all) or self.more_is_said):
            if announced and may_be_of_rows and not last:
                self.warn_of_missing(sum(sizes), outcome)
            return
        # A total below the number of rows does not count rows.
        is_unclear = may_be_of_rows and not self.more_is_said and 0 < sum(sizes) <= self._most
        most = _MOST_EMPTY_PAGES_OF_A_TOTAL if is_unclear else MOST_EMPTY_PAGES
        if len(sizes) > most and not any(sizes[-most:]):
            problem = f"{outcome}, without rows, like the {most - 1} pages before it"
            if is_unclear and len(sizes) * max(sizes) >= (self.total or 0):
                self._log("warn", f"{problem}: its total of {self.total} seems to count rows, not all of which came")
                return
            raise ConfigurationError(
                f"{problem}, although more are announced. Check the resource's 'paginator', which is {self._name}. "
                f"{OTHERWISE}"
            )
        paginator.current_value = following
        paginator._has_next_page = True  # noqa: SLF001 -- dlt has no other way back
        paginator.update_request(page.request)

    def warn_of_missing(self, rows: int, outcome: str) -> None:
        """At the end of the pages: rows may be hidden, or deleted meanwhile."""
        if self.total is not None and rows < self.total:
            self._log("warn", f"{outcome}, the last page: {rows} of its total of {self.total} rows came. {OTHERWISE}")

    def _check_base_page(self, page: PageData[Any], sizes: list[int], outcome: str) -> None:
        """An API that counts pages from another number leaves one end of them empty, and the other unread."""
        base, last = self._paginator.base_index, len(sizes) == self.total
        advice = f"set 'base_page: {1 - base}' if the API counts pages from {1 - base}. {OTHERWISE}"
        if base == 1 and last and not page and any(sizes) and not self._paginator.has_next_page:
            raise ConfigurationError(
                f"{outcome}, without rows, although it is the last of a total of {self.total} pages: {advice}"
            )
        if base == 0 and page and len(sizes) > 1 and not any(sizes[:-1]):
            raise ConfigurationError(f"{outcome}, with rows, although page 0 has none: {advice}")

    def _counts_pages(self, sizes: list[int]) -> bool:
        begins = self._paginator.initial_value == self._paginator.base_index
        return begins and self.total is not None and (self._is_of_pages() or sum(sizes) > self._most)

    def _has_all(self, sizes: list[int]) -> bool:
        """Whether all rows have come, if the total counts rows, as it often does where dlt expects pages.

        If some are hidden or were deleted meanwhile, there are as many pages with rows as the total would fill.
        """
        rows, total = sum(sizes), self.total or 0
        return rows == total or (rows <= self._most and total <= sum(map(bool, sizes)) * max(sizes))

    def _is_of_pages(self) -> bool:
        """Whether the name of the paginator's total is that of a total of pages."""
        return "page" in letters_of(str(self._paginator.total_path).rpartition(".")[2])


def _number(value: Any) -> int | None:
    """As dlt reads a total."""
    with suppress(TypeError, ValueError):
        return int(value)
    return None
