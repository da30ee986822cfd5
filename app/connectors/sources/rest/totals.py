"""The end of pages that are numbered or counted: where dlt stops at an empty page, a total may announce more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator

from app.connectors.sources.rest.answers import letters_of
from app.connectors.sources.rest.paths import first_value
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from dlt.sources.helpers.rest_client.client import PageData
    from dlt.sources.helpers.rest_client.paginators import RangePaginator

    from app.connectors.contract.passes import Log

_MOST_EMPTY_PAGES: Final = 100
# Where a total may count rows as well as pages.
_MOST_EMPTY_PAGES_OF_A_TOTAL: Final = 3


class Totals:
    """What the responses to one request announce, and the `sizes` of its pages."""

    def __init__(self, paginator: RangePaginator, name: str, *, log: Log) -> None:
        self._paginator = paginator
        self._name = name
        self._log = log
        self._total: int | None = None
        self._most = 0

    def pass_over_empty(self, page: PageData[Any], sizes: list[int], outcome: str) -> None:
        """Continues after a page without rows, where dlt stops, while the responses announce more."""
        paginator, document = self._paginator, page.response.json()
        total = first_value(paginator.total_path, document)
        # An empty response may leave out the total.
        self._total = int(total) if str(total).isdecimal() else self._total
        self._most = max(self._most, self._total or 0)
        if page or paginator.has_next_page:
            return
        following = paginator.current_value + paginator.value_step
        last = paginator.maximum_value is not None and following >= paginator.maximum_value
        may_be_of_rows = isinstance(paginator, PageNumberPaginator) and not self._is_of_pages()
        has_all = self._has_all(sizes) if may_be_of_rows else sum(sizes) == self._total and not self._is_of_pages()
        counted = self._total is not None and not has_all and following < self._total + paginator.base_index
        is_said = str(first_value(paginator.has_more_path, document)).lower() == "true"
        if last or not (counted or is_said):
            return
        # A total below the number of rows does not count rows.
        is_unclear = may_be_of_rows and not is_said and 0 < sum(sizes) <= self._most
        most = _MOST_EMPTY_PAGES_OF_A_TOTAL if is_unclear else _MOST_EMPTY_PAGES
        if len(sizes) > most and not any(sizes[-most:]):
            problem = f"{outcome}, without rows, like the {most - 1} pages before it"
            if is_unclear and len(sizes) * max(sizes) >= (self._total or 0):
                self._log("warn", f"{problem}: its total of {self._total} seems to count rows, not all of which came")
                return
            raise ConfigurationError(
                f"{problem}, although more are announced. Check the resource's 'paginator', which is "
                f"{self._name}: if its total means something else, set 'total_path: null'"
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

    def _is_of_pages(self) -> bool:
        """Whether the name of the paginator's total is that of a total of pages."""
        return "page" in letters_of(str(self._paginator.total_path).rpartition(".")[2])
