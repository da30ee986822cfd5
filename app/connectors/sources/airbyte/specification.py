"""Which values of a connector's configuration are secret, by its own specification."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from app.connectors.values import jsontext
from app.domain.secret_values import SHORTEST_SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

_DEEPEST = 32


def secrets_by(specification: Any, config: Any) -> frozenset[str]:
    """The texts in `config` that `specification`, a JSON Schema, marks as `airbyte_secret`."""
    return frozenset(text for text in _secret_texts(specification, config, 0) if len(text) >= SHORTEST_SECRET)


def _secret_texts(schema: Any, value: Any, depth: int) -> Iterator[str]:
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return
    if schema.get("airbyte_secret") is True and isinstance(value, str | int):
        yield str(value)
    for union in ("oneOf", "anyOf", "allOf"):
        for option in schema.get(union) or ():
            yield from _secret_texts(option, value, depth + 1)
    properties = schema.get("properties")
    if isinstance(value, dict) and isinstance(properties, dict):
        for name, inner in value.items():
            yield from _secret_texts(properties.get(name), inner, depth + 1)
    if isinstance(value, list):
        for item in value:
            yield from _secret_texts(schema.get("items"), item, depth + 1)


class KnownSpecification:
    """The specification of a connector, kept in a file for `max_age`; that of a pinned version for ever."""

    def __init__(self, data_dir: Path, origin: Sequence[str], *, max_age: timedelta | None = None) -> None:
        digest = hashlib.sha256(json.dumps(list(origin)).encode()).hexdigest()[:32]
        self._path = data_dir / "specifications" / f"{digest}.json"
        self._max_age = max_age

    def load(self) -> Any:
        """None if there is none, or it is too old or damaged."""
        try:
            if self._max_age is not None and self._age_seconds() >= self._max_age.total_seconds():
                return None
            return jsontext.decode(self._path.read_bytes())
        except (OSError, msgspec.MsgspecError):
            return None

    def save(self, specification: Any) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, suffix=".json")
        with os.fdopen(descriptor, "w") as file:
            file.write(jsontext.encode(specification))
        Path(name).replace(self._path)

    def _age_seconds(self) -> float:
        return time.time() - self._path.stat().st_mtime
