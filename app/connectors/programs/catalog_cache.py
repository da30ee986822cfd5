"""Discovered catalogs, cached in files: some programs take minutes to discover their streams."""

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

from app.connectors.values import jsontext

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet
    from datetime import timedelta

_FORGOTTEN_AFTER_SECONDS = 7 * 86_400


class _Kept(msgspec.Struct):
    """`lacking` are fields, by stream, that came although the catalog does not have them."""

    catalog: dict[str, Any]
    lacking: dict[str, set[str]] = {}


_decode = msgspec.json.Decoder(_Kept, float_hook=jsontext.fraction).decode


def change_times(command: Sequence[str]) -> list[int]:
    """When each file in a command last changed, in nanoseconds since 1970: it may be another program now."""
    return [Path(word).stat().st_mtime_ns if Path(word).is_file() else 0 for word in command]


class DiscoveredCatalog:
    """The catalog that one program discovered with one configuration, valid for `max_age`.

    A reset of the bookmark (`generation`) discards the catalog as well; so does a changed file of the command.
    """

    def __init__(
        self, data_dir: Path, command: Sequence[str], config: str, *, generation: int, max_age: timedelta
    ) -> None:
        # The configuration holds secrets: only a digest of it is kept, and only the owner can read that.
        key = json.dumps([list(command), change_times(command), config, generation])
        self._directory = data_dir / "catalogs"
        self._path = self._directory / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
        self._max_age_seconds = max_age.total_seconds()
        self._catalog: dict[str, Any] | None = None
        self._lacking: dict[str, set[str]] = {}
        self.is_earlier = False
        """Whether the catalog in use comes from the cache: there may be more by now."""

    def recall(self) -> dict[str, Any] | None:
        """The cached catalog; None if there is none, or if it is too old or damaged."""
        try:
            if self._age_seconds(self._path) >= self._max_age_seconds:
                return None
            kept = _decode(self._path.read_bytes())
        except (OSError, msgspec.MsgspecError):
            return None
        self._catalog, self._lacking, self.is_earlier = kept.catalog, kept.lacking, True
        return kept.catalog

    def remember(self, catalog: dict[str, Any]) -> None:
        """Keeps `catalog` for the next attempts; removes those that were not used for a week."""
        self._catalog, self._lacking, self.is_earlier = catalog, {}, False
        if self._max_age_seconds:
            self._write(discovered=time.time())
            self._forget_old()

    def missing_fields(self, stream: str) -> AbstractSet[str]:
        """The fields of `stream` that have come although the catalog does not have them."""
        return self._lacking.get(stream, set())

    def note_missing_fields(self, stream: str, fields: AbstractSet[str]) -> None:
        """Notes that `fields` came; the catalog's age stays the same."""
        if not fields:
            return
        self._lacking.setdefault(stream, set()).update(fields)
        if self._catalog is not None and self._max_age_seconds:
            with suppress(FileNotFoundError):  # it was removed meanwhile
                self._write(discovered=self._path.stat().st_mtime)

    def _write(self, *, discovered: float) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=self._directory, suffix=".json")
        with os.fdopen(descriptor, "w") as file:
            file.write(jsontext.encode(_Kept(self._catalog or {}, self._lacking)))
        os.utime(name, (discovered, discovered))
        Path(name).replace(self._path)

    def _forget_old(self) -> None:
        for path in self._directory.glob("*.json"):
            with suppress(FileNotFoundError):  # another attempt was quicker
                if self._age_seconds(path) > _FORGOTTEN_AFTER_SECONDS:
                    path.unlink()

    @staticmethod
    def _age_seconds(path: Path) -> float:
        return time.time() - path.stat().st_mtime
