"""Tables that a Singer catalog names for its streams, with Jitsu Classic's key `destination_table_name`."""

from __future__ import annotations

import json
import re
from typing import Any, Final

_KEY: Final = "destination_table_name"
_OTHERS: Final = re.compile(r"[^a-z0-9]")


def tables_in(catalog: Any) -> dict[str, str]:
    """The table of each stream that has one, by every name of the stream, in lower case and with underscores.

    A catalog that is text, but not JSON, is the path of a file and names no tables here.
    """
    streams = _parsed(catalog).get("streams")
    found: dict[str, str] = {}
    for stream in streams if isinstance(streams, list) else ():
        table = stream.get(_KEY) if isinstance(stream, dict) else None
        if isinstance(table, str) and table:
            names = (stream.get("stream"), stream.get("tap_stream_id"))
            # Of all letters Classic keeps only those of ASCII.
            found |= {str(name): _OTHERS.sub("_", table.lower()) for name in names if name}
    return found


def _parsed(catalog: Any) -> dict[str, Any]:
    if isinstance(catalog, str) and catalog.lstrip().startswith("{"):
        try:
            catalog = json.loads(catalog)
        except (ValueError, RecursionError):
            return {}
    return catalog if isinstance(catalog, dict) else {}
