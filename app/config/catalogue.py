"""The catalogue: the server, sources and destinations that one YAML file describes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from app.config.about import mask_about
from app.config.classic.keys import SECTIONS, SERVER_KEYS, ignored_warning, without_classic_keys, without_ignored
from app.config.classic.oauth import OAUTH_SECTIONS, Clients, read_client
from app.config.destinations import Destination, read_destination
from app.config.entry import Entry
from app.config.files import NamedFiles
from app.config.locations import location_of
from app.config.problems import CatalogueError, PlaceOf, Problem, in_file_order, problem_at
from app.config.sections import Configurator, Notifications, Server
from app.config.sources import Source, read_source
from app.config.substitution import Replaced
from app.config.table_clashes import table_clashes
from app.config.texts import Part, Texts, content_of, has_own_key
from app.connectors.options.complaints import KeyPath, must_be
from app.domain.choices import unknown_key
from app.domain.errors import UnknownCollectionError, UnknownSourceError
from app.domain.keys import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from app.config.documents import Document
    from app.domain.collection import Collection

Model = TypeVar("Model", bound=Section)
Described = TypeVar("Described", Source, Destination)
Rejected = dict[str, tuple[Problem, ...]]

_SECTIONS = ("configurator", "destinations", "notifications", "server", "sources")
_NOT_EFFECTIVE = (
    ("server", "sync_tasks", "stalled", "observe_stalled_every_seconds"),
    ("notifications", "slack", "url"),
)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A catalogue that can be used: `sources` and `destinations` are those without problems.

    `rejected` has the problems of every source that was left out (or, when a watcher read it, goes on in its previous
    version), `rejected_destinations` those of destinations. `fingerprint` changes with every character of the texts;
    `files` are those that it names, as they were.
    """

    server: Server
    sources: dict[str, Source]
    destinations: dict[str, Destination]
    notifications: Notifications = field(default_factory=Notifications)
    rejected: Rejected = field(default_factory=dict)
    rejected_destinations: Rejected = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()
    fingerprint: str = ""
    files: NamedFiles = field(default_factory=NamedFiles, repr=False, compare=False)
    section_secrets: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def problems(self) -> list[Problem]:
        """Everything that is wrong with sources and destinations, in the order of the files."""
        rejected = [*self.rejected_destinations.values(), *self.rejected.values()]
        return in_file_order(problem for problems in rejected for problem in problems)

    def find_source(self, source: str) -> Source:
        """The source of this id.

        Raises:
            UnknownSourceError: there is none, or it was left out.
        """
        if found := self.sources.get(source):
            return found
        problems = self.rejected.get(source)
        raise UnknownSourceError(source, left_out=str(problems[0]) if problems else None, known=self.sources)

    def names_no_collection(self, source: str) -> bool:
        """Whether this is a usable source that has only the collection `ALL`, because it names none."""
        found = self.sources.get(source)
        return found is not None and found.names_no_collection

    def find(self, source: str, collection: str) -> tuple[Source, Collection]:
        """The source and its collection of this name.

        Raises:
            UnknownSourceError: there is no such source, or it was left out.
            UnknownCollectionError: the source has no such collection.
        """
        owner = self.find_source(source)
        if found := owner.collections.get(collection):
            return owner, found
        raise UnknownCollectionError(source, collection, known=owner.collections)

    def secrets(self) -> frozenset[str]:
        """Every string that must not be shown: the values of secret keys, wherever they are."""
        parts: list[Source | Destination] = [*self.sources.values(), *self.destinations.values()]
        return self.section_secrets.union(*(part.secrets for part in parts))


def build_catalogue(
    texts: Texts,
    environment: Mapping[str, str],
    *,
    directory: Path = Path(),
    files: NamedFiles | None = None,
    without_collections: bool = False,
    stand_in: str | None = None,
) -> Catalogue:
    """Read the catalogue in `texts`.

    Relative paths start at `directory`; `files` notes the files that the catalogue names. With `without_collections` a
    source may have no collections. Placeholders without a value become `stand_in`, unless that is None.

    Raises:
        CatalogueError: something outside of single sources and destinations is wrong; it has all problems.
    """
    files = NamedFiles() if files is None else files
    reading = _Reading(texts, environment, directory, Replaced(files=files, stand_in=stand_in))
    server = reading.section("server", Server, SERVER_KEYS)
    notifications = reading.section("notifications", Notifications)
    reading.section("configurator", Configurator)
    clients = reading.clients()
    destinations, rejected_destinations = reading.parts("destinations", read_destination)
    defined = dict[str, Destination | None](dict.fromkeys(rejected_destinations)) | destinations
    sources, rejected = reading.parts(
        "sources",
        partial(
            read_source,
            destinations=defined,
            without_collections=without_collections,
            clients=clients,
            is_separate=texts.sources is not None,
        ),
    )
    clashes = table_clashes(sources, destinations, texts.place_of("sources"))
    for source in {clash.source for clash in clashes if clash.replaces}:
        del sources[source]
        rejected[source] = tuple(clash.problem for clash in clashes if clash.replaces and clash.source == source)
    catalogue = Catalogue(
        server=server or Server(),
        sources=sources,
        destinations=destinations,
        notifications=notifications or Notifications(),
        rejected=rejected,
        rejected_destinations=rejected_destinations,
        warnings=(*reading.warnings, *(clash.problem for clash in clashes if not clash.replaces)),
        fingerprint=texts.fingerprint,
        files=files,
        section_secrets=reading.secrets,
    )
    if reading.problems:
        raise CatalogueError(in_file_order([*reading.problems, *catalogue.problems]), catalogue.warnings)
    return replace(catalogue, sources=mask_about(sources, catalogue.secrets()))


