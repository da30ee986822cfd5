"""Lines of a tap, as https://github.com/singer-io/getting-started/blob/master/docs/SPEC.md describes them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from app.connectors.programs.excerpts import excerpt
from app.connectors.programs.lost_messages import CARRYING, check_text, check_type
from app.connectors.programs.sizes import check_state, check_values
from app.connectors.sources.singer.batch_files import BATCH, Batch, parse_batch
from app.domain.errors import ConfigurationError, SynclineError


class Message(msgspec.Struct):
    """Any message; its `type` decides which fields it has. `value` stays JSON text: it may be anything."""

    type: str = ""
    stream: str = ""
    record: dict[str, Any] | None = None
    value: msgspec.Raw = msgspec.Raw(b"null")
    schema: dict[str, Any] | None = None
    key_properties: list[str] | None = None
    bookmark_properties: list[str] | str | None = None


class _Type(msgspec.Struct):
    type: Any = None


_KNOWN = set(CARRYING)
_decode = msgspec.json.Decoder(Message, float_hook=Decimal).decode
_decode_type = msgspec.json.Decoder(_Type).decode


def parse_message(line: bytes) -> Message | Batch | None:
    """The message in a line; None for free text and for messages of types or forms that are not read.

    Raises:
        SynclineError: the line looks like a message but is not valid, or contains one, so data may be lost.
        ConfigurationError: values are nested too deeply or are too many, or a STATE is too large for a bookmark.
    """
    if not line.lstrip().startswith(b"{"):
        check_text(line, program="the tap", types=(*CARRYING, BATCH))
        return None
    check_values(line, program="the tap")
    try:
        message = _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, ArithmeticError) as error:
        if _is_something_else(line):
            return None
        why = "number out of range" if isinstance(error, ArithmeticError) else error
        raise SynclineError(f"not a Singer message: {why}: {excerpt(line)}") from None
    except RecursionError:
        raise ConfigurationError("the tap sent a message whose values are nested too deeply") from None
    if message.type == "STATE":
        check_state(bytes(message.value), program="the tap")
    if message.type in _KNOWN:
        return message
    if message.type == BATCH:
        return parse_batch(line)
    check_type(message.type, program="the tap")
    return None


def _is_something_else(line: bytes) -> bool:
    try:
        return str(_decode_type(line).type) not in _KNOWN
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
