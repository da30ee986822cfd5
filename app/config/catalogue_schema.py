"""The JSON Schema of a catalogue, for editors: keys and values that `syncline check` accepts.

It is put together from the models that read a catalogue, so that nothing is written twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.config.classic.destinations import BLOCKS, DRIVER_PARAMETERS, OPTION_NAMES
from app.config.classic.keys import (
    COLLECTION_KEYS,
    DESTINATION_KEYS,
    DOTTED_SECTIONS,
    SECTIONS,
    SERVER_KEYS,
    SOURCE_KEYS,
)
from app.config.classic.oauth import OAUTH_SECTIONS
from app.config.model_schemas import PLACEHOLDER, accept_nothing, alternatives, reference_to, schemas_of
from app.config.sections import Configurator, Notifications, Server, WrittenSource
from app.connectors.kinds import DESTINATIONS, SOURCES
from app.connectors.sources.classic.options import GoogleAdsOptions
from app.domain.collection import Collection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.config.model_schemas import JsonSchema
    from app.connectors.contract.kind import SourceKind

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_SOURCE: Final = WrittenSource.__name__
_DESTINATION: Final = "Destination"
_IGNORED: Final = "Ignored: a key of Jitsu Classic that has no effect here."
_NO_TYPE: Final = {"properties": {"type": {"enum": [None, ""]}}}
"""The id is the type then."""


def catalogue_schema() -> JsonSchema:
    """The schema of a catalogue, and of a separate file of sources under the key `sources`."""
    defs = schemas_of(_models())
    _ignore(defs["Server"], SERVER_KEYS)
    _accept_dotted(defs["Server"], sorted(defs["Server"]["properties"]))
    # A section of Classic's may have it for all sources.
    defs[GoogleAdsOptions.__name__]["required"].remove("developer_token")
    _ignore(defs["Collection"], COLLECTION_KEYS)
    _ignore(defs[_SOURCE], SOURCE_KEYS)
    for name, source in SOURCES.items():
        defs[_of_kind(_SOURCE, name)] = _source_of(source, defs)
    for model in {kind.options.__name__ for kind in DESTINATIONS.values()}:
        _lift_options(defs[model])
    for name, destination in DESTINATIONS.items():
        defs[_of_kind(_DESTINATION, name)] = reference_to(destination.options.__name__)
    defs[_SOURCE]["required"] = ["destinations"]
    defs[_DESTINATION] = {"type": "object", "properties": {}}
    top: JsonSchema = {
        "type": "object",
        "properties": {
            "server": reference_to("Server"),
            # A path or a URL as well.
            "sources": {**_parts(defs, _SOURCE, SOURCES), "type": ["object", "null", "string"]},
            "destinations": {**_parts(defs, _DESTINATION, DESTINATIONS), "type": ["object", "null", "string"]},
            "configurator": reference_to("Configurator"),
            "notifications": reference_to("Notifications"),
        },
        "additionalProperties": False,
    }
    _ignore(top, SECTIONS)
    _accept_dotted(top, sorted(DOTTED_SECTIONS))
    top["patternProperties"][f"^({alternatives(sorted(OAUTH_SECTIONS))})$"] = {
        "type": ["object", "null", "string"],
        "description": "A client for OAuth, which sources may leave out.",
    }
    return {"$schema": _DIALECT, "title": "Syncline's catalogue", **top, "$defs": defs}


def _models() -> Iterable[type[Any]]:
    yield from (Server, Configurator, Notifications, WrittenSource, Collection)
    for source in SOURCES.values():
        yield source.options
        if source.parameters is not None:
            yield source.parameters
    yield from (destination.options for destination in DESTINATIONS.values())


def _parts(defs: dict[str, JsonSchema], part: str, kinds: Iterable[str]) -> JsonSchema:
    """A mapping of ids to sources or destinations, whose `type` decides which options they have."""
    names = list(kinds)
    schema = defs[part]
    schema["properties"]["type"] = {
        **_description_of(schema["properties"].get("type", {})),
        "anyOf": [{"enum": names}, PLACEHOLDER, *_NO_TYPE["properties"].values()],
    }
    schema["allOf"] = [
        {
            "if": {"required": ["type"], "properties": {"type": {"const": name}}},
            "then": reference_to(_of_kind(part, name)),
        }
        for name in names
    ]
    return {
        "type": ["object", "null"],
        "properties": {
            name: {**reference_to(part), "if": _NO_TYPE, "then": reference_to(_of_kind(part, name))} for name in names
        },
        "additionalProperties": {**reference_to(part), "required": ["type"]},
    }


def _source_of(kind: SourceKind, defs: dict[str, JsonSchema]) -> JsonSchema:
    """What a source of this kind has beyond what all have."""
    required = [] if kind.finds_its_collections else ["collections"]
    required += ["config"] if defs[kind.options.__name__].get("required") else []
    schema: JsonSchema = {"properties": {"config": reference_to(kind.options.__name__)}, "required": required}
    if kind.parameters is not None:
        items: JsonSchema = {"properties": {"parameters": reference_to(kind.parameters.__name__)}}
        if defs[kind.parameters.__name__].get("required"):
            items |= {"type": "object", "required": ["parameters"]}
        schema["properties"]["collections"] = {"items": items}
    return schema


def _lift_options(schema: JsonSchema) -> None:
    """Let a destination's options also be where Jitsu Classic has them, and ignore Classic's own."""
    accept_nothing(schema)
    # The type may be the id.
    required = [key for key in schema.pop("required", ()) if key != "type"]
    options = {key: inner for key, inner in schema["properties"].items() if key != "type"}
    classic = {name: options[key] for name, key in OPTION_NAMES.items() if key in options}
    closed = {"type": ["object", "null"], "additionalProperties": schema["additionalProperties"]}
    # An empty string counts as none.
    lifted = {key: {"anyOf": [inner, {"const": ""}]} for key, inner in {**options, **classic}.items()}
    parameters = {**closed, "properties": lifted}
    if "parameters" in options:
        parameters["additionalProperties"] = True
        _ignore(parameters, DRIVER_PARAMETERS)
    block = {
        "description": "Where Jitsu Classic has the options.",
        **closed,
        "properties": {**lifted, "parameters": parameters},
    }
    _ignore(schema, DESTINATION_KEYS - options.keys())
    schema["properties"] |= dict.fromkeys(BLOCKS, block)
    if required:
        schema["if"] = {"not": {"anyOf": [{"required": ["datasource"]}, {"required": ["config"]}]}}
        schema["then"] = {"required": required}


def _ignore(schema: JsonSchema, keys: Iterable[str]) -> None:
    """Accept Jitsu Classic's `keys`, which have no effect, as `syncline check` does with a warning."""
    # By a pattern, which editors do not suggest.
    pattern = rf"^({alternatives(sorted(keys))})(\..*)?$"
    schema["patternProperties"] = {pattern: {"deprecated": True, "description": _IGNORED}}


def _accept_dotted(schema: JsonSchema, keys: Iterable[str]) -> None:
    """Accept what is below these keys in dotted keys; their values are not looked at."""
    schema["patternProperties"][rf"^({alternatives(keys)})\."] = {}


def _of_kind(part: str, kind: str) -> str:
    return f"{part}.{kind}"


def _description_of(schema: JsonSchema) -> JsonSchema:
    return {key: schema[key] for key in ("description",) if key in schema}
