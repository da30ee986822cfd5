"""Text in a connector's configuration becomes what its specification wants: placeholders give text.

A connector would refuse such text. Where it accepts text, text stays as it is written.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.connectors.values import jsontext
from app.domain.typed_text import TextType, typed

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEEPEST: Final = 32
_TYPES: Final[dict[str, TextType]] = {"integer": "int", "number": "number", "boolean": "bool"}
_OF_JSON: Final[dict[str, type]] = {"array": list, "object": dict}


def cast_by(specification: Any, config: dict[str, Any]) -> dict[str, Any]:
    """A copy of `config` whose texts have the types that `specification`, a JSON Schema, wants there.

    What cannot be such a value stays, and the connector says what it thinks of it.
    """
    cast: dict[str, Any] = _cast([specification], config, 0)
    return cast


def _cast(schemas: list[Any], value: Any, depth: int) -> Any:
    """`value`, of which all `schemas` speak."""
    if depth > _DEEPEST:
        return value
    schemas = [each for schema in schemas for each in _meant(schema, value, depth)]
    if not schemas:
        return value
    if isinstance(value, str):
        value = _from_text(value, {name for schema in schemas for name in _types(schema)})
    if isinstance(value, dict):
        return {name: _cast(_below(schemas, name), inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        items = [schema.get("items") for schema in schemas]
        return [_cast(items, inner, depth + 1) for inner in value]
    return value


def _meant(schema: Any, value: Any, depth: int) -> Iterator[dict[str, Any]]:
    """The schema, and those of its alternatives that `value` does not contradict."""
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return
    yield schema
    for union in ("oneOf", "anyOf", "allOf"):
        for option in schema.get(union) or ():
            if isinstance(option, dict) and not _contradicts(value, option):
                yield from _meant(option, value, depth + 1)


def _contradicts(value: Any, option: dict[str, Any]) -> bool:
    """Whether `option` fixes a property to something else, as Airbyte's alternatives do to tell them apart."""
    properties = option.get("properties")
    if not isinstance(value, dict) or not isinstance(properties, dict):
        return False
    return any(
        isinstance(schema, dict) and name in value and value[name] not in allowed
        for name, schema in properties.items()
        if (allowed := _constants(schema))
    )


def _constants(schema: Any) -> list[Any]:
    if not isinstance(schema, dict):
        return []
    return [schema["const"]] if "const" in schema else list(schema.get("enum") or ())


def _below(schemas: list[dict[str, Any]], name: str) -> list[Any]:
    found = [properties.get(name) for schema in schemas if isinstance(properties := schema.get("properties"), dict)]
    return found if any(found) else [schema.get("additionalProperties") for schema in schemas]


def _types(schema: dict[str, Any]) -> list[str]:
    """The names of the types that it allows; that of text if it lists texts."""
    if any(isinstance(each, str) for each in _constants(schema)):
        return ["string"]
    types = schema.get("type")
    return [types] if isinstance(types, str) else [each for each in types or () if isinstance(each, str)]


def _from_text(text: str, types: set[str]) -> Any:
    if "string" in types:
        return text
    for name, type_ in _TYPES.items():
        if name in types:
            with suppress(ValueError):
                return typed(text, type_)
    for name, class_ in _OF_JSON.items():
        if name in types:
            with suppress(msgspec.MsgspecError, RecursionError):
                if isinstance(found := jsontext.decode(text), class_):
                    return found
    return text
