"""Collections that write to one table: an error if one of them replaces the rows of the others, otherwise a warning."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.config.problems import PlaceOf, Problem, problem_at
from app.connectors.kinds import DESTINATIONS
from app.connectors.options.complaints import render_path
from app.domain.collection import ALL
from app.domain.writing import BAD_ROWS, WriteMode

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

    from app.config.destinations import Destination
    from app.config.sources import Source
    from app.connectors.options.complaints import KeyPath
    from app.domain.collection import Collection


@dataclass(frozen=True, slots=True)
class Clash:
    """The later of two collections that write to one table; `replaces` if one of them replaces all of its rows."""

    source: str
    problem: Problem
    replaces: bool


@dataclass(frozen=True, slots=True)
class _Writer:
    path: KeyPath
    destination: str
    table: str
    replaces: bool


def table_clashes(
    sources: Mapping[str, Source], destinations: Mapping[str, Destination], place: PlaceOf
) -> list[Clash]:
    """Finds them as far as the catalogue alone shows; each destination knows which names it takes for one."""
    return [
        Clash(
            source=str(later.path[1]),
            problem=problem_at(later.path, _explain(earlier, later), place),
            replaces=_loses_rows(earlier, later),
        )
        for *earlier, later in _writers_by_table(sources, destinations)
        if earlier
    ]


def _writers_by_table(
    sources: Mapping[str, Source], destinations: Mapping[str, Destination]
) -> Iterator[list[_Writer]]:
    writers: dict[tuple[Hashable, str], list[_Writer]] = defaultdict(list)
    for source in sources.values():
        for collection in source.collections.values():
            index = source.positions[collection.name]
            path: KeyPath = ("sources", source.id, "collections", index)
            for name in source.destinations:
                destination = destinations[name]
                kind = DESTINATIONS[destination.type]
                named = destination.table_name(collection.table_name)
                table = named.casefold() if kind.folds_case else named
                replaces = kind.replaces_for_all and _replaces(source, collection)
                writer = _Writer(path, name, named, replaces)
                # Which tables it has is not known yet; the same ones, wherever it writes.
                key = f"{ALL} of {source.id}" if collection.type == ALL else table
                writers[destination.home, key].append(writer)
                if collection.parameters.get("bad_rows") == "keep":
                    kept = f"{table}{BAD_ROWS}"
                    writers[destination.home, kept].append(_Writer(path, name, f"{named}{BAD_ROWS}", replaces))
    yield from writers.values()


def _replaces(source: Source, collection: Collection) -> bool:
    """Whether it surely replaces all rows of its table; what is not set may depend on the source."""
    if collection.write_mode is not None:
        return collection.write_mode is WriteMode.REPLACE
    reads_all = source.type == "sql" and not (collection.cursor_field or collection.parameters.get("cursor_field"))
    return collection.sync_mode == "full_refresh" or reads_all


def _loses_rows(earlier: list[_Writer], later: _Writer) -> bool:
    """Whether one replaces the rows of the other, or a collection has two destinations that are one."""
    return any(writer.replaces for writer in (*earlier, later)) or any(each.path == later.path for each in earlier)


def _explain(earlier: list[_Writer], later: _Writer) -> str:
    if any(each.path == later.path for each in earlier):
        return (
            f"destination {later.destination!r} has the same tables as another of its destinations: remove one of them"
        )
    others = ", ".join(dict.fromkeys(_named(writer, later) for writer in earlier))
    written = f"table {later.table!r} of destination {later.destination!r} is also written by {others}"
    if any(writer.replaces for writer in (*earlier, later)):
        return f"{written}, and one of them replaces all rows of the table: set another 'table_name'"
    return written


def _named(writer: _Writer, later: _Writer) -> str:
    """A writer, with its own names of table and destination where these differ."""
    names = [
        *([f"as {writer.table!r}"] if writer.table != later.table else []),
        *([f"through destination {writer.destination!r}"] if writer.destination != later.destination else []),
    ]
    different = f" ({', '.join(names)})" if names else ""
    return f"{render_path(writer.path)}{different}"
