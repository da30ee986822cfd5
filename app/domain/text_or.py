"""Types of keys that also take a single text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core import CoreSchema


@dataclass(frozen=True, slots=True)
class TextOr:
    """An annotation like `BeforeValidator(parse)`, whose type also takes text; its JSON Schema says so."""

    parse: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.parse, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return with_text(handler(schema))


def with_text(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema for what `schema` accepts, and for any text."""
    if "type" not in schema:
        return {"anyOf": [{"type": "string"}, *schema.get("anyOf", [schema])]}
    return with_type({key: value for key, value in schema.items() if key != "pattern"}, "string")


def with_type(schema: dict[str, Any], kind: str, pattern: str | None = None) -> dict[str, Any]:
    """`schema`, for values of another type as well: the texts that match `pattern`, if there is one."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    more = {} if pattern is None else {"pattern": pattern}
    return {**schema, "type": list(dict.fromkeys([*types, kind])), **more}
