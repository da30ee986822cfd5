"""JSON Schema (draft 4 to 2020-12) as kinds of columns: https://json-schema.org/draft/2020-12/json-schema-validation."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from app.connectors.contract.schema import MOST_DIGITS, Digits, Kind, common_kind, integer_kind

_SCALARS: Final = {"boolean": Kind.BOOLEAN, "number": Kind.NUMBER}
_FORMATS: Final = {"date-time": Kind.TIMESTAMP, "date": Kind.DATE, "time": Kind.TIME}
# https://docs.airbyte.com/platform/understanding-airbyte/supported-data-types
_AIRBYTE_TYPES: Final = {"timestamp_without_timezone": Kind.LOCAL_TIMESTAMP, "time_with_timezone": Kind.TEXT}
_BOUNDS: Final = (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum"))


def columns_of(schema: Any) -> dict[str, Kind]:
    """The columns of the objects that `schema` describes, in its order; none if it is not a JSON Schema."""
    return {name: kind_of(described) for name, described in _properties(schema).items()}


def digits_of(schema: Any) -> dict[str, Digits]:
    """The digits of the decimals among `columns_of(schema)`."""
    return {name: digits for name, described in _properties(schema).items() if (digits := _digits(described))}


def nested_of(schema: Any) -> dict[tuple[str, ...], Kind]:
    """The kinds of what `schema` describes inside of objects, by path; of objects with properties only the latter."""
    found: dict[tuple[str, ...], Kind] = {}
    for name, described in _properties(schema).items():
        _find_nested((name,), described, found)
    return found


def _find_nested(path: tuple[str, ...], schema: Any, found: dict[tuple[str, ...], Kind]) -> bool:
    """Whether there are properties below `path`."""
    inner = {name: each for alternative in _alternatives(schema) for name, each in _properties(alternative).items()}
    for name, described in inner.items():
        below = (*path, name)
        if not _find_nested(below, described, found):
            found[below] = kind_of(described)
    return bool(inner)


def non_null_columns(schema: Any) -> list[str]:
    """The columns whose type has no null."""
    types = {name: _types(each) for name, each in _properties(schema).items() if isinstance(each, dict)}
    return [name for name, found in types.items() if found is not None and "null" not in found]


def kind_of(schema: Any) -> Kind:
    """The kind that can store every value `schema` allows."""
    return common_kind(set().union(*map(_kinds, _alternatives(schema))))


def _properties(schema: Any) -> dict[str, Any]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return properties if isinstance(properties, dict) else {}


def _alternatives(schema: Any) -> list[Any]:
    """The schemas of which a value may match any."""
    for union in ("anyOf", "oneOf"):
        if isinstance(schema, dict) and isinstance(schema.get(union), list):
            return [alternative for each in schema[union] for alternative in _alternatives(each)]
    return [schema]


def _kinds(schema: Any) -> set[Kind]:
    types = _types(schema) if isinstance(schema, dict) else None
    return {Kind.JSON} if types is None else {_kind(name, schema) for name in types if name != "null"}


def _types(schema: dict[str, Any]) -> list[Any] | None:
    types = schema.get("type")
    if not isinstance(types, str | list):
        return None
    return [types] if isinstance(types, str) else types


def _kind(name: Any, schema: dict[str, Any]) -> Kind:
    if name == "string":
        kind = _FORMATS.get(str(schema.get("format")), Kind.TEXT)
        return _AIRBYTE_TYPES.get(str(schema.get("airbyte_type")), kind)
    if name == "integer":
        bounds = [schema[bound] for bound in ("minimum", "maximum") if isinstance(schema.get(bound), int)]
        return common_kind({Kind.INTEGER, *map(integer_kind, bounds)})
    if name == "number" and _step(schema):
        return Kind.DECIMAL
    return _SCALARS.get(name, Kind.JSON) if isinstance(name, str) else Kind.JSON


def _digits(schema: Any) -> Digits | None:
    """Those of a decimal: as many after the point as `multipleOf` has, and before it as the bounds allow."""
    if kind_of(schema) is not Kind.DECIMAL:
        return None
    decimals = [each for each in _alternatives(schema) if isinstance(each, dict) and _step(each)]
    if len(decimals) != 1:
        return None
    (schema,) = decimals
    step = _step(schema) or Decimal(1)
    scale = max(0, -int(step.normalize().as_tuple().exponent))
    highest = [_highest(schema, *names, step=step) for names in _BOUNDS]
    whole = max((each.adjusted() + 1 for each in highest if each is not None), default=0)
    return Digits(max(whole, 0) + scale or 1, scale) if None not in highest else Digits(max(MOST_DIGITS, scale), scale)


def _highest(schema: dict[str, Any], inclusive: str, exclusive: str, *, step: Decimal) -> Decimal | None:
    """The absolute value that the bound allows; None without a bound. In draft 4, `exclusive` is a Boolean."""
    if (limit := _number(schema.get(exclusive))) is not None:
        return abs(limit) - step
    limit = _number(schema.get(inclusive))
    return limit if limit is None else abs(limit) - (step if schema.get(exclusive) is True else 0)


def _step(schema: dict[str, Any]) -> Decimal | None:
    """The number that divides every value of `schema`; None if it names none."""
    step = _number(schema.get("multipleOf"))
    return step if step and step > 0 else None


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(str(value))
    return number if number.is_finite() else None
