"""Tables that a Singer catalog names for its streams, with Jitsu Classic's key `destination_table_name`."""

from __future__ import annotations

import json
from typing import Any, Final

from app.domain.classic_names import classic_name

_KEY: Final = "destination_table_name"


def tables_in(catalog: Any) -> dict[str, str]:
    """The table of each stream that has one, by every name of the stream, as Classic writes it.

    A catalog that is text, but not JSON, is the path of a file and names no tables here.
    """
    streams = _parsed(catalog).get("streams")
    found: dict[str, str] = {}
    for stream in streams if isinstance(streams, list) else ():
        table = stream.get(_KEY) if isinstance(stream, dict) else None
        if isinstance(table, str) and table:
            names = (stream.get("stream"), stream.get("tap_stream_id"))
            found |= {str(name): classic_name(table) for name in names if name}
    return found


def _parsed(catalog: Any) -> dict[str, Any]:
    if isinstance(catalog, str) and catalog.lstrip().startswith("{"):
        try:
            catalog = json.loads(catalog)
        except (ValueError, RecursionError):
            return {}
    return catalog if isinstance(catalog, dict) else {}
