"""The text of a catalogue that was made from another one: YAML, with notes as comments."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from app.config.documents import parse_document
from app.config.written import WrittenFloat, WrittenInt
from app.config.yaml_scalars import scalar
from app.domain.errors import SynclineError
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.moving.translation import Translated

_HEAD: Final = """\
# 'syncline import classic' made this from Jitsu Classic's '{name}': change what you like.
# 'syncline check' says what is left to correct. Comments with '~' say what differs from Jitsu Classic. Tables may have
# other names and columns, too: docs/moving-from-classic.md lists everything.
"""
_PLAIN_IN_LIST: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./@-]*")


def text_of(translated: Translated, name: str) -> str:
    """The whole file; the same for the same configuration. `name` is what the configuration is called.

    Raises:
        SynclineError: it would not be read as it is meant.
    """
    lines = [_HEAD.format(name=make_visible(name)).rstrip("\n"), *_comments(translated.notes.get((), ()), 0)]
    for section, value in translated.sections.items():
        lines += ["", *_comments(translated.notes.get((section,), ()), 0)]
        if not isinstance(value, dict) or not value or section not in ("sources", "destinations"):
            lines += _entry(section, value, 0)
            continue
        lines.append(f"{section}:")
        for id_, part in value.items():
            lines += [*_comments(translated.notes.get((section, id_), ()), 1), *_entry(id_, part, 1)]
    text = "\n".join([*lines, ""])
    if translated.sections and parse_document(text, name).value != translated.sections:
        raise SynclineError("the catalogue would not be read as it is meant; this is a bug, please report it")
    return text


def _comments(notes: Iterable[str], level: int) -> Iterator[str]:
    yield from (f"{'  ' * level}# ~ {make_visible(note)}" for note in notes)


def _entry(key: str, value: Any, level: int) -> Iterator[str]:
    head = f"{'  ' * level}{_scalar(key)}:"
    if isinstance(value, dict) and value:
        yield head
        for inner, each in value.items():
            yield from _entry(inner, each, level + 1)
    elif isinstance(value, list) and any(isinstance(each, dict | list) and each for each in value):
        yield head
        for each in value:
            yield from _item(each, level + 1)
    else:
        yield f"{head} {_in_line(value)}"


def _item(value: Any, level: int) -> Iterator[str]:
    mark = f"{'  ' * level}- "
    if not isinstance(value, dict) or not value:
        yield f"{mark}{_in_line(value)}"
        return
    lines = [line for key, each in value.items() for line in _entry(key, each, level + 1)]
    yield mark + lines[0].lstrip()
    yield from lines[1:]


def _in_line(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(key)}: {_in_list(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_in_list, value)) + "]"
    return _scalar(value)


def _in_list(value: Any) -> str:
    """Commas and brackets mean something there."""
    if not isinstance(value, str):
        return _in_line(value)
    return value if _PLAIN_IN_LIST.fullmatch(value) and _scalar(value) == value else _quoted(value)


def _scalar(value: Any) -> str:
    if isinstance(value, WrittenInt | WrittenFloat):
        return value.written
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    return scalar(value) if value.isprintable() else _quoted(value)


def _quoted(value: str) -> str:
    return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in json.dumps(value, ensure_ascii=False))
