"""A source or a destination that comes over HTTP, to be tried before any catalogue has it.

It is read as in a catalogue, but must not name what belongs to this machine. That is a precaution and no wall: a
package from an index, or an image, is a program as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from app.config.catalogue import build_catalogue
from app.config.classic.destinations import lifted_options
from app.config.documents import parse_document
from app.config.placeholder import PLACEHOLDER
from app.config.problems import CatalogueError, Problem
from app.config.texts import Texts
from app.config.this_machine import (
    ONLY_IN_CATALOGUES,
    destination_problems,
    is_local_option,
    is_local_text,
    source_problems,
    texts_in,
)
from app.connectors.kinds import DESTINATIONS
from app.connectors.options.complaints import key_names, render_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from app.config.catalogue import Catalogue
    from app.connectors.options.complaints import KeyPath, KeyProblem

UNSAVED: Final = "unsaved"
"""The id of what is tried."""

_PLACEHOLDER: Final = "has a placeholder, which is replaced only in a catalogue: send the value itself"
_LOCAL_SOURCES: Final = frozenset({"files", "python"})
_LOCAL_DESTINATIONS: Final = frozenset({"duckdb", "parquet", "dlt:duckdb", "dlt:filesystem"})


@dataclass(frozen=True, slots=True)
class Unsaved:
    """A catalogue with one source or destination, named `UNSAVED`; `warnings` are sentences about it."""

    catalogue: Catalogue
    warnings: tuple[str, ...]


def read_unsaved_source(written: Mapping[str, Any], *, without_collections: bool = False) -> Unsaved:
    """The source of a request, whose destinations do not count. Reads the disk: call it in a thread.

    Raises:
        CatalogueError: it is wrong, or names what only a catalogue may; has every reason, without secrets.
    """
    config = written.get("config")
    options: list[tuple[KeyPath, Any]] = [(("config",), config)]
    if isinstance(config, dict):
        options.append((("config", "auth"), config.get("auth")))
    found = source_problems(written.get("type"), config) if isinstance(config, dict) else ()
    _check(written, _LOCAL_SOURCES, options, [(("config", *path), message) for path, message in found])
    source = {key: value for key, value in written.items() if key not in {"destinations", "source_id"}}
    whole = {
        "sources": {UNSAVED: source | {"destinations": ["nowhere"]}},
        "destinations": {"nowhere": {"type": "none"}},
    }
    return _read(whole, "sources", without_collections=without_collections)


def read_unsaved_destination(written: Mapping[str, Any]) -> Unsaved:
    """The destination of a request; otherwise as `read_unsaved_source`."""
    kind = DESTINATIONS.get(str(written.get("type")))
    lifted, written_at, _ = lifted_options(dict(written), key_names(kind.options) if kind else ())
    options: list[tuple[KeyPath, Any]] = [
        (written_at.get(key, (key,))[:-1], {key: value}) for key, value in lifted.items()
    ]
    options += [(written_at.get(key, (key,)), lifted.get(key)) for key in ("parameters", "ssl")]
    # The place of a host that is missing is beside the other options.
    beside = written_at.get("database", written_at.get("user", ()))[:-1]
    found = [
        ((*written_at.get(str(path[0]), (*beside, path[0])), *path[1:]), message)
        for path, message in destination_problems(written.get("type"), lifted)
    ]
    _check(written, _LOCAL_DESTINATIONS, options, found)
    return _read({"destinations": {UNSAVED: dict(written)}}, "destinations")


def _read(whole: dict[str, Any], section: str, *, without_collections: bool = False) -> Unsaved:
    try:
        text = orjson.dumps(whole).decode()
    except orjson.JSONEncodeError:
        raise CatalogueError([Problem("", "is nested too deep")]) from None
    document = parse_document(text, "the request")
    catalogue = build_catalogue(Texts(document), {}, without_collections=without_collections)
    if catalogue.problems:
        raise CatalogueError(_below(section, catalogue.problems))
    return Unsaved(catalogue, tuple(map(str, _below(section, catalogue.warnings))))


def _below(section: str, problems: Iterable[Problem]) -> Iterator[Problem]:
    """The problems with the paths that they have in the request."""
    above = f"{section}.{UNSAVED}"
    for problem in problems:
        yield replace(problem, path=problem.path.removeprefix(above).removeprefix("."), place="")


def _check(
    written: Mapping[str, Any],
    local: frozenset[str],
    options: Iterable[tuple[KeyPath, Any]],
    addresses: Iterable[KeyProblem],
) -> None:
    problems: dict[KeyPath, str] = {}
    for path, text in texts_in(written):
        if PLACEHOLDER.search(text):
            problems[path] = _PLACEHOLDER
        elif is_local_text(path, text):
            problems[path] = ONLY_IN_CATALOGUES
    if isinstance(type_ := written.get("type"), str) and type_ in local:
        problems.setdefault(("type",), f"{type_!r} is {ONLY_IN_CATALOGUES}")
    for path, inner in options:
        for key, value in inner.items() if isinstance(inner, dict) else ():
            if is_local_option(str(key), value):
                problems.setdefault((*path, str(key)), ONLY_IN_CATALOGUES)
    for path, message in addresses:
        problems.setdefault(path, message)
    if problems:
        raise CatalogueError(Problem(render_path(path), message) for path, message in problems.items())
