"""Totals and `has_more` that a paginator misses: dlt's own errors quote the whole response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator, RangePaginator

from app.connectors.sources.rest.addresses import describe_value
from app.connectors.sources.rest.answers import describe_missing, outline
from app.domain.errors import ConfigurationError, SynclineError

if TYPE_CHECKING:
    from dlt.sources.helpers.rest_client.paginators import BasePaginator

    from app.connectors.sources.rest.requested import Requested


class Known(Protocol):
    """What is known of the responses so far."""

    outcome: str
    requested: Requested

    @property
    def total(self) -> int | None: ...


def explain_missing(paginator: BasePaginator, known: Known) -> None:
    """Has `paginator` say what is missing, and go on where a response leaves out a total that an earlier one had."""
    if isinstance(paginator, RangePaginator | JSONResponseCursorPaginator):
        explainer = _Explainer(paginator, known)
        vars(paginator).update(
            _handle_missing_has_more=explainer.miss_has_more, _handle_invalid_has_more=explainer.refuse_has_more
        )
        if isinstance(paginator, RangePaginator):
            vars(paginator).update(
                _handle_missing_total=explainer.miss_total, _handle_invalid_total=explainer.refuse_total
            )


class _Explainer:
    def __init__(self, paginator: RangePaginator | JSONResponseCursorPaginator, known: Known) -> None:
        self._paginator = paginator
        self._known = known

    def miss_total(self, document: Any) -> None:
        if self._known.total is None:
            self._refuse("total_path", document, "if the API has no total, set 'total_path: null'")

    def refuse_total(self, total: Any) -> None:
        if total is not None:
            self._refuse_value("total_path", total, "a number")

    def miss_has_more(self, document: Any) -> None:
        self._refuse("has_more_path", document, "remove 'has_more_path'")

    def refuse_has_more(self, value: Any) -> None:
        self._refuse_value("has_more_path", value, "true or false")

    def _refuse(self, option: str, document: Any, otherwise: str) -> NoReturn:
        path = getattr(self._paginator, option)
        # What only a later response lacks may be there at the next try.
        kind = ConfigurationError if len(self._known.requested) == 1 else SynclineError
        raise kind(
            f"{self._known.outcome}, but the paginator's {option!r} '{_written(path)}' "
            f"{describe_missing(path, document) or 'is null'}: {outline(document)}. Correct the path, or {otherwise}"
        )

    def _refuse_value(self, option: str, value: Any, wanted: str) -> NoReturn:
        raise ConfigurationError(
            f"{self._known.outcome}, but the paginator's {option!r} '{_written(getattr(self._paginator, option))}' "
            f"leads to {describe_value(value)}, which is not {wanted}. Correct the path"
        )


def _written(path: Any) -> str:
    return str(path).removeprefix("$.")
