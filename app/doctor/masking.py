"""Masks the secrets of a document that others will read."""

from __future__ import annotations

from typing import Any

from app.domain.redaction import REDACTED, Redactor
from app.domain.secret_names import is_name_of_secret_command, is_secret_name, is_secret_option
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


def _masked_below(key: str, value: Any, redactor: Redactor) -> Any:
    if is_secret_name(key):
        return mask_everything(value)
    if is_name_of_secret_command(key):
        return _mask_arguments(value, redactor)
    return _masked(value, redactor)


def _mask_arguments(command: Any, redactor: Redactor) -> Any:
    """Any argument may be a secret, such as the token of `vault login TOKEN`; only the program's name stays."""
    match command:
        case str():
            words = command.split(maxsplit=1)
            return " ".join(_mask_words(words, redactor))
        case list():
            return _mask_words(command, redactor)
        case _:
            return mask_everything(command)


def _mask_words(words: list[Any], redactor: Redactor) -> list[Any]:
    # Anyone who takes it for a shell's line may begin it with NAME=value.
    is_program = bool(words) and isinstance(words[0], str) and "=" not in words[0]
    return [*(_masked(words[:1], redactor) if is_program else mask_everything(words[:1])), *mask_everything(words[1:])]


def _masked(value: Any, redactor: Redactor) -> Any:
    match value:
        case dict():
            return {redactor.redact(str(key)): _masked_below(str(key), inner, redactor) for key, inner in value.items()}
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
