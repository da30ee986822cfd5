"""dlt's incremental with cursor values compared by meaning: dlt compares strings, and drops those that are less.

A `Lookback` takes the place of dlt's `lag`, which is in days or seconds as the initial value happens to be written, and
knows fewer forms of times.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dlt.extract.incremental import lag as dlt_lag
from dlt.extract.incremental.exceptions import IncrementalCursorInvalidCoercion
from dlt.extract.incremental.transform import JsonIncremental

from app.connectors.values import jsontext
from app.connectors.values.cursors import CursorText, UnorderedError
from app.connectors.values.lookback import earlier
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable


class Lookback(float):
    """Seconds to begin before the last value."""


def apply_lag(  # noqa: PLR0917 -- as dlt calls it
    lag: float | None, last_value_func: Callable[[Any], Any], initial_value: Any, end_value: Any, last_value: Any,
    resource_name: str | None = None, cursor_type: type[Any] | None = None,
) -> Any:  # fmt: skip
    """The value to begin at; in place of dlt's function, with its parameters."""
    if not isinstance(lag, Lookback):
        return dlt_lag.apply_lag_with_suppression(
            lag, last_value_func, initial_value, end_value, last_value, resource_name, cursor_type
        )
    if last_value is None or last_value == initial_value or end_value is not None:
        return last_value
    try:
        begin = earlier(last_value, timedelta(seconds=lag if last_value_func is max else -lag))
    except ValueError:
        raise ConfigurationError(
            f"resource {resource_name!r}: a 'lookback' needs times or dates, but the cursor has the value "
            f"{jsontext.preview(last_value)}: remove 'lookback', or set dlt's 'lag' in the resource's 'incremental'"
        ) from None
    return initial_value if begin is None or _is_before(begin, initial_value, last_value_func) else begin


def _is_before(begin: Any, initial_value: Any, last_value_func: Callable[[Any], Any]) -> bool:
    """Whether everything from `initial_value` on comes after `begin`, as far as that is clear."""
    with suppress(UnorderedError, TypeError):
        values = [CursorText(each) if isinstance(each, str) else each for each in (initial_value, begin)]
        return initial_value is not None and bool(last_value_func(values) == values[0])
    return False


class Incremental(JsonIncremental):
    """Compares by meaning, and keeps the strings themselves as its state."""

    def find_cursor_value(self, row: Any) -> Any:
        value = super().find_cursor_value(row)
        return CursorText(value) if type(value) is str else value

    @property
    def last_value(self) -> Any:
        return self._last_value

    @last_value.setter
    def last_value(self, value: Any) -> None:
        self._last_value = str(value) if isinstance(value, CursorText) else value

    def __call__(self, row: Any) -> tuple[Any, bool, bool]:
        try:
            return super().__call__(row)
        except IncrementalCursorInvalidCoercion as error:
            why = (
                str(error.__cause__)
                if isinstance(error.__cause__, UnorderedError)
                else "some are strings and some are not"
            )
            raise ConfigurationError(
                f"resource {self.resource_name!r}: the values of its incremental's cursor_path {self.cursor_path!r} "
                f"cannot be ordered: {why}. Choose a field that has one type in all rows"
            ) from None
