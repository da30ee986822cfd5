"""Pydantic's validation errors as plain sentences."""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pydantic import AliasChoices, BaseModel, ValidationError

from app.domain.choices import choose_one, nearest, unknown_key
from app.domain.redaction import mask_secrets
from app.domain.secret_names import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pydantic_core import ErrorDetails

KeyPath = tuple[str | int, ...]
KeyProblem = tuple[KeyPath, str]
"""A key that is wrong, and why."""

MAPPING: Final = "a mapping (key: value)"
_EXPECTED: Final = {
    "int_type": ("an integer",),
    "int_parsing": ("an integer",),
    "int_from_float": ("an integer",),
    "float_type": ("a number",),
    "float_parsing": ("a number",),
    "finite_number": ("a finite number",),
    "bool_type": ("true", "false"),
    "bool_parsing": ("true", "false"),
    "string_type": ("a string",),
    "path_type": ("a path",),
    "day": ("a day written as YYYY-MM-DD",),
    "time_delta_type": ("a duration such as 90m",),
    "string_or_list": ("a string", "a list"),
    "name_or_mapping": ("a name", MAPPING),
    "dict_type": (MAPPING,),
    "model_type": (MAPPING,),
    "model_attributes_type": (MAPPING,),
    "list_type": ("a list",),
    "tuple_type": ("a list",),
}
"""What a value had to be, by pydantic's name of the error."""
_CONTAINERS: Final = ("a list", "a mapping")
_BOUNDS: Final = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_TEXTS: Final = {
    "missing": "is missing",
    "int_parsing_size": "has too many digits for an integer",
    "string_unicode": "has a character that is not valid Unicode",
}
_LONGEST_SHOWN: Final = 80
_COLON_WITHOUT_SPACE: Final = re.compile(r"[\w.-]+:[^\s/]")


def complaints(error: ValidationError, model: type[BaseModel], given: Any) -> Iterator[KeyProblem]:
    """Each value that is wrong, by its path in `given`, and why; no sentence repeats the value of a secret key."""
    by_path: dict[KeyPath, list[ErrorDetails]] = {}
    for one in error.errors(include_url=False):
        by_path.setdefault(_path_in(given, one), []).append(one)
    for path in [path for path, errors in by_path.items() if errors[0]["type"] == "missing"]:
        # A misspelled key is one problem, not two.
        if any(_is_misspelled(path, other, errors) for other, errors in by_path.items()):
            del by_path[path]
    for path, errors in by_path.items():
        # A list with a wrong item is not what the other types of a union expect, either; the item is what matters.
        if not any(path == other[: len(path)] for other in by_path if len(other) > len(path)):
            yield path, _message(errors, model)


def render_path(path: KeyPath) -> str:
    """`("sources", "load", "collections", 0)` → `sources.load.collections[0]`; a key that misleads is quoted.

    A key that is a URL or a command by mistake is shown without its secrets.
    """
    text = ""
    for part in (mask_secrets(part) if isinstance(part, str) else part for part in path):
        if isinstance(part, int) or not part.isprintable() or part != part.strip() or not part:
            text += f"[{part!r}]"
        else:
            text += f".{part}" if text else part
    return text


def key_names(model: type[BaseModel]) -> list[str]:
    """Every name under which a key of `model` may be written."""
    names: list[str] = []
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        if alias is None:
            names.append(name)
        elif isinstance(alias, AliasChoices):
            names.extend(choice for choice in alias.choices if isinstance(choice, str))
        elif isinstance(alias, str):
            names.append(alias)
    return names


def _path_in(given: Any, error: ErrorDetails) -> KeyPath:
    """Where `error` is in `given`: pydantic's location without its names for the members of a union."""
    path: list[str | int] = []
    value, missing = given, error["type"] == "missing"
    for part in error["loc"]:
        if value is error["input"] and not missing:
            break
        if part in value if isinstance(value, Mapping) else _is_index(part, value):
            value = value[part]
            path.append(part)
    return (*path, error["loc"][-1]) if missing else tuple(path)


