"""Reads the texts of a catalogue: its file, and the separate file or URL that `sources` may name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from app.config.catalogue import Catalogue, build_catalogue
from app.config.documents import Document, parse_document
from app.config.problems import CatalogueError, Problem, problem_at
from app.config.substitution import Substitution

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.config.remote import RemoteText

LARGEST_TEXT = 16 * 1024 * 1024
"""Bytes that a catalogue or its separate sources may have."""


def load_catalogue(
    source: Path | str, environment: Mapping[str, str], *, without_collections: bool = False
) -> Catalogue:
    """Read a catalogue once, from a file (`Path`) or from its text (`str`, relative paths from the working directory).

    With `without_collections` a source may name none: to be asked what it offers it needs no more.

    Raises:
        CatalogueError: the catalogue as a whole cannot be used; it carries all problems.
    """
    reader = CatalogueReader(source, environment)
    return build_catalogue(*reader.read(), environment, without_collections=without_collections)


class CatalogueReader:
    """Reads the texts again and again, and what has not changed only once."""

    def __init__(self, source: Path | str, environment: Mapping[str, str]) -> None:
        self._source = source
        self._environment = environment
        self._documents: dict[str, tuple[str, Document]] = {}
        self._remote: RemoteText | None = None

    def read(self) -> tuple[Document, Document | None]:
        """The catalogue's document and that of its separate sources; the same objects while their texts are the same.

        Raises:
            CatalogueError: a text cannot be read, or is not YAML.
        """
        main = self._main()
        return main, self._separate(main)

    def _main(self) -> Document:
        if isinstance(self._source, str):
            return self._parsed(self._source, "catalogue")
        name = str(self._source)
        try:
            return self._parsed(read_text(self._source), name)
        except (OSError, ValueError) as error:
            raise CatalogueError([Problem("", f"cannot be read: {_reason(error)}", name)]) from None

    def _separate(self, main: Document) -> Document | None:
        location = main.value.get("sources") if isinstance(main.value, dict) else None
        if not isinstance(location, str):
            return None
        substitution = Substitution(self._environment)
        location = substitution.apply(location, ("sources",)).strip()
        if substitution.problems or not location:
            return None
        if location.startswith("{"):
            return self._parsed(location, "sources")
        if urlsplit(location).scheme in ("http", "https"):
            return self._from_url(main, location)
        return self._from_file(main, location)

    def _from_file(self, main: Document, location: str) -> Document:
        path = Path(unquote(urlsplit(location).path) if location.startswith("file://") else location)
        if isinstance(self._source, Path):
            path = self._source.parent / path
        try:
            return self._parsed(read_text(path), str(path))
        except (OSError, ValueError) as error:
            message = f"file {path} cannot be read: {_reason(error)}"
            raise CatalogueError([problem_at(("sources",), message, main.place)]) from None

    def _from_url(self, main: Document, location: str) -> Document:
        from app.config.remote import RemoteText, UnreadableError  # noqa: PLC0415 (httpx is slow to import)

        if self._remote is None or self._remote.url != location:
            self._remote = RemoteText(location, largest=LARGEST_TEXT)
        try:
            return self._parsed(self._remote.read(), self._remote.name)
        except UnreadableError as error:
            raise CatalogueError([problem_at(("sources",), str(error), main.place)]) from None

    def _parsed(self, text: str, name: str) -> Document:
        known = self._documents.get(name)
        if known and known[0] == text:
            return known[1]
        document = parse_document(text, name)
        self._documents[name] = (text, document)
        return document


def read_text(path: Path) -> str:
    """The UTF-8 text of a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no text, or too large.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST_TEXT + 1)
    if len(content) > LARGEST_TEXT:
        raise ValueError(f"it has more than {LARGEST_TEXT // 1024**2} MiB")
    return content.decode("utf-8-sig")


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 (byte {error.start})"
    if isinstance(error, OSError):
        return (error.strerror or type(error).__name__).lower()
    return str(error)
