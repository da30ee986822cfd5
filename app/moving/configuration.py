"""Reads Jitsu Classic's configuration: a file, or the export of its configurator at a URL."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app.config.catalogue import Catalogue, build_catalogue
from app.config.classic.keys import SECTIONS, without_ignored
from app.config.files import LARGEST_TEXT
from app.config.reader import CatalogueReader
from app.config.substitution import Substitution
from app.config.texts import PARTS, Part, Texts, content_of
from app.domain.errors import ConfigurationError
from app.domain.secret_values import secrets_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.config.documents import Document
    from app.config.problems import PlaceOf, Problem

_WEB: Final = ("http://", "https://")
_PRIVATE: Final = 0o600


@dataclass(frozen=True, slots=True)
class Classic:
    """A configuration of Jitsu Classic.

    `texts` are the text itself and those that it names for its sources and destinations. `catalogue` is what Syncline
    makes of them as they are. `missing` are placeholders that have no value on this machine. `file` is None for a URL.
    `secrets` are those of everything in it, also of sections that mean nothing to Syncline.
    """

    name: str
    file: Path | None
    texts: Texts
    catalogue: Catalogue
    missing: tuple[Problem, ...]
    secrets: frozenset[str] = field(repr=False)

    @property
    def written(self) -> dict[str, Any]:
        """Everything in it, with its placeholders."""
        value: dict[str, Any] = self.texts.main.value
        return value

    def content(self, part: Part) -> Any:
        """Its sources or destinations, or their address if they stay at a URL, which may change them."""
        separate = self.texts.separate(part)
        if separate is None or _is_web(separate):
            return self.written.get(part)
        return content_of(separate, part)[0]

    @property
    def mode(self) -> int:
        """The mode of a file with everything in it, which only those may read who can read all of the texts."""
        # What is neither in the file nor in another one comes from a variable or a file with secrets.
        files = [Path(each.name) for part in PARTS if (each := self.texts.separate(part)) and not _is_web(each)]
        mode = _mode_of(self.file) if self.file else _PRIVATE
        for file in files:
            mode &= _mode_of(file)
        return mode | _PRIVATE


def read_classic(given: str, environment: Mapping[str, str]) -> Classic:
    """Read the file at the path `given`, or what is at this URL, which may have placeholders.

    Raises:
        CatalogueError: it cannot be read, or something outside of single sources and destinations is wrong.
        ConfigurationError: the URL cannot be used.
    """
    file = None if given.lower().startswith(_WEB) else Path(given)
    if file is None:
        reader = _reader_of_url(resolved("--from", given, environment), environment)
    else:
        reader = CatalogueReader(file, environment)
    with reader.refusing():
        texts = reader.read()
        missing, secrets = _examine(texts, environment)
        usable = replace(texts, main=_without_missing_sections(texts.main, missing))
        catalogue = build_catalogue(usable, environment, directory=reader.directory)
    name = file.name if file else reader.name
    secrets |= catalogue.secrets()
    return Classic(name, file, texts, catalogue, tuple(problem for problem, _ in missing), secrets)


def resolved(key: str, text: str, environment: Mapping[str, str]) -> str:
    """`text` with its placeholders replaced, so that passwords need not stand in a command.

    Raises:
        ConfigurationError: a variable or file is missing.
    """
    substitution = Substitution(environment)
    value = substitution.apply(text, (key,))
    for problem in substitution.problems:
        raise ConfigurationError(str(problem))
    return str(value)


def _reader_of_url(url: str, environment: Mapping[str, str]) -> CatalogueReader:
    from app.config.remote import RemoteText, UnreadableError  # noqa: PLC0415 (httpx is slow to import)

    try:
        remote = RemoteText(url, largest=LARGEST_TEXT)
        reader = CatalogueReader(remote.read(), environment)
    except UnreadableError as error:
        raise ConfigurationError(f"--from: {error}") from None
    reader.name = remote.name
    return reader


def _is_web(document: Document) -> bool:
    return document.name.lower().startswith(_WEB)


def _mode_of(file: Path) -> int:
    try:
        found = file.stat().st_mode
    except OSError:
        return _PRIVATE
    # A pipe's mode says nothing about what comes through it.
    return stat.S_IMODE(found) if stat.S_ISREG(found) else _PRIVATE


def _examine(texts: Texts, environment: Mapping[str, str]) -> tuple[list[tuple[Problem, str]], frozenset[str]]:
    """Placeholders without a value here, each with its section, and the secrets of everything.

    Placeholders of sections that mean nothing here do not count; the secrets of these sections do.
    """
    main = texts.main
    if not isinstance(main.value, dict):
        return [], frozenset()
    used, _ = without_ignored(main.value, SECTIONS)
    sections: dict[str, Any] = dict(main.value)
    places: dict[str, PlaceOf] = dict.fromkeys(sections, main.place)
    for part in PARTS:
        if (separate := texts.separate(part)) is not None:
            sections[part], places[part] = content_of(separate, part)
    found: list[tuple[Problem, str]] = []
    secrets = frozenset[str]()
    for name, value in sections.items():
        substitution = Substitution(environment, places[name])
        secrets |= secrets_in({name: substitution.apply(value, (name,))}) | substitution.secrets
        if name in used or name in PARTS:
            found += [(problem, name) for problem in substitution.problems]
    return found, secrets


def _without_missing_sections(main: Document, missing: list[tuple[Problem, str]]) -> Document:
    """Without sections that cannot be examined here; a source or destination with such a problem is left out alone."""
    sections = {section for _, section in missing}.difference(PARTS)
    if not sections:
        return main
    return replace(main, value={key: value for key, value in main.value.items() if key not in sections})