def _is_misspelled(missing: KeyPath, path: KeyPath, errors: list[ErrorDetails]) -> bool:
    return (
        errors[0]["type"] == "extra_forbidden"
        and path[:-1] == missing[:-1]
        and nearest(str(path[-1]), [str(missing[-1])]) is not None
    )


def _is_index(part: str | int, value: Any) -> bool:
    return isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)


def _message(errors: list[ErrorDetails], model: type[BaseModel]) -> str:
    """One sentence for one value, which may be wrong for every member of a union."""
    specific = next((error for error in errors if error["type"] not in _EXPECTED), None)
    secret = any(is_secret_name(str(part)) for error in errors for part in error["loc"])
    if specific is None:
        expected = list(dict.fromkeys(noun for error in errors for noun in _EXPECTED[error["type"]]))
        return must_be(expected, errors[0]["input"], secret=secret)
    return _specific_message(specific, model, secret=secret)


def must_be(expected: Sequence[str], value: Any, *, secret: bool = False) -> str:
    """That `value` is none of what was `expected`, such as `MAPPING`; without the value if it is `secret`."""
    # Among several kinds of value, how a mapping is written would only distract.
    text = f"must be {_join([noun.removesuffix(' (key: value)') for noun in expected] if expected[1:] else expected)}"
    if not secret and isinstance(value, str) and all(noun.startswith(_CONTAINERS) for noun in expected):
        # Without the text, which may hold anything: a key with its password.
        hint = "; write a space after the colon of each key" if _COLON_WITHOUT_SPACE.match(value) else ""
        return f"{text}, not a string{hint}"
    # To YAML, a password of digits is a number.
    hint = "; put it in quotes" if expected == ["a string"] and isinstance(value, int | float) else ""
    return _with_value(text, value, secret=secret) + hint


def _specific_message(error: ErrorDetails, model: type[BaseModel], *, secret: bool) -> str:
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    if kind == "extra_forbidden":
        *above, name = error["loc"]
        owner = _model_at(model, tuple(above))
        return unknown_key(str(name), key_names(owner) if owner else ())
    if kind in ("literal_error", "enum"):
        return _unknown_value(value, re.findall(r"'([^']*)'", context["expected"]), secret=secret)
    if kind in _BOUNDS:
        limit, words = _BOUNDS[kind]
        return _with_value(f"must be {words} {context[limit]:.12g}", value, secret=secret)
    if kind in ("too_short", "string_too_short"):
        least = context["min_length"]
        return "must not be empty" if least == 1 else f"must have at least {least} parts, not {len(value)}"
    if kind == "string_too_long":
        return f"must have at most {context['max_length']} characters, not {len(value)}"
    text = _TEXTS.get(kind) or error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    text = text.replace("Input should", "must")
    return "is not valid" if secret and str(value) in text else text


def _unknown_value(value: Any, valid: list[str], *, secret: bool) -> str:
    if secret or value is None or isinstance(value, list | dict):
        return _with_value(f"must be one of {', '.join(valid)}", value, secret=secret)
    return f"unknown value {_describe(value)}; {choose_one(str(value), valid)}"


def _with_value(text: str, value: Any, *, secret: bool) -> str:
    return text if secret else f"{text}, not {_describe(value)}"


def _describe(value: Any) -> str:
    """A value as a catalogue writes it; of what is long, and of what holds other values, only the kind."""
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= _LONGEST_SHOWN else f"a string of {len(value)} characters"
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    return "empty" if value is None else str(value).lower()


def _join(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def _model_at(model: type[BaseModel], location: KeyPath) -> type[BaseModel] | None:
    current: type[BaseModel] | None = model
    for part in location:
        if current is None:
            return None
        if isinstance(part, str):
            by_name = {name: field for name, field in current.model_fields.items() if part in (name, field.alias)}
            field = next(iter(by_name.values()), None)
            # A part that is not a field is the tag of a union or the key of a mapping: still the same model.
            current = _model_in(field.annotation) if field else current
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner: Callable[[Any], type[BaseModel] | None] = _model_in
    return next((found for found in map(inner, typing.get_args(annotation)) if found), None)
