"""Reads the texts of a catalogue: its file, and the files or URLs that `sources` and `destinations` may name."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from app.config.catalogue import Catalogue, build_catalogue
from app.config.classic.dotted import with_nested_keys
from app.config.classic.keys import DOTTED_SECTIONS
from app.config.documents import Document, parse_document
from app.config.files import LARGEST_TEXT, read_text, why_unreadable
from app.config.locations import location_of
from app.config.problems import CatalogueError, Problem, problem_at, unexpected
from app.config.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.config.locations import Location
    from app.config.remote import RemoteText
    from app.config.texts import Part


def load_catalogue(
    source: Path | str, environment: Mapping[str, str], *, without_collections: bool = False
) -> Catalogue:
    """Read a catalogue once, from a file (`Path`) or from its text (`str`, relative paths from the working directory).

    With `without_collections` a source may have no collections: discovery needs none.

    Raises:
        CatalogueError: the catalogue as a whole cannot be used; it carries all problems.
    """
    reader = CatalogueReader(source, environment)
    with reader.refusing():
        return build_catalogue(
            reader.read(), environment, directory=reader.directory, without_collections=without_collections
        )


class CatalogueReader:
    """Reads the texts again and again, but parses a text only when it has changed.

    `texts` are those of the last reading, even if it failed. It `is_final` if another one a moment later would tell
    nothing: it has emptied a pipe, or a server has refused it. Relative paths start at `directory`.
    """

    def __init__(self, source: Path | str, environment: Mapping[str, str]) -> None:
        self.name = "catalogue" if isinstance(source, str) else str(source)
        self.directory = source.parent if isinstance(source, Path) else Path()
        self.texts: list[str] = []
        self.is_final = False
        self._source = source
        self._environment = environment
        self._documents: dict[str, tuple[str, Document]] = {}
        self._remote: dict[Part, RemoteText] = {}

    def read(self) -> Texts:
        """The catalogue, and its separate parts; the same documents as long as their texts are the same.

        Raises:
            CatalogueError: a text cannot be read, or is not YAML.
        """
        self.texts, self.is_final = [], False
        main = self._main()
        return Texts(main, self._separate("sources", main), self._separate("destinations", main))

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Wraps everything that reads the catalogue, so that an unexpected error refuses it too.

        Raises:
            CatalogueError: what is wrong with the catalogue, or with Syncline.
        """
        try:
            yield
        except CatalogueError:
            raise
        except Exception as error:  # noqa: BLE001 - no error may end the process
            raise CatalogueError([unexpected(error, (), lambda _path: self.name)]) from None

    def _main(self) -> Document:
        if isinstance(self._source, str):
            return self._parse(self._source, self.name)
        try:
            text = self._read_file(self._source)
        except (OSError, ValueError) as error:
            raise CatalogueError([Problem("", f"cannot be read: {why_unreadable(error)}", self.name)]) from None
        return self._parse(text, self.name)

    def _separate(self, part: Part, main: Document) -> Document | None:
        location = location_of(part, main, self._environment)
        if location is None:
            return None
        address = location.address
        if address.startswith("{"):
            return self._parse(address, part)
        # By its beginning, because not every string can be parsed as a URL.
        if address.lower().startswith(("http:", "https:")):
            return self._from_url(part, main, location)
        if location.is_configurator:
            raise _refusal(main, location, "must be a URL that begins with http:// or https://")
        if "://" in address and not address.startswith("file://"):
            # Without the address, which may hold a password.
            raise _refusal(main, location, "must be a file, or a URL that begins with http://, https:// or file://")
        return self._from_file(main, location)

    def _from_file(self, main: Document, location: Location) -> Document:
        address = location.address
        try:
            path = Path(unquote(urlsplit(address).path) if address.startswith("file://") else address)
        except ValueError:
            raise _refusal(main, location, "is not a valid URL: write file:///path/to/file") from None
        path = self.directory / path
        try:
            text = self._read_file(path)
        except (OSError, ValueError) as error:
            named = str(path) if location.written == address else location.written
            raise _refusal(main, location, f"file {named} cannot be read: {why_unreadable(error)}") from None
        return self._parse(text, str(path))

    def _from_url(self, part: Part, main: Document, location: Location) -> Document:
        from app.config.remote import RemoteText, UnreadableError  # noqa: PLC0415 (httpx is slow to import)

        try:
            remote = self._remote.get(part)
            if remote is None or remote.url != location.address:
                remote = self._remote[part] = RemoteText(location.address, largest=LARGEST_TEXT)
            text = remote.read()
        except UnreadableError as error:
            self.is_final = True
            raise _refusal(main, location, str(error)) from None
        return self._parse(text, remote.name)

    def _read_file(self, path: Path) -> str:
        if path.exists() and not path.is_file():
            self.is_final = True
        return read_text(path)

    def _parse(self, text: str, name: str) -> Document:
        self.texts.append(text)
        known = self._documents.get(name)
        if known and known[0] == text:
            return known[1]
        document = parse_document(text, name)
        if name == self.name:
            document = with_nested_keys(document, DOTTED_SECTIONS)
        self._documents[name] = (text, document)
        return document


def _refusal(main: Document, location: Location, message: str) -> CatalogueError:
    return CatalogueError([problem_at(location.path, message, main.place)])
