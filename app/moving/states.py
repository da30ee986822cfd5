"""Which bookmark each collection gets of what Jitsu Classic's Redis keeps, and why some get none."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.config.classic.programs import PROGRAMS
from app.connectors.programs.documents import read_document
from app.connectors.sources.classic.mapping import DRIVERS
from app.connectors.values import jsontext
from app.domain.collection import ALL
from app.domain.counts import count
from app.domain.errors import SynclineError
from app.domain.secret_values import secrets_in
from app.moving.intervals import loaded_windows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from app.config.catalogue import Catalogue
    from app.config.sources import Source
    from app.domain.collection import Collection
    from app.moving.redis_keys import Chunks

_STATE: Final = "ALL"
_CONFIG: Final = "_JITSU_config"
_NOTHING: Final = "Jitsu Classic has no bookmark of it: the first task begins at the beginning"
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class State:
    """The bookmark of a collection, as JSON text."""

    source: str
    collection: str
    bookmark: str


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that is not carried over: `subject` is a collection, a source or a key. `is_loss`: it matters."""

    subject: str
    text: str
    is_loss: bool = True


def states_in(chunks: Chunks, catalogue: Catalogue, *, project: str | None = None) -> list[State | Remark]:
    """What becomes of everything in `chunks`, first by the catalogue's order.

    The ids of sources in Redis begin with `project`, if Classic gets them from a configurator. Without it, they may
    begin with any, if that is clear. Those in the catalogue may begin with it, too.
    """
    matching = _Matching(chunks, project)
    found: list[State | Remark] = []
    for source in catalogue.sources.values():
        found += matching.of(source)
    for id_ in catalogue.rejected:
        if known := matching.candidates(id_):
            found.append(Remark(id_, "cannot be used yet, so its bookmarks are not carried over: correct it first"))
            matching.use_all(known)
    return [*found, *matching.rest()]


def secrets_of(chunks: Chunks) -> frozenset[str]:
    """The secrets of the configurations that programs have renewed."""
    return secrets_in([[*values.values()] for (_, key), values in chunks.items() if key.endswith(_CONFIG)])


class _Matching:
    """Finds the keys of each source, and knows which are left."""

    def __init__(self, chunks: Chunks, project: str | None) -> None:
        self._chunks = chunks
        self._project = project
        self._ids = sorted({source for source, _ in chunks})
        self._left = {pair for pair in chunks if not pair[1].endswith(_CONFIG)}

    def of(self, source: Source) -> Iterator[State | Remark]:
        candidates = self.candidates(source.id)
        if len(candidates) > 1:
            self.use_all(candidates)
            names = ", ".join(f"'{each}'" for each in candidates)
            yield Remark(source.id, f"Redis has several sources of this name: {names}; name the project with --project")
            return
        # None in Redis has an empty id.
        known = candidates[0] if candidates else ""
        if source.type in PROGRAMS:
            yield from self._program(source, known)
            return
        for collection in source.collections.values():
            yield from self._driver(source, collection, known)

    def use_all(self, ids: Sequence[str]) -> None:
        self._left = {pair for pair in self._left if pair[0] not in ids}

    def rest(self) -> Iterator[Remark]:
        for source, key in sorted(self._left):
            yield Remark(f"source#{source}:collection#{key}:chunks", "is not carried over: no source here uses it")

    def candidates(self, id_: str) -> list[str]:
        """Sources in Redis that may be this one; Classic reads ids in its own file in lower case."""
        names = [id_, id_.lower()]
        if self._project and not id_.startswith(f"{self._project}."):
            names = [f"{self._project}.{id_}"]
        for name in names:
            if name in self._ids:
                return [name]
        return [] if self._project else [each for each in self._ids if each.partition(".")[2] in names]

    def _program(self, source: Source, known: str) -> Iterator[State | Remark]:
        programs = _programs(source.config)
        keys = sorted(key for owner, key in self._chunks if owner == known and not key.endswith(_CONFIG))
        key = next((each for each in keys if each in programs), None)
        if key is None and len(keys) == 1 and not {"tap", "docker_image"} & source.config.keys():
            # The source is run in another way now, such as by a command.
            [key] = keys
        bookmark = self._chunks[known, key].get(_STATE) if key else None
        self._left.discard((known, key or ""))
        if bookmark and ALL in source.collections:
            yield State(source.id, ALL, bookmark)
        elif bookmark:
            names = ", ".join(source.collections)
            yield Remark(
                source.id,
                f"its state is that of all streams together, and the catalogue has them apart ({names}): set the "
                "bookmark of each with 'syncline bookmarks set'",
            )
        else:
            yield Remark(source.id, _NOTHING, is_loss=False)
        yield from self._renewed(source, known, key or "")

    def _renewed(self, source: Source, known: str, key: str) -> Iterator[Remark]:
        """A program may have written new tokens into its configuration; Classic keeps it after each run."""
        kept = self._chunks.get((known, key + _CONFIG), {}).get(_STATE)
        if kept and not _is_same_config(kept, source.config.get("config")):
            yield Remark(
                source.id,
                "Jitsu Classic keeps another configuration of it than the catalogue, which the program may have "
                "renewed. If logging in fails, look at redis-cli hget "
                f"'source#{known}:collection#{key}{_CONFIG}:chunks' ALL",
            )

    def _driver(self, source: Source, collection: Collection, known: str) -> Iterator[State | Remark]:
        subject = f"{source.id}.{collection.name}"
        # A configurator names tables after the source without its project.
        bare = known.partition(".")[2] or known
        tables = (collection.table_name, f"{known}_{collection.name}", f"{bare}_{collection.name}")
        keys = dict.fromkeys((known, f"{collection.name}_{table}") for table in tables)
        pair = next((each for each in keys if each in self._chunks), None)
        if pair:
            self._left.discard(pair)
        signatures = self._chunks[pair] if pair else {}
        if source.type == "redis" or collection.sync_mode == "full_refresh":
            yield Remark(subject, "needs no bookmark: everything is read each time", is_loss=False)
        elif not signatures:
            yield Remark(subject, _NOTHING, is_loss=False)
        elif collection.interval and (bookmark := loaded_windows(signatures, collection.interval)):
            yield State(source.id, collection.name, bookmark)
        else:
            yield Remark(subject, _why_not(source, collection, len(signatures)))


def _why_not(source: Source, collection: Collection, intervals: int) -> str:
    start = collection.for_attempt(dt.datetime.now(dt.UTC)).start_date
    reader = "another connector reads it here" if source.type in DRIVERS else "it is read without an 'interval' here"
    return (
        f"{count(intervals, 'interval')} of Jitsu Classic's cannot be carried over, because {reader}: the first task "
        f"loads everything from {start}"
    )


def _programs(config: Mapping[str, Any]) -> set[str]:
    """What Classic may call the program: a tap, or an image of Airbyte's without its publisher and version."""
    named = [str(config[key]) for key in ("tap", "docker_image", "image") if config.get(key)]
    package = config.get("package")
    named += [str(each) for each in (package if isinstance(package, list | tuple) else [package]) if each]
    plain = [each.removeprefix("airbyte/").removeprefix("airbyte-") for each in named]
    return {found[0] for each in (*named, *plain) if (found := _NAME.match(each))} | set(plain)


def _is_same_config(kept: str, written: Any) -> bool:
    try:
        given = read_document(written or {}, "config")
        return bool(jsontext.decode(kept) == jsontext.decode(jsontext.encode(given)))
    except (SynclineError, msgspec.MsgspecError, ValueError, RecursionError):
        return False
