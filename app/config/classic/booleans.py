"""Plain words that Jitsu Classic read as true or false (YAML 1.1), and that are text here (YAML 1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.config.written import part_of

if TYPE_CHECKING:
    from pydantic import BaseModel

    from app.config.entry import Entry
    from app.connectors.options.complaints import KeyPath

_MEANT: Final = {"y": "true", "yes": "true", "on": "true", "n": "false", "no": "false", "off": "false"}


def warn_of_booleans(entry: Entry, below: KeyPath, options: BaseModel | None) -> None:
    """Note in `entry` the words at the key `below` that stay text in `options`: in what a connector gets as it is."""
    for path in sorted(entry.plain_words, key=str):
        word = _at(entry.written, path)
        if path[: len(below)] != below or not isinstance(word, str):
            continue
        read: Any = options
        for part in path[len(below) :]:
            read = part_of(read, part)
        if isinstance(read, str):
            entry.warn(
                path,
                f"is the string '{word}', which Jitsu Classic read as {_MEANT[word.lower()]}: write "
                f"{_MEANT[word.lower()]} if that is meant, otherwise put it in quotes",
            )


def _at(value: Any, path: KeyPath) -> Any:
    for part in path:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value
