"""Lines of a connector, as the Airbyte protocol describes them (airbyte_protocol.yaml, version 0)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

import msgspec

from app.connectors.programs.excerpts import excerpt
from app.connectors.programs.lost_messages import check_text, check_type, holds_values, parse_unread, text_in
from app.connectors.programs.sizes import check_values
from app.domain.errors import ConfigurationError, SynclineError

NULL: Final = msgspec.Raw(b"null")
# It comes once, and a connector with thousands of streams describes all their columns.
_CATALOG: Final = re.compile(rb'\s*\{\s*"type"\s*:\s*"CATALOG"')


class Descriptor(msgspec.Struct, frozen=True, omit_defaults=True):
    """Identifies a stream."""

    name: str
    namespace: str | None = None

    def __str__(self) -> str:
        return self.name if self.namespace is None else f"{self.namespace}.{self.name}"


class Record(msgspec.Struct):
    """With `file_reference` (older connectors: `file`) it describes a file that the connector has saved."""

    stream: str
    data: dict[str, Any]
    namespace: str | None = None
    file_reference: dict[str, Any] | None = None
    file: dict[str, Any] | None = None


class StreamState(msgspec.Struct):
    """`stream_state` stays JSON text, so that its numbers do not change."""

    stream_descriptor: Descriptor
    stream_state: msgspec.Raw = NULL


class GlobalState(msgspec.Struct):
    stream_states: list[StreamState]
    shared_state: msgspec.Raw = NULL


class State(msgspec.Struct, rename={"global_": "global"}):
    """Of one stream, of all streams together, or of the legacy kind, which is all in `data`."""

    type: str | None = None
    stream: StreamState | None = None
    global_: GlobalState | None = None
    data: msgspec.Raw = NULL


class LogMessage(msgspec.Struct):
    message: str = ""
    level: str = "INFO"
    stack_trace: str | None = None


class ErrorTrace(msgspec.Struct):
    message: str | None = None
    internal_message: str | None = None
    stack_trace: str | None = None
    failure_type: str | None = None
    stream_descriptor: Descriptor | None = None


class StatusTrace(msgspec.Struct):
    stream_descriptor: Descriptor
    status: str


class EstimateTrace(msgspec.Struct):
    name: str = ""
    namespace: str | None = None
    row_estimate: float | None = None


class Trace(msgspec.Struct):
    type: str = ""
    error: ErrorTrace | None = None
    stream_status: StatusTrace | None = None
    estimate: EstimateTrace | None = None


class NewConfig(msgspec.Struct):
    config: dict[str, Any]


class Control(msgspec.Struct, rename={"connector_config": "connectorConfig"}):
    type: str = ""
    connector_config: NewConfig | None = None


class ConnectionStatus(msgspec.Struct):
    status: str
    message: str | None = None


class Specification(msgspec.Struct, rename="camel"):
    """`connection_specification` is a JSON Schema of the configuration."""

    connection_specification: dict[str, Any]


class Message(msgspec.Struct, rename={"connection_status": "connectionStatus"}):
    """Any message; its `type` decides which fields it has."""

    type: str
    record: Record | None = None
    state: State | None = None
    log: LogMessage | None = None
    trace: Trace | None = None
    control: Control | None = None
    connection_status: ConnectionStatus | None = None
    catalog: dict[str, Any] | None = None
    spec: Specification | None = None


class _Type(msgspec.Struct):
    type: Any = None


_FIELDS: Final = {
    "RECORD": "record",
    "STATE": "state",
    "LOG": "log",
    "TRACE": "trace",
    "CONTROL": "control",
    "CONNECTION_STATUS": "connection_status",
    "CATALOG": "catalog",
    "SPEC": "spec",
}
_decode = msgspec.json.Decoder(Message, float_hook=Decimal).decode
_decode_type = msgspec.json.Decoder(_Type).decode


def parse_message(line: bytes) -> Message | None:
    """The message in a line; None for free text and for messages of unknown types.

    Raises:
        SynclineError: the line looks like a message but is not valid, or contains one, so data may be lost.
        ConfigurationError: values are nested too deeply or are too many, or a message of another type holds rows.
    """
    if not line.lstrip().startswith(b"{"):
        check_text(line, program="the connector")
        return None
    if not _CATALOG.match(line):
        check_values(line, program="the connector")
    try:
        message = _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, ArithmeticError) as error:
        if _is_something_else(line):
            _check_unread(line)
            return None
        why = "number out of range" if isinstance(error, ArithmeticError) else error
        raise SynclineError(
            f"the connector wrote a line that is not an Airbyte message: {why}: {excerpt(line)}"
        ) from None
    except RecursionError:
        raise ConfigurationError("the connector sent a message whose values are nested too deeply") from None
    if message.type not in _FIELDS:
        check_type(message.type, program="the connector")
        _check_unread(line)
        return None
    if getattr(message, _FIELDS[message.type]) is None:
        raise SynclineError(f"the connector sent a {message.type} message without content")
    return message


def _is_something_else(line: bytes) -> bool:
    """Whether it is text that begins with a brace, or JSON of another purpose."""
    try:
        return str(_decode_type(line).type) not in _FIELDS
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if line.lstrip()[1:].lstrip().startswith(b'"'):
            return False
        check_text(line, program="the connector")
        return True


def _check_unread(line: bytes) -> None:
    """Raises an error if the object in `line`, of an unknown type, holds rows or ends a stream."""
    message = parse_unread(line)
    type_, inner = text_in(message.type), parse_unread(message.record)
    if type_.strip().upper() == "TRACE" and holds_values(message.trace):
        raise SynclineError(f"the connector sent a message of type {type_!r}; it must be 'TRACE'")
    if message.is_log:
        return
    has_rows = text_in(inner.stream) or (text_in(message.stream) and holds_values(message.data))
    if has_rows or (type_ and (holds_values(message.record) or holds_values(message.records))):
        stream = text_in(inner.stream) or text_in(message.stream)
        about = f" for stream {stream!r}" if stream else ""
        shown = f"of type {type_!r}" if type_ else "without a type"
        raise ConfigurationError(
            f"the connector sent a message {shown}{about}, which is not read and may hold rows: of the messages that "
            "carry rows, only RECORD is read. In the connector's 'config', turn off what makes it send others"
        )
