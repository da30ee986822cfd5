"""Tokens, wherever a client put them, out of everything that is logged or answered."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from app.domain.api_token import RECOGNISED
from app.domain.redaction import REDACTED, Redactor

if TYPE_CHECKING:
    from collections.abc import Mapping

# More layers of percent-encoding than any proxy adds.
_LAYERS: Final = 4


class Secrecy:
    """Knows `token` in the forms that `Redactor` knows, and below several layers of percent-encoding.

    The tokens of the database it knows by their look, all of them and those that count no more.
    """

    def __init__(self, token: str) -> None:
        self._redactor = Redactor([token, repr(token)[1:-1]])

    def text(self, text: str) -> str:
        """`text` without the token; nothing of it is left where only a part that is encoded again holds it."""
        shown = self._redact(text)
        below = shown
        for _ in range(_LAYERS):
            if "%" not in below:
                break
            below = unquote(below)
            if self.is_in(below):
                return REDACTED
        return shown

    def fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a log line, and those within them."""
        return {name: self._value(value) for name, value in fields.items()}

    def is_in(self, text: str) -> bool:
        return self._redact(text) != text

    def _redact(self, text: str) -> str:
        return RECOGNISED.sub(REDACTED, self._redactor.redact(text))

    def _value(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case dict():
                return self.fields(value)
        return value


@lru_cache(maxsize=2)  # the token of now, and of the version of the configuration before
def secrecy_of(token: str) -> Secrecy:
    """The `Secrecy` of this token; making one takes longer than many a request."""
    return Secrecy(token)
