"""A configuration as YAML to fill in, made of the JSON Schema with which a connector describes it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

from app.config.yaml_scalars import scalar
from app.domain.mappings import mapping_of
from app.domain.secret_names import is_secret_name
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH: Final = 120
_DEEPEST: Final = 16
_EMPTY: Final[dict[str, Any]] = {
    "string": "",
    "integer": 0,
    "number": 0,
    "boolean": False,
    "array": [],
    "object": {},
}


def skeleton(specification: dict[str, Any], *, indent: int) -> list[str]:
    """The key `config` at this indentation, with the keys that a connector asks for, the required ones first.

    Before each, comments have what is said about it. Optional keys are comments themselves, and so is `config` if all
    are: a key without a value would be an error.
    """
    start = " " * indent
    if not (keys := _in_order(specification)):
        return [f"{start}# The connector asks for no configuration."]
    is_comment = not any(required for _, _, required in keys)
    return [f"{start}{'# ' * is_comment}config:", *_keys(specification, indent + 2, optional=False, depth=0)]


def _keys(schema: dict[str, Any], indent: int, *, optional: bool, depth: int) -> Iterator[str]:
    for key, inner, required in _in_order(schema):
        is_comment = optional or not required
        yield from _comment(_description(inner, required=required), indent)
        yield from _entry(key, inner, indent, is_comment=is_comment, depth=depth)


def _in_order(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any], bool]]:
    properties = mapping_of(schema.get("properties"))
    required = schema.get("required")
    needed = set(map(str, required)) if isinstance(required, list) else set()
    found = [(str(key), mapping_of(inner), str(key) in needed) for key, inner in properties.items()]
    return sorted(found, key=lambda each: (not each[2], _order(each[1])))


def _order(schema: dict[str, Any]) -> float:
    """Airbyte's own, for forms."""
    order = schema.get("order")
    return order if isinstance(order, int) else float("inf")


def _entry(key: str, schema: dict[str, Any], indent: int, *, is_comment: bool, depth: int) -> Iterator[str]:
    start = " " * indent + ("# " if is_comment else "")
    first, others = _choices(schema)
    inner = [*_keys(first, indent + 2, optional=is_comment, depth=depth + 1)] if depth < _DEEPEST else []
    if not inner:
        yield f"{start}{scalar(key)}: {scalar(_value(key, schema))}"
        return
    yield f"{start}{scalar(key)}:"
    yield from inner
    for each in others:
        yield from _comment(
            f"or {_title(each)}: {', '.join(mapping_of(each.get('properties'))) or 'no keys'}", indent + 2
        )


def _choices(schema: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The object to show, and others that may stand in its place."""
    for union in ("oneOf", "anyOf"):
        options = schema.get(union)
        if isinstance(options, list):
            objects = [each for each in map(mapping_of, options) if mapping_of(each.get("properties"))]
            if objects:
                return objects[0], objects[1:]
    return schema, []


def _title(schema: dict[str, Any]) -> str:
    return str(schema.get("title") or "another form")


def _value(key: str, schema: dict[str, Any]) -> Any:
    """What stands there until the user has written something else; of a secret, a placeholder."""
    if _is_secret(key, schema):
        name = "".join(each if each.isascii() and each.isalnum() else "_" for each in key).upper()
        return f"${{env.{name}}}"
    for known in ("default", "const"):
        if schema.get(known) is not None:
            return schema[known]
    for several in ("enum", "examples"):
        if isinstance(schema.get(several), list) and schema[several]:
            return schema[several][0]
    return _EMPTY.get(_types(schema)[0] if _types(schema) else "string", "")


def _is_secret(key: str, schema: dict[str, Any]) -> bool:
    # Airbyte's name, and those of the Singer SDK.
    marked = any(schema.get(mark) is True for mark in ("airbyte_secret", "secret", "writeOnly"))
    return marked or (is_secret_name(key) and _types(schema) in (["string"], []))


def _description(schema: dict[str, Any], *, required: bool) -> str:
    facts = ["required" if required else "optional"]
    facts += [" or ".join(_types(schema))] if _types(schema) else []
    if isinstance(schema.get("enum"), list):
        facts.append(f"one of {', '.join(map(scalar, schema['enum']))}")
    if schema.get("default") is not None:
        facts.append(f"default {scalar(schema['default'])}")
    text = " ".join(str(schema.get("description") or schema.get("title") or "").split())
    return f"{text} ({', '.join(facts)})" if text else ", ".join(facts)


def _types(schema: dict[str, Any]) -> list[str]:
    written = schema.get("type")
    several = written if isinstance(written, list) else [written]
    return [each for each in several if isinstance(each, str) and each != "null"]


def _comment(text: str, indent: int) -> list[str]:
    start = f"{' ' * indent}# "
    return textwrap.wrap(
        make_visible(text),
        width=_WIDTH,
        initial_indent=start,
        subsequent_indent=start,
        break_long_words=False,
        break_on_hyphens=False,
    )
