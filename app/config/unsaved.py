"""A source or a destination that comes over HTTP, to be tried before any catalogue has it.

It is read as in a catalogue, but must not name what belongs to this machine. That is a precaution and no wall: a
package from an index, or an image, is a program as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from app.config.catalogue import build_catalogue
from app.config.classic.destinations import lifted_options
from app.config.documents import parse_document
from app.config.placeholder import PLACEHOLDER
from app.config.problems import CatalogueError, Problem
from app.config.texts import Texts
from app.connectors.kinds import DESTINATIONS
from app.connectors.options.complaints import key_names, render_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from app.config.catalogue import Catalogue
    from app.connectors.options.complaints import KeyPath

UNSAVED: Final = "unsaved"
"""The id of what is tried."""

_PLACEHOLDER: Final = "has a placeholder, which is replaced only in a catalogue: send the value itself"
_ONLY_IN_CATALOGUES: Final = (
    "is possible only in a catalogue: what comes over HTTP must not name programs, files or options of Docker here"
)
_LOCAL_SOURCES: Final = frozenset({"files", "python"})
_LOCAL_DESTINATIONS: Final = frozenset({"duckdb", "parquet", "dlt:duckdb", "dlt:filesystem"})
_LOCAL_KEYS: Final = frozenset({"command", "components", "docker_options", "network", "password_command"})
_DOCUMENTS: Final = frozenset(
    {"catalog", "config", "initial_state", "manifest", "properties", "service_account_key", "settings", "state"}
)
_PACKAGES: Final = frozenset({"constraints", "package", "tap"})
_FILES_OF_CONNECTIONS: Final = frozenset(
    {"passfile", "service", "servicefile", "sslcert", "sslcrl", "sslcrldir", "sslkey", "sslrootcert"}
)
_CERTIFICATES: Final = frozenset({"client_cert", "client_key", "server_ca"})
_LOCAL_URL: Final = re.compile(
    r"\s*(?:sqlite|duckdb|unix)[+\w]*:"
    rf"|(?:^|[\s?&])(?:{'|'.join(sorted(_FILES_OF_CONNECTIONS))})\s*="
    # A directory of sockets.
    r"|(?:^|[\s?&])host\s*=\s*'?(?:[/@]|%2f|%40)|@%2f|//%2f",
    re.IGNORECASE,
)


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
    _check(written, _LOCAL_SOURCES, options)
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
    _check(written, _LOCAL_DESTINATIONS, options)
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


def _check(written: Mapping[str, Any], local: frozenset[str], options: Iterable[tuple[KeyPath, Any]]) -> None:
    problems = [(path, _PLACEHOLDER) for path, text in _texts(written) if PLACEHOLDER.search(text)]
    if isinstance(type_ := written.get("type"), str) and type_ in local:
        problems.append((("type",), f"{type_!r} {_ONLY_IN_CATALOGUES}"))
    problems += [
        ((*path, str(key)), _ONLY_IN_CATALOGUES)
        for path, inner in options
        if isinstance(inner, dict)
        for key, value in inner.items()
        if _is_local(key, value)
    ]
    if problems:
        raise CatalogueError(Problem(render_path(path), message) for path, message in problems)


def _texts(written: Any) -> Iterator[tuple[KeyPath, str]]:
    left: list[tuple[KeyPath, Any]] = [((), written)]
    while left:
        path, value = left.pop()
        match value:
            case str():
                yield path, value
            case dict():
                left += [((*path, str(key)), inner) for key, inner in value.items()]
            case list():
                left += [((*path, index), inner) for index, inner in enumerate(value)]


def _is_local(key: str, value: Any) -> bool:
    """Whether an option names a program or a file of this machine."""
    if value in (None, "", [], {}):
        return False
    if key in _LOCAL_KEYS or key in _FILES_OF_CONNECTIONS:
        return True
    if key in _DOCUMENTS:
        return isinstance(value, str) and not value.lstrip().startswith(("{", "["))
    if key in _CERTIFICATES:
        return isinstance(value, str) and "-----BEGIN " not in value
    if key in _PACKAGES:
        lines = value if isinstance(value, list) else [value]
        is_file = key == "constraints" and isinstance(value, str) and "\n" not in value
        return is_file or any("@" in str(line) for line in lines)
    # A directory of sockets, or a socket.
    return (key == "host" and str(value).startswith(("/", "@"))) or (
        key in {"host", "url"} and bool(_LOCAL_URL.search(str(value)))
    )
