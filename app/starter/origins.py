"""Where somebody's data are: a database or files, as a source of a catalogue."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app.connectors.options.addresses import protocol_of
from app.domain.errors import ConfigurationError
from app.domain.patterns import matches_any
from app.domain.redaction import mask_secrets
from app.domain.secret_values import secrets_in
from app.starter.folders import collection_of_file, collections_in, is_data_file, stem_of
from app.starter.names import has_placeholder, source_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

FORMS: Final = "a URL such as postgresql://user@host/database, a file of SQLite or DuckDB, or a directory of files"

_LOGIN: Final = re.compile(r"([A-Za-z][\w+.-]*://)([^/?#]*)@(.*)", re.DOTALL)
_UNREADABLE_LOGIN: Final = re.compile(r"[A-Za-z][\w+.-]*://[^/?#@:]*:[^@]*@")
_FILES: Final = frozenset({"http", "https"})
_OTHERS: Final = frozenset({"s3", "gs", "redis", "rediss", "mongodb", "mongodb+srv"})
# The first bytes of a file, and where they begin.
_MAGIC: Final = (("sqlite", 0, b"SQLite format 3\0"), ("duckdb", 8, b"DUCK"))


@dataclass(frozen=True, slots=True)
class Origin:
    """A source: its id, type, `config`, and the `collections` that it cannot find by itself.

    `variables` are those of the environment that the file refers to, with their secret values. `skipped` says what is
    left out.
    """

    name: str
    type: str
    config: Mapping[str, Any] = field(default_factory=dict)
    collections: tuple[Mapping[str, Any], ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    skipped: tuple[str, ...] = ()

    def only(self, patterns: Sequence[str]) -> Self:
        """With those of its collections that match one of the patterns, so that no others are read.

        Raises:
            ConfigurationError: there are some, and none matches.
        """
        if not (patterns and self.collections):
            return self
        names = [str(each["name"]) for each in self.collections]
        found = tuple(each for each, name in zip(self.collections, names, strict=True) if matches_any(name, patterns))
        if not found:
            raise ConfigurationError(f"--only takes none of these: {', '.join(map(repr, names))}")
        return replace(self, collections=found)


@dataclass(frozen=True, slots=True)
class Address:
    """A URL as it may stand in a file: a secret of it is in a variable."""

    url: str
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


def read_origin(given: str) -> Origin:
    """What somebody has named as the place of the data.

    Raises:
        ConfigurationError: it is nothing that can be read, or it does not exist. Secrets are not quoted.
    """
    if "://" in given:
        return _of_url(given)
    if has_placeholder(given):
        raise ConfigurationError(f"{given!r} would be read as a placeholder: rename it, or use a link to it")
    path = _whole_path(given)
    if not path.exists():
        raise ConfigurationError(f"{given!r} is neither a URL nor a file or directory here; give {FORMS}")
    if path.is_dir():
        collections, skipped = collections_in(path)
        return Origin(source_name(path.name), "files", collections=collections, skipped=skipped)
    if kind := _database_in(path):
        return Origin(source_name(path.stem), "sql", {"url": f"{kind}:///{path}"})
    if is_data_file(path.name):
        return Origin(source_name(path.parent.name), "files", collections=(collection_of_file(path),))
    raise ConfigurationError(f"{given!r} is none of the files that can be read: SQLite, DuckDB, CSV, JSONL or Parquet")


def needs_password(given: str) -> str | None:
    """The user of a database's URL that has no password; None if there is no need to ask for one."""
    found = _LOGIN.fullmatch(given)
    if not found or protocol_of(given) in _FILES or secrets_in(given):
        return None
    user, colon, _ = found[2].partition(":")
    return user if user and not colon else None


def with_password(given: str, password: str) -> str:
    """The URL with this password."""
    from urllib.parse import quote  # noqa: PLC0415 -- beside its only use

    found = _LOGIN.fullmatch(given)
    return f"{found[1]}{found[2]}:{quote(password, safe='')}@{found[3]}" if found else given


def without_secrets_in(url: str, name: str) -> Address:
    """The URL with variables in place of its secrets; `name` is that of the part of the catalogue."""
    prefix = re.sub(r"\W", "_", name).upper()
    found = _LOGIN.fullmatch(url)
    user, colon, password = found[2].partition(":") if found else ("", "", "")
    if found and password and not secrets_in(f"{found[1]}{found[3]}"):
        variable = f"{prefix}_PASSWORD"
        return Address(f"{found[1]}{user}{colon}${{env.{variable}}}@{found[3]}", {variable: password})
    if not found and _UNREADABLE_LOGIN.match(url):
        raise ConfigurationError(
            "the password in the URL has a '/', '?' or '#': write it as %2F, %3F or %23, so that it can be kept secret"
        )
    if secrets_in(url):
        return Address(f"${{env.{prefix}_URL}}", {f"{prefix}_URL": url})
    return Address(url)


def _of_url(given: str) -> Origin:
    scheme = protocol_of(given)
    shown = mask_secrets(given)
    if scheme in _FILES:
        name = given.partition("?")[0].rpartition("/")[2]
        if not is_data_file(name):
            raise ConfigurationError(f"{shown!r} does not end with the name of a CSV, JSONL or Parquet file")
        address = without_secrets_in(given, "source")
        collection = {"name": stem_of(name), "parameters": {"path": address.url}}
        return Origin("web", "files", collections=(collection,), variables=address.variables)
    if scheme == "file":
        return read_origin(given.removeprefix("file://"))
    if scheme in _OTHERS:
        raise ConfigurationError(
            f"{scheme}:// cannot be looked into without a catalogue: write one as docs/sources shows, or give {FORMS}"
        )
    name = source_name(given.partition("?")[0].rstrip("/").rpartition("/")[2].partition(".")[0])
    address = without_secrets_in(given, name)
    return Origin(name, "sql", {"url": address.url}, variables=address.variables)


def _whole_path(given: str) -> Path:
    """The path from the root, without `..`. Links stay, except where `..` leads out of one."""
    path = Path(given).expanduser().absolute()
    after = max((place for place, part in enumerate(path.parts, 1) if part == ".."), default=0)
    return Path(*path.parts[:after]).resolve().joinpath(*path.parts[after:])


def _database_in(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            begin = file.read(16)
    except OSError as error:
        raise ConfigurationError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    return next((kind for kind, at, magic in _MAGIC if begin[at : at + len(magic)] == magic), None)
