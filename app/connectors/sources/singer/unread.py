"""Messages of a tap that are not read, although they hold rows or name files with rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from app.connectors.programs.lost_messages import holds_values, parse_unread, text_in, values_of
from app.connectors.sources.singer.batch_files import BATCH
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    import msgspec

# These may name a stream, but hold no rows: old versions of rows go at the end anyway, and the others report progress.
_WITHOUT_ROWS: Final = {
    "ACTIVATE_VERSION",
    *("COUNTER", "GAUGE", "HEARTBEAT", "METRIC", "METRICS", "PROGRESS", "STATUS", "TIMER"),
    *("DEBUG", "ERROR", "INFO", "LOG", "WARNING"),
}
# Where a message of an unknown type may hold rows, or name the files that hold them.
_ROWS: Final = (
    *("record", "records", "row", "rows", "data", "batch", "batches", "value", "values", "item", "items"),
    *(
        "payload",
        "body",
        "document",
        "documents",
        "object",
        "objects",
        "entry",
        "entries",
        "before",
        "after",
        "changes",
    ),
)
_FILES: Final = (
    "manifest",
    "file",
    "files",
    "filepath",
    "file_path",
    "filename",
    "path",
    "paths",
    "uri",
    "url",
    "urls",
)
# Types of messages that change rows, such as DELETE, DELETE_RECORD and TRUNCATE.
_CHANGES: Final = re.compile("DELET|REMOV|TOMBSTONE|TRUNCAT|PURGE|CLEAR|INSERT|UPDAT|UPSERT|MERGE|PATCH")
# Where such a message names rows, as objects; lists are those of columns.
_KEYS: Final = ("key", "keys", "key_properties", "primary_key", "primary_keys", "identity", "where", "old", "new")
# What marks a line of a log: who wrote it, or a sentence.
_LOG_KEYS: Final = ("logger", "levelname", "severity", "lvl")
_TEXT_KEYS: Final = ("event", "text", "log")


def unread_rows(line: bytes, *, is_wanted: Callable[[str], bool]) -> tuple[str, ConfigurationError] | None:
    """The stream ("" if unnamed) whose rows would be lost with the object in `line`, and the error to raise.

    None where it serves another purpose. A message of an unknown type for a stream that `is_wanted` must not hold what
    may be rows, or files of them, nor change rows that came before.
    """
    message = parse_unread(line)
    type_, stream = text_in(message.type), text_in(message.stream)
    kind = type_.strip().upper()
    about = f" for stream {stream!r}" if stream else ""
    if kind == BATCH:
        return stream, ConfigurationError(
            f"the tap sent a BATCH message{about} in an unknown form: only those of Meltano's SDK are read, which have "
            "an 'encoding' and a 'manifest'. In the tap's 'config', turn off what makes it send files instead of "
            "RECORD messages"
        )
    values = values_of(line)
    if message.is_log or kind in _WITHOUT_ROWS or (not kind and _is_log_line(values)):
        return None
    has_rows = holds_values(message.record) or holds_values(message.records)
    may_change_rows = _CHANGES.search(kind) or (kind and _may_hold_rows(values))
    if (has_rows and (kind or stream)) or (may_change_rows and is_wanted(stream)):
        shown = f"of type {type_!r}" if type_ else "without a type"
        return stream, ConfigurationError(
            f"the tap sent a message {shown}{about}, which is not read and may hold rows or delete some: only RECORD, "
            "SCHEMA, STATE and BATCH messages are read. In the tap's 'config', turn off what makes it send others; "
            "deletes can come as RECORD messages with '_sdc_deleted_at'"
        )
    return None


def _is_log_line(values: dict[str, msgspec.Raw]) -> bool:
    """Whether it is a log line without a level."""
    texts = [text_in(values[key]) for key in _TEXT_KEYS if key in values]
    return any(" " in text.strip() for text in texts) or any(text_in(values[key]) for key in _LOG_KEYS if key in values)


def _may_hold_rows(values: dict[str, msgspec.Raw]) -> bool:
    named = any(text_in(values[key]) for key in _FILES if key in values)
    keyed = any(holds_values(values[key]) and bytes(values[key])[:1] == b"{" for key in _KEYS if key in values)
    return named or keyed or any(holds_values(values[key]) for key in (*_ROWS, *_FILES) if key in values)
