"""JSON as PostgreSQL's jsonb accepts it."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson

_NOT_STORABLE: Final = re.compile("[\0\ud800-\udfff]")


def jsonb_text(value: Any) -> str:
    """JSON that jsonb accepts: NUL and lone surrogates, which it refuses, become replacement characters."""
    try:
        text = orjson.dumps(value).decode()
    except TypeError:  # a lone surrogate, or a number of more than 64 bits
        return _slow_jsonb(value)
    # An escaped backslash before u0000 matches too, which is harmless: the slow way is right for every text.
    return _slow_jsonb(value) if "\\u0000" in text else text


def _slow_jsonb(value: Any) -> str:
    """The same for values that orjson refuses; times and UUIDs in the form that PostgreSQL reads."""
    return json.dumps(_storable(value), ensure_ascii=False, default=str)


def _storable(value: Any) -> Any:
    match value:
        case str():
            return _NOT_STORABLE.sub("\ufffd", value)
        case dict():
            return {_storable(key): _storable(item) for key, item in value.items()}
        case list() | tuple():
            return [_storable(item) for item in value]
        case _:
            return value
