"""Reads Jitsu Classic's configuration: a file, or the export of its configurator at a URL."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app.config.catalogue import Catalogue, build_catalogue
from app.config.classic.keys import SECTIONS, without_ignored
from app.config.files import LARGEST_TEXT
from app.config.reader import CatalogueReader
from app.config.substitution import Substitution
from app.config.texts import PARTS, Part, Texts, content_of
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.config.documents import Document
    from app.config.problems import PlaceOf, Problem

_WEB: Final = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Classic:
    """A configuration of Jitsu Classic.

    `texts` are the text itself and those that it names for its sources and destinations. `catalogue` is what Syncline
    makes of them as they are. `missing` are placeholders that have no value on this machine. `file` is None for a URL.
    """

    name: str
    file: Path | None
    texts: Texts
    catalogue: Catalogue
    missing: tuple[Problem, ...]

    @property
    def written(self) -> dict[str, Any]:
        """Everything in it, with its placeholders."""
        value: dict[str, Any] = self.texts.main.value
        return value

    def content(self, part: Part) -> Any:
        """Its sources or destinations, or their address if they stay at a URL, which may change them."""
        separate = self.texts.separate(part)
        if separate is None or separate.name.startswith(_WEB):
            return self.written.get(part)
        return content_of(separate, part)[0]


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
        missing = _find_missing(texts, environment)
        usable = replace(texts, main=_without_missing_sections(texts.main, missing))
        catalogue = build_catalogue(usable, environment, directory=reader.directory)
    name = file.name if file else reader.name
    return Classic(name, file, texts, catalogue, tuple(problem for problem, _ in missing))


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


def _find_missing(texts: Texts, environment: Mapping[str, str]) -> list[tuple[Problem, str]]:
    """Placeholders without a value here, each with its section; not those of sections that mean nothing here."""
    main = texts.main
    if not isinstance(main.value, dict):
        return []
    sections, _ = without_ignored(main.value, SECTIONS)
    places: dict[str, PlaceOf] = dict.fromkeys(sections, main.place)
    for part in PARTS:
        if (separate := texts.separate(part)) is not None:
            sections[part], places[part] = content_of(separate, part)
    found: list[tuple[Problem, str]] = []
    for name, value in sections.items():
        substitution = Substitution(environment, places[name])
        substitution.apply(value, (name,))
        found += [(problem, name) for problem in substitution.problems]
    return found


def _without_missing_sections(main: Document, missing: list[tuple[Problem, str]]) -> Document:
    """Without sections that cannot be examined here; a source or destination with such a problem is left out alone."""
    sections = {section for _, section in missing}.difference(PARTS)
    if not sections:
        return main
    return replace(main, value={key: value for key, value in main.value.items() if key not in sections})
