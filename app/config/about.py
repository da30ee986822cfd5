"""Keeps secrets out of what people say about sources and collections, because everybody with a token reads that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.about import ABOUT
from app.domain.redaction import Redactor

if TYPE_CHECKING:
    from app.config.entry import Entry


def mask_about(entry: Entry, written: dict[str, Any]) -> None:
    """Mask the secrets of a source in its texts and in those of its collections, as they are masked in logs."""
    collections = written.get("collections")
    both = [written, *(collections if isinstance(collections, list) else ())]
    described = [each for each in both if isinstance(each, dict) and not ABOUT.isdisjoint(each)]
    if not described or not entry.secrets:
        return
    redact = Redactor(entry.secrets).redact
    for each in described:
        for key in ABOUT & each.keys():
            each[key] = _masked(each[key], redact)


def _masked(value: Any, redact: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    return [_masked(each, redact) for each in value] if isinstance(value, list) else value
