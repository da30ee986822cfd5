"""Names that occur twice in one JSON object: decoders keep the last value and drop the others in silence."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from app.connectors.values import jsontext

_encode = msgspec.json.Encoder().encode


class RepeatedNameError(ValueError):
    """A name stands twice in one object."""


def check_names(text: str, decoded: Any) -> None:
    """Raises `RepeatedNameError` if a name stands twice in an object of `text`, which was `decoded`; quick if not."""
    if may_repeat_names(text, decoded) and (name := repeated_name(text)) is not None:
        raise RepeatedNameError(
            f"the name {jsontext.preview(name)} stands twice in one object of JSON, so that one of its values would be "
            "lost"
        )


def may_repeat_names(text: str, decoded: Any) -> bool:
    r"""Whether JSON may have lost values when it was decoded; quick, and rarely true in vain.

    Every name has a colon, and every value that was dropped has taken its name along. Only an escaped colon
    (`\u003a`) changes the number otherwise.
    """
    return text.count(":") != _encode(decoded).count(b":") or "\\u003" in text


def repeated_name(text: str) -> str | None:
    """The first name that occurs twice in one object of `text`, which is valid JSON; slow."""
    found: list[str] = []

    def check(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                found.append(name)
            seen.add(name)

    # Numbers do not matter here, and Python refuses the longest ones.
    json.loads(text, object_pairs_hook=check, parse_int=str, parse_float=str)
    return found[0] if found else None
