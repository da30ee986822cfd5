"""dlt's incremental with cursor values compared by meaning: dlt compares strings, and drops those that are less."""

from __future__ import annotations

from typing import Any

from dlt.extract.incremental.exceptions import IncrementalCursorInvalidCoercion
from dlt.extract.incremental.transform import JsonIncremental

from app.connectors.values.cursors import CursorText, UnorderedError
from app.domain.errors import ConfigurationError


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
