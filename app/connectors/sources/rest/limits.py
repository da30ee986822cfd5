"""Pages of another size than the `limit` by which their offsets go on: rows are passed over, or come again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.connectors.sources.rest.totals import OTHERWISE
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from dlt.sources.helpers.rest_client.paginators import OffsetPaginator

    from app.connectors.contract.passes import Log
    from app.connectors.sources.rest.totals import Totals

_FIRST: Final = 1  # where APIs begin that do not count from zero


class Limits:
    """Compares the `sizes` of one request's pages with the paginator's `limit`, and their sum with the total."""

    def __init__(self, paginator: OffsetPaginator, totals: Totals, *, log: Log) -> None:
        self._paginator = paginator
        self._totals = totals
        self._log = log
        self._short: int | None = None
        self._warned = False

    def check(self, sizes: list[int], outcome: str) -> None:
        """Raises `ConfigurationError` where offsets would leave out rows that are announced, or repeat rows."""
        size, limit = sizes[-1], self._paginator.limit
        if size > limit > 0:
            self._check_surplus(sizes, outcome)
        if self._short is not None and size:
            self._tell_gap(self._short, f"{outcome}, after a page")
        if size < limit:
            self._short = self._short or size
            if size and len(sizes) == 1 and (self._totals.more_is_said or self._missing(sizes) > 0):
                self._tell_gap(size, outcome)
        if not self._paginator.has_next_page and self._missing(sizes) > 0 and not self._ends_as_configured():
            self._tell_missing(sizes, outcome)

    def _check_surplus(self, sizes: list[int], outcome: str) -> None:
        if self._totals.total is not None and self._missing(sizes) <= 0:
            self._paginator._has_next_page = False  # noqa: SLF001 -- dlt has no other way
        if self._paginator.has_next_page:
            raise ConfigurationError(
                f"{outcome}, with {sizes[-1]} rows although the paginator's 'limit' is {self._paginator.limit}: the "
                f"next page would begin with rows of this one. Correct 'limit_param' or 'limit'"
            )

    def _tell_gap(self, size: int, where: str) -> None:
        """A short page with rows after it: an API that returns at most so many, or one that hides rows."""
        gap = (
            f"{where} with {size} rows although the paginator's 'limit' is {self._paginator.limit} and more follow: "
            "rows between the pages are left out"
        )
        advice = f". Set 'limit: {size}' if the API returns at most so many" if size else ""
        if size and (self._totals.total is not None or self._paginator.has_more_path is not None):
            raise ConfigurationError(f"{gap}{advice}. If it hides rows, set 'total_path: null' and no 'has_more_path'")
        # A total shows in the end what an empty page has left out.
        if not self._warned and self._totals.total is None:
            self._log("warn", gap + advice)
            self._warned = True

    def _tell_missing(self, sizes: list[int], outcome: str) -> None:
        if not any(sizes):
            raise ConfigurationError(
                f"{outcome}, without rows, although its total is {self._totals.total}. {OTHERWISE}"
            )
        self._totals.warn_of_missing(sum(sizes), outcome)

    def _missing(self, sizes: list[int]) -> int:
        """How many rows of the total have not come; 0 if there is no total."""
        begin = self._paginator.initial_value
        passed_over = begin if begin > _FIRST else 0
        return 0 if self._totals.total is None else self._totals.total - passed_over - sum(sizes)

    def _ends_as_configured(self) -> bool:
        most = self._paginator.maximum_value
        return most is not None and self._paginator.current_value + self._paginator.value_step >= most
