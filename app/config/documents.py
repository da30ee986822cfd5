"""The text of a catalogue, YAML or JSON, as a value whose keys have lines.

YAML's core schema decides what a plain scalar is (`NO`, `on`, `12:30` and `2020-06-01` are strings; `true`, `null`,
`12` and `1.5` are not). A number such as `007` remembers how it was written. Keys are always strings. What PyYAML
accepts silently is refused: a duplicate key, a tag of another language, more than one document.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from app.config.problems import CatalogueError, Problem
from app.config.syntax import explain, find_forbidden_character
from app.config.written import as_written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.connectors.options.complaints import KeyPath

_DEEPEST = 64
_MOST_VALUES = 1_000_000
_MOST_CHARACTERS = 64 * 1024**2
_LONGEST_NUMBER = 100
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"(true|True|TRUE)|false|False|FALSE")
# Of YAML 1.1 (yaml.org/type/bool.html), without those of YAML 1.2.
_BOOL_BEFORE = re.compile(r"y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Document:
    """A text as a value, with the line (from 1) of every key in it.

    `name` is what users see: the name of the file, or a URL without credentials. `plain_words` are the paths of `yes`,
    `off` and the like without quotes, which other readers of YAML take for Booleans.
    """

    value: Any
    name: str
    digest: str
    lines: dict[KeyPath, int] = field(default_factory=dict, repr=False)
    plain_words: frozenset[KeyPath] = field(default=frozenset(), repr=False)

    def place(self, path: KeyPath) -> str:
        """`file:line` of `path`, or of the nearest key above it that has a line."""
        for length in range(len(path), 0, -1):
            if line := self.lines.get(path[:length]):
                return f"{self.name}:{line}"
        return self.name


def parse_document(text: str, name: str) -> Document:
    """Read one YAML or JSON document.

    Raises:
        CatalogueError: the text is empty, is not YAML, or has a duplicate key.
    """
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    if not text.strip():
        # An editor that truncates before it writes must not look like a catalogue from which all sources are gone.
        raise CatalogueError([Problem("", "is empty", name)])
    if text.lstrip().startswith("{"):
        try:
            # YAML readers refuse the pairs of escapes that JSON writes for characters beyond U+FFFF.
            return Document(parse_json(text), name, digest)
        except (ValueError, RecursionError):
            pass  # The YAML reader reports it with its line.
    reader = _YamlReader(text, name)
    value = reader.read()
    return Document(value, name, digest, reader.lines, frozenset(reader.plain_words))


def parse_json(text: str) -> Any:
    """The value of JSON text.

    Raises:
        ValueError: it is not JSON, has a duplicate key, or is nested too deep.
        RecursionError: it is nested far too deep.
    """
    value = json.loads(
        text,
        object_pairs_hook=_unique_keys,
        parse_int=_number,
        parse_float=_number,
        parse_constant=_not_a_number,
    )
    return _not_too_deep(value)


def _not_a_number(name: str) -> Any:
    raise ValueError(f"{name} is not valid JSON")


def _number(written: str) -> Any:
    if isinstance(value := plain_value(written), str):
        raise ValueError(f"{written} has too many digits for a number")  # noqa: TRY004 - json's own errors are such
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise ValueError("a key is duplicated")
    return mapping


def _not_too_deep(value: Any) -> Any:
    level, depth = [value], 0
    while level := [inner for outer in level for inner in _inner(outer)]:
        depth += 1
        if depth > _DEEPEST:
            raise ValueError("nested too deep")
    return value


def _inner(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


@dataclass(frozen=True, slots=True)
class _Anchored:
    """What an alias stands for, and what it adds: values, characters of text, and levels below its own."""

    value: Any
    values: int
    characters: int
    levels: int


class _YamlReader:
    """Builds the value from the parser's events, which bounds its depth and size, and gives the line of each key."""

    def __init__(self, text: str, name: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.plain_words: set[KeyPath] = set()
        self._name = name
        self._text = text
        self._events: Iterator[Any] = iter(())
        self._anchors: dict[str, _Anchored] = {}
        self._values = 0
        self._characters = 0
        self._deepest = 0

    def read(self) -> Any:
        try:
            self._events = yaml.parse(self._text, Loader=yaml.CSafeLoader)
            self._take()  # the stream starts
            start = self._take()
            if isinstance(start, yaml.StreamEndEvent):
                raise self._problem("is empty", None)
            value = self._value(self._take(), ())
            self._take()  # the document ends
            more = self._take()
            if not isinstance(more, yaml.StreamEndEvent):
                raise self._problem("a second document starts here; a file must hold one document", more)
        except yaml.MarkedYAMLError as error:
            raise self._syntax_problem(error) from None
        except (yaml.YAMLError, UnicodeError):
            raise self._forbidden_character() from None
        return value

    def _take(self) -> Any:
        return next(self._events)

    def _value(self, event: Any, path: KeyPath) -> Any:
        self._values += 1
        self._check_depth(len(path), event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        if not event.anchor:
            return self._read_value(event, path)
        values, characters, deepest = self._values, self._characters, self._deepest
        self._deepest = len(path)
        value = self._read_value(event, path)
        self._anchors[event.anchor] = _Anchored(
            value, self._values - values + 1, self._characters - characters, self._deepest - len(path)
        )
        self._deepest = max(self._deepest, deepest)
        return value

    def _read_value(self, event: Any, path: KeyPath) -> Any:
        if isinstance(event, yaml.MappingStartEvent):
            self._expect_tag(event, "map")
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            self._expect_tag(event, "seq")
            return self._sequence(path)
        return self._scalar(event, path)

    def _alias(self, event: Any, path: KeyPath) -> Any:
        known = self._anchors.get(event.anchor)
        if known is None:
            raise self._problem("'*' refers to no anchor; put a value that begins with '*' in quotes", event)
        self._check_depth(len(path) + known.levels, event)
        self._values += known.values
        if self._values > _MOST_VALUES:
            raise self._problem(f"aliases expand to more than {_MOST_VALUES:,} values", event)
        self._characters += known.characters
        if self._characters > _MOST_CHARACTERS:
            raise self._problem(f"aliases expand to more than {_MOST_CHARACTERS:,} characters", event)
        return known.value

    def _check_depth(self, levels: int, event: Any) -> None:
        if levels > _DEEPEST:
            raise self._problem(f"is nested deeper than {_DEEPEST} levels", event)
        self._deepest = max(self._deepest, levels)

    def _mapping(self, path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        merged: list[dict[str, Any]] = []
        while not isinstance(event := self._take(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._problem("a key must be a string", event)
            key = event.value
            if key == "<<" and event.implicit[0]:
                merged.extend(self._merge(self._take(), path))
                continue
            if key in mapping:
                first = self.lines[*path, key]
                raise self._problem(f"key '{key}' is already on line {first}; remove or rename one of them", event)
            self.lines[*path, key] = _line(event)
            mapping[key] = self._value(self._take(), (*path, key))
        for source in merged:
            for key, value in source.items():
                mapping.setdefault(key, value)
        return mapping

    def _merge(self, event: Any, path: KeyPath) -> list[dict[str, Any]]:
        deepest, self._deepest = self._deepest, 0
        value = self._value(event, (*path, "<<"))
        sources = value if isinstance(value, list) else [value]
        # Its keys stand among the mapping's own, not below: a chain of merges gets no deeper with every link.
        self._deepest = max(deepest, self._deepest - (2 if isinstance(value, list) else 1))
        if not all(isinstance(source, dict) for source in sources):
            raise self._problem("'<<' merges mappings only", event)
        return sources

    def _sequence(self, path: KeyPath) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self._take(), yaml.SequenceEndEvent):
            here = (*path, len(items))
            self.lines[here] = _line(event)
            items.append(self._value(event, here))
        return items

    def _scalar(self, event: Any, path: KeyPath) -> Any:
        text: str = event.value
        self._characters += len(text)
        if event.tag is not None:
            self._expect_tag(event, "str")
            return text
        if not event.implicit[0]:
            return text
        if _BOOL_BEFORE.fullmatch(text):
            self.plain_words.add(path)
        return plain_value(text)

    def _expect_tag(self, event: Any, kind: str) -> None:
        if event.tag not in (None, "!", _TAG + kind):
            raise self._problem("tags are not supported; put a value that begins with '!' in quotes", event)

    def _problem(self, message: str, event: Any) -> CatalogueError:
        place = f"{self._name}:{_line(event)}" if event is not None else self._name
        return CatalogueError([Problem("", message, place)])

    def _syntax_problem(self, error: yaml.MarkedYAMLError) -> CatalogueError:
        # The error as a whole would quote the line, which may hold a password.
        line, message = explain(self._text, error)
        return CatalogueError([Problem("", f"not valid YAML: {message}", f"{self._name}:{line}")])

    def _forbidden_character(self) -> CatalogueError:
        found = find_forbidden_character(self._text)
        if found is None:
            return self._problem("not valid YAML: it has characters that YAML does not allow", None)
        return CatalogueError([Problem("", f"not valid YAML: {found.message}", f"{self._name}:{found.line}")])


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def plain_value(text: str) -> Any:
    """The value of a plain scalar by YAML 1.2's core schema (yaml.org/spec/1.2.2, 10.3.2)."""
    if _NULL.fullmatch(text):
        return None
    if found := _BOOL.fullmatch(text):
        return found[1] is not None
    if len(text) > _LONGEST_NUMBER:
        return text
    if _INT.fullmatch(text):
        return as_written(int(text, 0) if text.startswith(("0o", "0x")) else int(text), text)
    number = float(text) if _FLOAT.fullmatch(text) else math.inf
    return as_written(number, text) if math.isfinite(number) else text
