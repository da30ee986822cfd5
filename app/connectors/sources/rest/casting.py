"""Text in an API's configuration becomes a number or a Boolean where dlt accepts no text: placeholders give text."""

from __future__ import annotations

import typing
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from app.connectors.sources.rest.validation import problems_of_types
from app.domain.typed_text import TextType, typed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.options.complaints import KeyPath


def cast_texts(config: dict[str, Any]) -> None:
    """Replaces such texts in `config`; what cannot be such a value stays, and is refused later."""
    for path, _ in problems_of_types(config):
        holder: Any = config
        for part in path[:-1]:
            holder = holder[part]
        text = holder.get(path[-1]) if isinstance(holder, dict) else holder[path[-1]]
        for candidate in _values(text):
            holder[path[-1]] = candidate
            if not _is_wrong(config, path):
                break
            holder[path[-1]] = text


def _values(text: Any) -> Iterator[bool | float]:
    for type_ in typing.get_args(TextType) if isinstance(text, str) else ():
        with suppress(ValueError):
            yield typed(text, type_)


def _is_wrong(config: dict[str, Any], path: KeyPath) -> bool:
    return any(path == wrong for wrong, _ in problems_of_types(config))
