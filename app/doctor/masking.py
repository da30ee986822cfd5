"""Masks the secrets of a document that others will read."""

from __future__ import annotations

from typing import Any

from app.domain.redaction import REDACTED, Redactor
from app.domain.secret_names import is_secret_name, is_secret_option
from app.domain.secret_values import secrets_in


def mask_document(document: Any, secrets: frozenset[str]) -> Any:
    """A copy without `secrets`, without everything below a secret name, and without what looks like a secret."""
    found = secrets | secrets_in(document)
    return _masked(document, Redactor(found))


def mask_everything(document: Any) -> Any:
    """A copy in which every value is masked; only the keys stay."""
    match document:
        case dict():
            return {key: mask_everything(inner) for key, inner in document.items()}
        case list():
            return list(map(mask_everything, document))
        case None | bool() | "":
            return document
        case _:
            return REDACTED


def _masked(value: Any, redactor: Redactor) -> Any:
    match value:
        case dict():
            return {
                redactor.redact(str(key)): mask_everything(inner)
                if is_secret_name(str(key))
                else _masked(inner, redactor)
                for key, inner in value.items()
            }
        case list():
            return [
                REDACTED if isinstance(before, str) and is_secret_option(before) else _masked(inner, redactor)
                for before, inner in zip([None, *value], value, strict=False)
            ]
        case str():
            return redactor.redact(value)
        case int() | float() if redactor.redact(str(value)) != str(value):
            return REDACTED
        case _:
            return value
