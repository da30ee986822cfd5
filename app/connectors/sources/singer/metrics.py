"""Metrics that taps write among their log lines, made readable.

    INFO METRIC: {"type": "counter", "metric": "record_count", "value": 5, "tags": {"stream": "orders"}}

becomes `record_count 5 (stream orders)`; see https://sdk.meltano.com/en/latest/implementation/logging.html.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

_METRIC = re.compile(r"\bMETRIC: (?P<point>\{.*\})\s*$")
_NAMED_SECONDS = {"timer": " s"}


class _Point(msgspec.Struct):
    metric: str
    value: Any
    type: str = ""
    tags: dict[str, Any] = {}


_decode = msgspec.json.Decoder(_Point).decode


def format_metric(line: str) -> str:
    """The metric in `line`; `line` itself if it has none."""
    found = _METRIC.search(line)
    if found is None:
        return line
    try:
        point = _decode(found["point"])
    except (msgspec.MsgspecError, RecursionError):
        return line
    tags = ", ".join(f"{name} {_text(value)}" for name, value in point.tags.items() if value not in (None, {}, []))
    return f"{point.metric} {_text(point.value)}{_NAMED_SECONDS.get(point.type, '')}" + (f" ({tags})" if tags else "")


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
