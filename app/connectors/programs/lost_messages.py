"""Messages with rows that would be ignored silently."""

from __future__ import annotations

import functools
import re
from typing import Final

import msgspec

from app.domain.errors import SynclineError

CARRYING: Final = ("RECORD", "SCHEMA", "STATE")
_SHOWN_BYTES: Final = 200
_NOTHING: Final = msgspec.Raw(b"null")


class Unread(msgspec.Struct):
    """An object that is not a known message: its keys that may hold rows or a log line, each as any JSON."""

    type: msgspec.Raw = _NOTHING
    stream: msgspec.Raw = _NOTHING
    record: msgspec.Raw = _NOTHING
    records: msgspec.Raw = _NOTHING
    data: msgspec.Raw = _NOTHING
    trace: msgspec.Raw = _NOTHING
    level: msgspec.Raw = _NOTHING
    message: msgspec.Raw = _NOTHING
    msg: msgspec.Raw = _NOTHING

    @property
    def is_log(self) -> bool:
        """Whether it is a log line; some include the record that they are about."""
        return any(text_in(value) for value in (self.level, self.message, self.msg))


_decode = msgspec.json.Decoder(Unread).decode
_decode_values = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def parse_unread(line: bytes | msgspec.Raw) -> Unread:
    """The JSON object in a `line`; an empty one if there is none."""
    try:
        return _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Unread()


def values_of(line: bytes) -> dict[str, msgspec.Raw]:
    """Key in lower case → JSON, of the object in a `line`; empty if there is none."""
    try:
        return {key.lower(): value for key, value in _decode_values(line).items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def text_in(value: msgspec.Raw) -> str:
    """The string in this JSON; "" if it is not a string."""
    try:
        return msgspec.json.decode(value, type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def holds_values(value: msgspec.Raw) -> bool:
    """Whether it is a non-empty object or list."""
    return bytes(value)[:1] in (b"{", b"[") and len(bytes(value)[1:-1].strip()) > 0


def check_text(line: bytes, *, program: str, types: tuple[str, ...] = CARRYING) -> None:
    """Raises `SynclineError` if a `line` of text has a message in it: the text before it has no line break."""
    if b'"type"' in line and (found := _message(types).search(line)):
        shown = line[: found.end()][-_SHOWN_BYTES:].decode(errors="replace").strip()
        raise SynclineError(f"{program} wrote a message after text on the same line, where it would be lost: {shown}")


def check_type(type_: str, *, program: str) -> None:
    """Raises `SynclineError` for a type that differs only in spelling from one that carries data."""
    if type_.strip().upper() in CARRYING:
        raise SynclineError(
            f"{program} sent a message of unknown type {type_!r}; it must be one of {', '.join(CARRYING)}"
        )


@functools.cache
def _message(types: tuple[str, ...]) -> re.Pattern[bytes]:
    return re.compile(rf'"type"\s*:\s*"({"|".join(types)})"'.encode())