_PLAIN: Final = (
    "is read over plain http://, so anyone on the network in between can make this machine run commands: use https://"
)


class _Reading:
    """Reads the sections of one catalogue; collects what is wrong outside of single sources and destinations."""

    def __init__(
        self,
        texts: Texts,
        environment: Mapping[str, str],
        directory: Path,
        replaced: Replaced,
    ) -> None:
        self._directory = directory
        self._texts = texts
        self._main = main = texts.main
        self._environment = environment
        self._replaced = replaced
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.secrets: frozenset[str] = frozenset()
        if not isinstance(main.value, dict):
            wrong = must_be(("a mapping with 'server', 'sources' and 'destinations'",), main.value)
            raise CatalogueError([Problem("", wrong, f"{main.name}:1")])
        self._top, ignored = without_ignored(main.value, SECTIONS)
        self.warnings += ignored_warning((), ignored, main.place)
        for key in self._top:
            if key not in _SECTIONS and key not in OAUTH_SECTIONS:
                self.problems.append(problem_at((key,), unknown_key(key, _SECTIONS), main.place))

    def section(self, name: str, model: type[Model], classic_keys: Iterable[str] = ()) -> Model | None:
        entry = self._entry((name,), self._top.get(name))
        value = entry.value
        if isinstance(value, dict):
            value = without_classic_keys(entry, value, classic_keys)
            for path in _NOT_EFFECTIVE:
                if path[0] == name and _at(value, path[1:]) not in (None, ""):
                    self.warnings.append(problem_at(path, "is accepted but has no effect yet", self._main.place))
        section = entry.validate(model, value)
        self._take(entry)
        self.problems += entry.problems
        return section

    def clients(self) -> Clients:
        """What the installation has for OAuth."""
        found: Clients = {}
        for name in OAUTH_SECTIONS & self._top.keys():
            entry = self._entry((name,), self._top[name])
            found[name] = read_client(entry, name)
            self._take(entry)
            self.problems += entry.problems
        return found

    def parts(self, name: Part, read: Callable[[Entry], Described | None]) -> tuple[dict[str, Described], Rejected]:
        """The named parts of a section: the valid ones, and the problems of the others."""
        good: dict[str, Described] = {}
        rejected: Rejected = {}
        written, place = self._mapping(name)
        words = _words_of(self._texts, name)
        for part_id, value in written.items():
            entry = self._entry((name, part_id), value, place, words.get(part_id))
            part = _read(entry, read)
            if part is None:
                rejected[part_id] = entry.problems
            else:
                good[part_id] = part
            self._take(entry)
        return good, rejected

    def _mapping(self, name: Part) -> tuple[dict[str, Any], PlaceOf]:
        value = self._top.get(name)
        place: PlaceOf = self._main.place
        if separate := self._texts.separate(name):
            value, place = content_of(separate, name)
            self._warn_of_plain_http(name, separate)
        elif isinstance(value, str):
            entry = self._entry((name,), value)
            self.problems += entry.problems
            value = entry.value
        if isinstance(value, dict):
            return value, place
        if value:
            self.problems.append(problem_at((name,), must_be(("a mapping (id: …)",), value, secret=True), place))
        return {}, place

    def _warn_of_plain_http(self, name: Part, separate: Document) -> None:
        location = location_of(name, self._main, self._environment)
        warning = problem_at(location.path if location else (name,), _PLAIN, self._main.place)
        if _is_open_to_others(separate.name) and warning not in self.warnings:
            self.warnings.append(warning)

    def _entry(
        self,
        path: KeyPath,
        written: Any,
        place: PlaceOf | None = None,
        plain_words: frozenset[KeyPath] | None = None,
    ) -> Entry:
        return Entry(
            path=path,
            written=written,
            environment=self._environment,
            place=place or self._main.place,
            directory=self._directory,
            replaced=self._replaced,
            plain_words=plain_words or frozenset(),
        )

    def _take(self, entry: Entry) -> None:
        self.warnings += entry.warnings
        self.secrets |= entry.secrets


def _read(entry: Entry, read: Callable[[Entry], Described | None]) -> Described | None:
    try:
        return read(entry)
    except Exception as error:  # noqa: BLE001 - one part must not break the others
        entry.refuse_unexpected(error)
        return None


def _words_of(texts: Texts, part: Part) -> dict[str, frozenset[KeyPath]]:
    """Plain words that were true or false to Jitsu Classic, by the id of the source or destination that has them."""
    document = texts.separate(part) or texts.main
    depth = 0 if document is not texts.main and not has_own_key(document, part) else 1
    found: dict[str, set[KeyPath]] = {}
    for path in document.plain_words:
        if path[:depth] in ((), (part,)) and len(path) > depth:
            found.setdefault(str(path[depth]), set()).add(path[depth + 1 :])
    return {id_: frozenset(paths) for id_, paths in found.items()}


def _is_open_to_others(location: str) -> bool:
    """Whether others on the network can read and change what is read from there."""
    if not location.startswith("http://"):
        return False
    host = urlsplit(location).hostname or ""
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def _at(value: Any, path: KeyPath) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value
