"""JSON Schemas of the models that read a catalogue, for what a user may write there.

They accept more than plain pydantic's: placeholders, numbers where text is wanted and the other way round, and keys
without a value. Nothing here knows a key; the descriptions are those of the documentation.
"""

from __future__ import annotations

import inspect
import json
import re
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from app.config.sections import Kept
from app.domain.duration import format_duration
from app.domain.keys import Section
from app.domain.text_or import with_type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import core_schema

JsonSchema = dict[str, Any]

PLACEHOLDER: Final[JsonSchema] = {"type": "string", "pattern": r"\$\{(env|file)\."}
"""Text that is replaced when a catalogue is loaded."""

_JSON_PLACEHOLDER: Final = rf"^{PLACEHOLDER['pattern']}[^}}]*:json[|}}]"
_REFERENCE: Final = "#/$defs/{model}"
_NUMBER: Final = r"^\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
_BOOLEAN: Final = "^({})$".format(
    "|".join(
        form for word in ("true", "false", "yes", "no", "on", "off") for form in (word, word.title(), word.upper())
    )
)
# Pydantic keeps these names where a constraint stands outside of a validator.
_CONSTRAINTS: Final = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


def schemas_of(models: Iterable[type[BaseModel]]) -> dict[str, JsonSchema]:
    """The JSON Schema of each model by its name, and of what they are made of, for `$defs`."""
    unique = dict.fromkeys(models)
    _, document = models_json_schema(
        [(model, "validation") for model in unique], schema_generator=_Generator, ref_template=_REFERENCE
    )
    schemas: dict[str, JsonSchema] = _tidy(document["$defs"])
    return schemas


def reference_to(name: str) -> JsonSchema:
    """The schema of this name in `$defs`."""
    return {"$ref": _REFERENCE.format(model=name)}


def alternatives(texts: Iterable[str]) -> str:
    """A pattern for any of these texts."""
    return "|".join(map(re.escape, texts))


def nullable(schema: JsonSchema) -> JsonSchema:
    """`schema`, and nothing as well."""
    if "type" in schema and "enum" not in schema:
        return with_type(schema, "null")
    nothing = {"type": "null"}
    if "anyOf" in schema:
        return {**schema, "anyOf": [each for each in schema["anyOf"] if each != nothing] + [nothing]}
    outside: JsonSchema = {key: schema[key] for key in ("default", "description") if key in schema}
    return {"anyOf": [{key: inner for key, inner in schema.items() if key not in outside}, nothing], **outside}


class _Generator(GenerateJsonSchema):
    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchema:
        made = super().str_schema(schema)
        # As the models do (`coerce_numbers_to_str`).
        return made if schema.get("strict") else with_type(made, "number")

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchema:
        return with_type(super().int_schema(schema), "string", _NUMBER)

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchema:
        return with_type(super().float_schema(schema), "string", _NUMBER)

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchema:
        return with_type(super().bool_schema(schema), "string", _BOOLEAN)

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchema:
        return {"anyOf": [super().literal_schema(schema), PLACEHOLDER]}

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchema:
        made = super().enum_schema(schema)
        made.pop("title")
        description = made.pop("description", "")
        return {"description": description, "anyOf": [made, PLACEHOLDER]}

    def list_schema(self, schema: core_schema.ListSchema) -> JsonSchema:
        return with_type(super().list_schema(schema), "string", _JSON_PLACEHOLDER)

    def tuple_schema(self, schema: core_schema.TupleSchema) -> JsonSchema:
        return with_type(super().tuple_schema(schema), "string", _JSON_PLACEHOLDER)

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchema:
        return with_type(super().dict_schema(schema), "string", _JSON_PLACEHOLDER)

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchema:
        return nullable(self.generate_inner(schema["schema"]))

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchema:
        model = schema["cls"]
        made = super().model_schema(schema)
        made.pop("title")
        made |= _described(model)
        for key, description in _descriptions_of(model).items():
            made["properties"][key]["description"] = description
        if issubclass(model, Section) and not issubclass(model, Kept):
            accept_nothing(made)
        if not made.get("required"):
            made = nullable(made)
        return with_type(made, "string", _JSON_PLACEHOLDER)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchema:
        default = schema.get("default")
        # The defaults of a section are those of its keys; one that is empty tells nothing.
        if isinstance(default, BaseModel) or default in (None, "", (), timedelta()):
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 -- a key is its own title
        return False


def accept_nothing(schema: JsonSchema) -> None:
    """Let each key of a model's `schema` that is not required be without a value."""
    for key, inner in schema["properties"].items():
        if key not in schema.get("required", ()):
            schema["properties"][key] = nullable(inner)


def _described(model: type[BaseModel]) -> JsonSchema:
    """The first paragraph of what is said about the model; the rest is about its code."""
    first, _, _ = inspect.cleandoc(model.__doc__ or "").partition("\n\n")
    return {"description": " ".join(first.split())} if first else {}


def _descriptions_of(model: type[BaseModel]) -> dict[str, str]:
    names = {field.alias or name for name, field in model.model_fields.items()}
    found = {
        key: text for owner in reversed(model.__mro__) for key, text in _descriptions().get(owner.__name__, {}).items()
    }
    return {key: text for key, text in found.items() if key in names}


@cache
def _descriptions() -> dict[str, dict[str, str]]:
    """What the documentation says about each key, by the name of its model; `make descriptions` collects it."""
    text = files("app.config").joinpath("key_descriptions.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def _tidy(value: Any) -> Any:
    """A copy that has JSON Schema's names for constraints, and takes numbers as secrets and placeholders as text."""
    if isinstance(value, list):
        return [_tidy(each) for each in value]
    if not isinstance(value, dict):
        return value
    tidied: JsonSchema = {_name_of(str(key), inner): _tidy(inner) for key, inner in value.items()}
    pattern = tidied.get("pattern")
    if isinstance(pattern, str) and PLACEHOLDER["pattern"] not in pattern:
        tidied["pattern"] = f"{pattern}|{PLACEHOLDER['pattern']}"
    if tidied.pop("writeOnly", False):
        tidied.pop("format")
        return with_type(tidied, "number")
    return tidied


def _name_of(keyword: str, value: Any) -> str:
    return _CONSTRAINTS.get(keyword, keyword) if isinstance(value, int) else keyword
