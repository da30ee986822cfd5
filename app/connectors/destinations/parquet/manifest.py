"""The manifest of a collection: the files of its tables, how far it is, and which attempt may write.

Each change is a new file with the next number, which only one attempt can create; the highest number is valid.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from app.connectors.contract.standing import Standing  # noqa: TC001 - msgspec reads the annotations
from app.domain.errors import LeaseLostError, SynclineError
from app.failpoints import fail_point

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from app.connectors.contract.passes import Fence, Position
    from app.connectors.destinations.parquet.storage import Storage

LATEST = "latest.json"
# Special in paths, patterns, URLs, or the names of partition directories.
_SPECIAL = frozenset('/\\%*?[]{}#:"<>|=&+')
_LONGEST = 200
_NUMBERED = re.compile(r"(\d{12})\.json")
_KEPT = 10
_TRIES = 20


class DataFile(msgspec.Struct, frozen=True):
    """`name` is relative to the destination's path; the values of its column `cursor` range from `lowest` to `highest`.

    Releases up to 0.1.1 did not write the name of the column.
    """

    name: str
    rows: int
    lowest: str | None = None
    highest: str | None = None
    cursor: str | None = None


class TableState(msgspec.Struct, frozen=True):
    """`columns` are those of all files together: name → kind; a column that a file lacks is NULL there."""

    columns: dict[str, str]
    files: tuple[DataFile, ...] = ()
    unfinished: bool = False


class Manifest(msgspec.Struct, frozen=True):
    """`committed_at` is None until a first commit; `claim` is 0 in those of releases before 0.1.1."""

    version: int
    source: str
    collection: str
    task: str
    attempt: int
    generation: int
    bookmark: str | None = None
    completed_task: str | None = None
    committed_at: str | None = None
    tables: dict[str, TableState] = {}
    claim: int = 0
    standing: Standing | None = None

    def next_version(self, **changes: object) -> Manifest:
        """The next version."""
        return msgspec.structs.replace(self, version=self.version + 1, **changes)

    def position(self, fence: Fence, found: Collection[str]) -> Position:
        """How far the collection is, if these files exist."""

        def tables_without_rows(names: Sequence[str]) -> list[str]:
            return [name for name in names if not self._is_there(name, found)]

        return fence.position(
            generation=self.generation,
            bookmark=self.bookmark,
            completed_task=self.completed_task,
            loaded=self.committed_at is not None,
            standing=self.standing,
            tables_without_rows=tables_without_rows,
        )

    def without_missing(self, found: Collection[str]) -> Manifest:
        """The same without tables whose files are missing."""
        tables = {name: state for name, state in self.tables.items() if self._is_there(name, found)}
        return msgspec.structs.replace(self, tables=tables)

    def _is_there(self, table: str, found: Collection[str]) -> bool:
        known = self.tables.get(table)
        return known is not None and (not known.files or any(file.name in found for file in known.files))

    @property
    def file_names(self) -> set[str]:
        return {file.name for table in self.tables.values() for file in table.files}


class Manifests:
    """The manifests of one collection, in `directory`."""

    def __init__(self, storage: Storage, fence: Fence) -> None:
        self._storage = storage
        self._fence = fence
        self.directory = f"_syncline/{escape(fence.source)}/{escape(fence.collection)}"

    def claim(self) -> Manifest:
        """Shuts out every older attempt, by taking the number that it would create next.

        Raises:
            LeaseLostError: a newer attempt was here.
        """
        fence = self._fence
        for _ in range(_TRIES):
            known = self.newest()
            if known and (known.task, known.claim) > (fence.task, fence.claim):
                raise fence.overtaken_error(known.task)
            first = Manifest(0, fence.source, fence.collection, fence.task, fence.attempt, fence.generation)
            mine = (known or first).next_version(task=fence.task, attempt=fence.attempt, claim=fence.claim)
            if self._create(mine):
                self.verify(mine)
                if known:
                    self._storage.remove_parts(self.directory, older_than=self._name(known.version))
                if mine.committed_at:
                    # The previous attempt may have been killed just before it did this.
                    self._point_to(mine)
                return mine
        raise SynclineError(f"{self.directory}: other attempts keep creating manifests; gave up after {_TRIES} tries")

    def commit(self, manifest: Manifest) -> None:
        """Makes this what readers see.

        Raises:
            LeaseLostError: another attempt has the collection now.
        """
        if not self._create(manifest):
            raise self._overtaken_error()
        self.verify(manifest)
        fail_point("destination.bookmarked")
        self._point_to(manifest)
        for version in self._versions():
            if version <= manifest.version - _KEPT:
                self._storage.remove(self._name(version))

    def verify(self, manifest: Manifest) -> None:
        """Raises `LeaseLostError` unless `manifest` is the newest: numbers that were removed can be created again."""
        if max(self._versions(), default=0) != manifest.version:
            raise self._overtaken_error()

    def _overtaken_error(self) -> LeaseLostError:
        newest = self.newest()
        return self._fence.overtaken_error(newest.task if newest else None)

    def newest(self) -> Manifest | None:
        versions = self._versions()
        if not versions:
            return None
        return msgspec.json.decode(self._storage.read(self._name(max(versions))), type=Manifest)

    def _create(self, manifest: Manifest) -> bool:
        name, content = self._name(manifest.version), _text(manifest)
        if self._storage.create(name, content):
            return True
        # After a lost answer, a store's client retries and finds the file that it created itself.
        return self._storage.read(name) == content

    def _point_to(self, manifest: Manifest) -> None:
        """Points readers to the newest manifest, even if another attempt is doing so at the same time."""
        latest = None
        while latest is None or latest.version < manifest.version:
            self._storage.replace(f"{self.directory}/{LATEST}", _text(manifest))
            latest, manifest = manifest, self.newest() or manifest

    def _versions(self) -> list[int]:
        return [int(found[1]) for name in self._storage.names(self.directory) if (found := _NUMBERED.fullmatch(name))]

    def _name(self, version: int) -> str:
        return f"{self.directory}/{version:012}.json"


def escape(name: str) -> str:
    """A name as a directory name: unique, and not one that readers skip, as they do hidden directories."""
    text = "".join(one if one.isprintable() and one not in _SPECIAL else quote(one, safe="") for one in name)
    if text[0] in "._":
        text = f"%{ord(text[0]):02X}{text[1:]}"
    encoded = text.encode()
    if len(encoded) <= _LONGEST:
        return text
    return encoded[: _LONGEST - 13].decode(errors="ignore") + "~" + hashlib.sha256(encoded).hexdigest()[:12]


def _text(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1)
