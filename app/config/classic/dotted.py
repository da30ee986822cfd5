"""Keys with dots, as Jitsu Classic's users write them: below `server`, `ui.enabled` is the key `enabled` of `ui`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.config.problems import CatalogueError, problem_at

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from app.config.documents import Document
    from app.connectors.options.complaints import KeyPath


def with_nested_keys(document: Document, sections: Container[str]) -> Document:
    """`document` with the dotted keys of these `sections` as nested ones, which have the lines of the dotted ones.

    Raises:
        CatalogueError: a key is written in both ways.
    """
    top = document.value
    if not isinstance(top, dict) or not any("." in key for key in _keys_of(top, sections)):
        return document
    nesting = _Nesting(document)
    for key, value in top.items():
        nesting.put(value, (key,), in_section=key.partition(".")[0] in sections)
    return replace(document, value=nesting.value, lines=nesting.lines)


def _keys_of(top: dict[str, Any], sections: Container[str]) -> Iterator[str]:
    for key, inner in top.items():
        if key.partition(".")[0] in sections:
            yield key
            yield from _keys_in(inner)


def _keys_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _keys_in(inner)


class _Nesting:
    """The nested value, and the lines of its keys."""

    def __init__(self, document: Document) -> None:
        self.value: dict[str, Any] = {}
        self.lines = dict(document.lines)
        self._document = document

    def put(self, value: Any, written: KeyPath, *, in_section: bool) -> None:
        """Put `value`, which is at `written` in the text, where its keys say."""
        if not in_section:
            self.value[str(written[0])] = value
        elif isinstance(value, dict) and value:
            for key, inner in value.items():
                self.put(inner, (*written, key), in_section=True)
        else:
            self._set(value, written)

    def _set(self, value: Any, written: KeyPath) -> None:
        target = self.value
        *above, last = path = ".".join(map(str, written)).split(".")
        for length, name in enumerate(above, 1):
            self._note_line(path[:length], written[:1])
            if target.get(name) is None:
                target[name] = {}
            target = target[name]
            if not isinstance(target, dict):
                raise self._twice(written)
        self._note_line(path, written)
        if last in target and target[last] is not None:
            raise self._twice(written)
        target[last] = value

    def _note_line(self, path: list[str], written: KeyPath) -> None:
        if line := self._document.lines.get(written):
            self.lines.setdefault(tuple(path), line)

    def _twice(self, written: KeyPath) -> CatalogueError:
        message = "is written twice, with dots and as a mapping: remove one of them"
        return CatalogueError([problem_at(written, message, self._document.place)])
