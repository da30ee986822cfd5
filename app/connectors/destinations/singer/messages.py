"""Messages to a target, see https://github.com/singer-io/getting-started/blob/master/docs/SPEC.md."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from app.connectors.contract.schema import Kind
from app.connectors.values import jsontext
from app.connectors.values.casting import NOT_BYTES
from app.connectors.values.fitting import ValueRefusedError

if TYPE_CHECKING:
    from app.connectors.contract.schema import Digits, Table

_SCHEMAS: dict[Kind, dict[str, Any]] = {
    Kind.BOOLEAN: {"type": ["null", "boolean"]},
    Kind.INTEGER: {"type": ["null", "integer"]},
    Kind.BIG_INTEGER: {"type": ["null", "integer"], "maximum": 10**38},
    Kind.NUMBER: {"type": ["null", "number"]},
    Kind.DECIMAL: {"type": ["null", "number"]},
    Kind.FLOAT: {"type": ["null", "number"]},
    Kind.TEXT: {"type": ["null", "string"]},
    Kind.TIMESTAMP: {"type": ["null", "string"], "format": "date-time"},
    Kind.LOCAL_TIMESTAMP: {"type": ["null", "string"], "format": "date-time"},
    Kind.DATE: {"type": ["null", "string"], "format": "date"},
    Kind.TIME: {"type": ["null", "string"], "format": "time"},
    Kind.INTERVAL: {"type": ["null", "string"]},
    Kind.UUID: {"type": ["null", "string"], "format": "uuid"},
    Kind.JSON: {},
    Kind.BYTES: {"type": ["null", "string"], "contentEncoding": "base64"},
}


def schema_line(table: Table) -> bytes:
    properties = {name: _schema(kind, table.digits.get(name)) for name, kind in table.columns.items()}
    return _line(
        type="SCHEMA",
        stream=table.name,
        schema={"type": "object", "properties": properties},
        key_properties=list(table.identity),
        **({"bookmark_properties": [table.cursor_field]} if table.cursor_field else {}),
    )


def told_type(kind: Kind) -> str:
    """What a target is told of a column, in short: `string, date-time`; `any` if it may have any type."""
    schema = _SCHEMAS[kind]
    types = [each for each in schema.get("type", ["any"]) if each != "null"]
    return ", ".join([*types, *(schema[key] for key in ("format", "contentEncoding") if key in schema)])


def _schema(kind: Kind, digits: Digits | None) -> dict[str, Any]:
    known = {} if kind is not Kind.DECIMAL or digits is None else {"multipleOf": Decimal(1).scaleb(-digits.scale)}
    return _SCHEMAS[kind] | known


def record_lines(table: Table, records: list[dict[str, Any]], version: int | None) -> bytes:
    """Bytes are Base64, as JSON has none."""
    versioned = {} if version is None else {"version": version}
    return b"".join(_line(type="RECORD", stream=table.name, record=record, **versioned) for record in records)


def check_finite(table: Table, records: list[dict[str, Any]]) -> None:
    """Raises `ValueRefusedError` for a value that JSON does not have and that would become null."""
    for name in (name for name, kind in table.columns.items() if kind in (Kind.FLOAT, Kind.NUMBER)):
        for record in records:
            value = record.get(name)
            if isinstance(value, float | Decimal) and not jsontext.is_finite(value):
                raise ValueRefusedError(
                    f"column {name!r} of table {table.name!r} goes to a Singer target as JSON and cannot hold {value}"
                )


def check_bytes(table: Table, records: list[dict[str, Any]]) -> None:
    """Raises `ValueRefusedError` for text among bytes, which a target would take for Base64."""
    for name in (name for name, kind in table.columns.items() if kind is Kind.BYTES):
        for record in records:
            if isinstance(value := record.get(name), str):
                raise ValueRefusedError(
                    f"column {name!r} of table {table.name!r} is bytes and cannot hold {jsontext.preview(value)}: "
                    f"{NOT_BYTES}"
                )


def version_line(table: Table, version: int) -> bytes:
    """Tells the target to remove rows of other versions; one that does not know this message keeps them."""
    return _line(type="ACTIVATE_VERSION", stream=table.name, version=version)


def state_line(bookmark: str | None) -> bytes:
    return _line(type="STATE", value={"bookmark": msgspec.Raw((bookmark or "null").encode())})


def _line(**message: Any) -> bytes:
    return jsontext.encode(message).encode() + b"\n"
