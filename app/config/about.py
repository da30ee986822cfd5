"""Keeps secrets out of what people say about sources and collections, because everybody with a token reads that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from app.domain.about import ABOUT, About
from app.domain.redaction import redactor_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.config.sources import Source

Described = TypeVar("Described", bound=About)


def mask_about(sources: Mapping[str, Source], secrets: frozenset[str]) -> dict[str, Source]:
    """The sources with the secrets of the whole catalogue masked in their texts, as they are masked in names."""
    if not any(_texts(each) for source in sources.values() for each in (source.about, *source.collections.values())):
        return dict(sources)
    redact = redactor_of(secrets).redact_name
    return {
        id_: replace(
            source,
            about=_masked(source.about, redact),
            collections={name: _masked(each, redact) for name, each in source.collections.items()},
        )
        for id_, source in sources.items()
    }


def _masked(about: Described, redact: Callable[[str], str]) -> Described:
    texts = _texts(about)
    return about.model_copy(update={key: _masked_text(text, redact) for key, text in texts.items()}) if texts else about


def _texts(about: About) -> dict[str, str | tuple[str, ...]]:
    return {key: text for key in ABOUT if (text := getattr(about, key))}


def _masked_text(value: str | tuple[str, ...], redact: Callable[[str], str]) -> str | tuple[str, ...]:
    return redact(value) if isinstance(value, str) else tuple(map(redact, value))
