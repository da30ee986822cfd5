"""What pydantic finds wrong with what people write, as sentences."""

from __future__ import annotations

import difflib
import typing
from typing import TYPE_CHECKING, Any, Final

from pydantic import AliasChoices, BaseModel, ValidationError

from app.domain.secret_values import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pydantic_core import ErrorDetails

KeyPath = tuple[str | int, ...]
KeyProblem = tuple[KeyPath, str]
"""A key that is wrong, and why."""

NOT_QUOTED: Final = "must be a string; put it in quotes"
"""For a number or a Boolean: to YAML, a password of digits is a number."""

_TEXTS = {
    "missing": "is missing",
    "int_type": "must be an integer",
    "int_parsing": "must be an integer",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be a string",
    "dict_type": "must be a mapping (key: value)",
    "model_type": "must be a mapping (key: value)",
    "model_attributes_type": "must be a mapping (key: value)",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
}


# Where one item or character is enough.
_EMPTY = {"too_short": "must have at least one item", "string_too_short": "must not be empty"}


def complaints(error: ValidationError, model: type[BaseModel]) -> Iterator[KeyProblem]:
    """Each key that is wrong, by its path within `model`, and why; no sentence repeats the value of a secret key."""
    for one in error.errors(include_url=False):
        yield tuple(one["loc"]), _message(one, model)


def render_path(path: KeyPath) -> str:
    """`("sources", "load", "collections", 0)` → `sources.load.collections[0]`; a key that misleads is quoted."""
    text = ""
    for part in path:
        if isinstance(part, int) or not part.isprintable() or part != part.strip():
            text += f"[{part!r}]"
        else:
            text += f".{part}" if text else part
    return text


def unknown_key(name: str, valid: Iterable[str]) -> str:
    """Say that the key `name` is unknown, which valid one is nearest, and which there are."""
    return f"unknown key; {_nearest(name, sorted(valid))}"


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> str:
    """The same for a value that must be one of several names: a type, a destination."""
    return f"unknown {kind} '{name}'; {_nearest(name, sorted(valid))}"


def _nearest(name: str, valid: list[str]) -> str:
    nearest = difflib.get_close_matches(name, valid, n=1)
    hint = f"did you mean '{nearest[0]}'? " if nearest else ""
    return f"{hint}valid: {', '.join(valid) or 'none'}"


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


def _message(error: ErrorDetails, model: type[BaseModel]) -> str:
    location = error["loc"]
    if error["type"] == "extra_forbidden":
        owner = _model_at(model, location[:-1])
        return unknown_key(str(location[-1]), key_names(owner) if owner else ())
    text = _TEXTS.get(error["type"])
    if error["type"] == "string_type" and isinstance(error["input"], int | float):
        text = NOT_QUOTED
    if error["type"] in _EMPTY and error.get("ctx", {}).get("min_length") == 1:
        text = _EMPTY[error["type"]]
    if text is None:
        text = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        text = text.replace("Input should be", "must be")
    if any(is_secret_name(str(part)) for part in location) and str(error.get("input", "")) in text:
        return "is not valid"
    return text


def _model_at(model: type[BaseModel], location: KeyPath) -> type[BaseModel] | None:
    current: type[BaseModel] | None = model
    for part in location:
        if current is None:
            return None
        if isinstance(part, str):
            by_name = {name: field for name, field in current.model_fields.items() if part in (name, field.alias)}
            field = next(iter(by_name.values()), None)
            # A part that is no field is the tag of a union or the key of a mapping: the model stays.
            current = _model_in(field.annotation) if field else current
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner: Callable[[Any], type[BaseModel] | None] = _model_in
    return next((found for found in map(inner, typing.get_args(annotation)) if found), None)
