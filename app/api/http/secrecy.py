"""Keeps tokens, wherever a client put them, out of logs and answers."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from app.domain.api_token import TOKEN_IN_TEXT
from app.domain.redaction import REDACTED, Redactor

if TYPE_CHECKING:
    from collections.abc import Mapping

# More layers of percent-encoding than any proxy adds.
_LAYERS: Final = 4


class Secrecy:
    """Recognises `token` in all forms that `Redactor` knows, and under several layers of percent-encoding.

    Tokens of the database are recognised by their format, whether they are valid or not.
    """

    def __init__(self, token: str) -> None:
        self._redactor = Redactor([token, repr(token)[1:-1]])

    def text(self, text: str) -> str:
        """`text` without the token; all of it is replaced if the token is percent-encoded in it."""
        redacted = self._redact(text)
        decoded = redacted
        for _ in range(_LAYERS):
            if "%" not in decoded:
                break
            decoded = unquote(decoded)
            if self.is_in(decoded):
                return REDACTED
        return redacted

    def fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a log line, and the fields within them, without the token."""
        return {name: self._value(value) for name, value in fields.items()}

    def is_in(self, text: str) -> bool:
        return self._redact(text) != text

    def _redact(self, text: str) -> str:
        return TOKEN_IN_TEXT.sub(REDACTED, self._redactor.redact(text))

    def _value(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case dict():
                return self.fields(value)
        return value


@lru_cache(maxsize=2)  # for the current catalogue, and the previous one
def secrecy_of(token: str) -> Secrecy:
    """The `Secrecy` of this token; creating one takes longer than many requests."""
    return Secrecy(token)
