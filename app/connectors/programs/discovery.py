"""Catalogs that were discovered before, kept in files: some programs take minutes to find out what there is."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from app.connectors import jsontext

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

_FORGOTTEN_AFTER_SECONDS = 7 * 86_400


class DiscoveredCatalog:
    """What one program with one configuration has discovered, for as long as `max_age`.

    A bookmark that is forgotten (`generation`) forgets the catalog with it; so does a changed file of the command.
    """

    def __init__(
        self, data_dir: Path, command: Sequence[str], config: str, *, generation: int, max_age: timedelta
    ) -> None:
        changed = [Path(word).stat().st_mtime_ns if Path(word).is_file() else 0 for word in command]
        # The configuration holds secrets: of it a digest is kept, and only the owner can read even that.
        key = json.dumps([list(command), changed, config, generation])
        self._directory = data_dir / "catalogs"
        self._path = self._directory / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
        self._max_age_seconds = max_age.total_seconds()

    def remembered(self) -> dict[str, Any] | None:
        """None where there is none, or one that is too old or damaged."""
        try:
            if self._age_seconds(self._path) >= self._max_age_seconds:
                return None
            catalog = jsontext.decode(self._path.read_bytes())
        except (OSError, msgspec.MsgspecError):
            return None
        return catalog if isinstance(catalog, dict) else None

    def remember(self, catalog: dict[str, Any]) -> None:
        """For the next attempts; those that nobody asked for in a week go."""
        if not self._max_age_seconds:
            return
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=self._directory, suffix=".json")
        with os.fdopen(descriptor, "w") as file:
            file.write(jsontext.encode(catalog))
        Path(name).replace(self._path)
        for path in self._directory.glob("*.json"):
            with suppress(FileNotFoundError):  # another attempt was quicker
                if self._age_seconds(path) > _FORGOTTEN_AFTER_SECONDS:
                    path.unlink()

    @staticmethod
    def _age_seconds(path: Path) -> float:
        return time.time() - path.stat().st_mtime
