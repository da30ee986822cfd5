"""Airbyte connectors as sources: https://docs.airbyte.com/platform/understanding-airbyte/airbyte-protocol."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from app.connectors.contract.blame import prefix_errors, subject_of
from app.connectors.contract.bookmarks import READS_EVERYTHING
from app.connectors.contract.sessions import session_environment
from app.connectors.programs.catalog_cache import DiscoveredCatalog, change_times
from app.connectors.programs.documents import read_document, read_text
from app.connectors.programs.late_fields import LateFields
from app.connectors.programs.names import program_name
from app.connectors.programs.packages import PackageSet, command_of
from app.connectors.programs.program import Program
from app.connectors.programs.renewals import current_config
from app.connectors.sources.airbyte.casting import cast_by
from app.connectors.sources.airbyte.catalog import choose, find_choice, offers_of
from app.connectors.sources.airbyte.connector import MANIFEST, Connector, secrets_of
from app.connectors.sources.airbyte.container import SEEN_AT, Container
from app.connectors.sources.airbyte.manifest import load_manifest
from app.connectors.sources.airbyte.offers import offers
from app.connectors.sources.airbyte.options import connector_of
from app.connectors.sources.airbyte.reading import Reading
from app.connectors.sources.airbyte.specification import KnownSpecification
from app.connectors.sources.airbyte.states import States
from app.connectors.values import jsontext
from app.domain.attempt_protocol import CopyJob, Sync
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.secret_values import renewed_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.contract.passes import Checkpoint, Log, Rows
    from app.connectors.contract.schema import Table
    from app.connectors.options.types import NoParameters
    from app.connectors.programs.late_fields import Types
    from app.connectors.sources.airbyte.catalog import Choice
    from app.connectors.sources.airbyte.messages import Descriptor
    from app.connectors.sources.airbyte.options import AirbyteOptions
    from app.domain.attempt_protocol import Offered, SourceJob


class AirbyteSource:
    def __init__(
        self, options: AirbyteOptions, _parameters: NoParameters, job: SourceJob, *, work_dir: Path, log: Log
    ) -> None:
        self._options = options
        self._job = job
        self._subject = subject_of(job)
        self._collection = job.collection
        self._data_dir = Path(job.data_dir).absolute()
        self._work_dir = work_dir
        self._log = log
        self._running = ExitStack()
        self._discovered: DiscoveredCatalog | None = None
        self._reading: Reading | None = None
        self._written: dict[str, Any] = {}

    def check(self) -> None:
        with prefix_errors(self._subject):
            connector = self._prepare_connector()
            connector.check()
            self._choose_from(self._catalog(connector))

    def discover(self) -> Iterator[Offered]:
        with prefix_errors(self._subject):
            yield from offers(self._catalog(self._prepare_connector()))

    def catalog(self) -> dict[str, Any]:
        """As in `Cataloguing`."""
        with prefix_errors(self._subject):
            return self._catalog(self._prepare_connector())

    def specification(self) -> dict[str, Any]:
        """As in `Specifying`."""
        connector = self._connector({}, owner=None)
        specification = self._specification(connector, connector.config)
        if not isinstance(specification, dict):
            raise ConfigurationError("the connector does not say which configuration it asks for")
        return specification

    def read(self, bookmark: str | None) -> Iterator[Table | Rows | Checkpoint]:
        with prefix_errors(self._subject):
            yield from self._items(bookmark)

    def _items(self, bookmark: str | None) -> Iterator[Table | Rows | Checkpoint]:
        connector = self._prepare_connector()
        known, catalog, choices = self._choose_streams(connector)
        forgetful = all(choice.full_refresh for choice in choices.values())
        if forgetful and self._job.bookmark_was_set:
            raise ConfigurationError(f"the bookmark that was set by hand cannot be used: {READS_EVERYTHING}")
        beginning = None if forgetful else bookmark or self._initial_bookmark()

        def remembers(stream: Descriptor) -> bool:
            choice = find_choice(choices, stream)
            return choice is not None and not choice.full_refresh

        def types_now() -> dict[str, Types]:
            """The types of columns that a second connector discovers while the first one waits."""
            other = self._second_connector(connector)
            catalog = self._catalog(other)
            connector.follow(other)
            return _types(self._choose_from(catalog)[1])

        states = States(beginning, remembers=remembers)
        late = LateFields(self._catalog_cache(connector), _types(choices), ask=types_now, log=self._log)
        reading = Reading(
            self._options,
            self._collection,
            choices,
            states,
            late,
            offers=[offer.descriptor for offer in offers_of(known)],
            check_status=connector.check_status,
            log=self._log,
        )
        self._reading = reading
        yield from reading.items(connector.read(catalog, states.bookmark()))

    def progress(self) -> float | None:
        """The share of the records that is read, 0 to 1; None if the connector has not estimated how many there are."""
        return None if self._reading is None else self._reading.progress()

    def close(self) -> None:
        self._running.close()

    def _prepare_connector(self) -> Connector:
        written = read_document(self._options.config, "config")
        config = current_config(written, self._job.renewed_config)
        manifest = {} if self._options.manifest is None else {MANIFEST: load_manifest(self._options.manifest)}
        # Checks and discoveries may run at the same time as a sync, and as each other.
        alone = isinstance(self._job, Sync)
        owner = f"{self._data_dir}\n{self._job.source}\n{self._collection.name}" if alone else None
        connector = self._connector(config | manifest, owner=owner)
        connector.mask(secrets_of(written) | renewed_secrets(config, written))
        specification = self._specification(connector, connector.config)
        # Before and after: as a number, a secret may be written differently.
        connector.mask_by(specification)
        connector.configure(cast_by(specification, config | manifest))
        self._written = cast_by(specification, written | manifest)
        return connector

    def _second_connector(self, connector: Connector) -> Connector:
        """Another connector with the current configuration of this one."""
        other = self._connector(connector.config, owner=None)
        other.mask_by(connector.specified)
        other.follow(connector)
        return other

    def _connector(self, config: dict[str, Any], *, owner: str | None) -> Connector:
        """A connector that ends with the attempt; an `owner` has only one container."""
        arguments, environment = self._components()
        if image := self._options.image_name:
            container = Container(
                image,
                owner=owner,
                work_dir=self._work_dir,
                network=self._options.network,
                options=self._options.docker_options,
            )
            self._running.callback(container.end)
            environment |= container.environment
            command, seen_at, system = container.command(), SEEN_AT, connector_of(self._options).name
        else:
            command, seen_at = self._command(), self._work_dir
            system = program_name(command, self._options.installed)
        program = Program(
            command,
            name="the connector",
            system=system,
            home=self._data_dir / "home",
            secrets=secrets_of(config),
            log=self._log,
            environment=session_environment(self._job) | environment,
        )
        self._running.callback(program.stop)
        return Connector(program, config, work_dir=self._work_dir, seen_at=seen_at, arguments=arguments, log=self._log)

    def _specification(self, connector: Connector, config: dict[str, Any]) -> Any:
        """The specification, which names the secret values. A manifest contains its own; a program's is cached."""
        if MANIFEST in config:
            spec = config[MANIFEST].get("spec")
            return spec.get("connection_specification") if isinstance(spec, dict) else None
        known = self._known_specification(connector)
        if (specification := known and known.load()) is not None:
            return specification
        try:
            specification = connector.specification()
        except SynclineError as error:
            if not self._options.command:
                raise
            # A program of the user's own may have none.
            self._log(
                "warn", f"only values whose keys look secret are masked, as the command gave no specification: {error}"
            )
            return None
        if known is not None:
            known.save(specification)
        return specification

    def _known_specification(self, connector: Connector) -> KnownSpecification | None:
        """That of a pinned version never changes; a command or the newest image may be another program later."""
        options, image = self._options, self._options.image_name
        if options.command:
            origin = [*connector.command, *map(str, change_times(connector.command))]
            return KnownSpecification(self._data_dir, origin, max_age=options.discovery_max_age)
        if image is not None and image.endswith(":latest"):
            return None
        pinned = options.package or ((image,) if image else ())
        return KnownSpecification(self._data_dir, (options.executable or "", *pinned))

    def _command(self) -> list[str]:
        options = self._options
        package, executable = PackageSet(options.installed, options.constraints), options.installed_executable
        return command_of(options.command, package, executable=executable, data_dir=self._data_dir, log=self._log)

    def _components(self) -> tuple[list[str], dict[str, str]]:
        """A manifest's own Python code, which airbyte-cdk runs only if the environment allows it."""
        if self._options.components is None:
            return [], {}
        path = Path(self._options.components).absolute()
        return ["--components-path", str(path)], {"AIRBYTE_ENABLE_UNSAFE_CODE": "true"}

    def _choose_streams(self, connector: Connector) -> tuple[dict[str, Any], dict[str, Any], dict[Descriptor, Choice]]:
        """The catalog, and what is chosen from it.

        A cached catalog may lack what is wanted now, or may be why the last attempt failed.
        """
        first = isinstance(self._job, CopyJob) and self._job.attempt == 1
        earlier = self._catalog_cache(connector).recall() if first and self._options.catalog is None else None
        if earlier is not None:
            with suppress(ConfigurationError):
                return earlier, *self._choose_from(earlier)
        catalog = self._catalog(connector)
        return catalog, *self._choose_from(catalog)

    def _choose_from(self, catalog: dict[str, Any]) -> tuple[dict[str, Any], dict[Descriptor, Choice]]:
        return choose(catalog, self._collection, self._options.selected_streams)

    def _catalog(self, connector: Connector) -> dict[str, Any]:
        """The configured catalog, or the one that the connector discovers now."""
        if (document := self._options.catalog) is not None:
            return read_document(document, "catalog")
        known = self._catalog_cache(connector)
        catalog = connector.catalog()
        known.remember(catalog)
        return catalog

    def _catalog_cache(self, connector: Connector) -> DiscoveredCatalog:
        """Keyed by the written configuration: a connector may renew its own with every run."""
        if self._discovered is None:
            # The command of a container has a new name and directory each time.
            image = self._options.image_name
            self._discovered = DiscoveredCatalog(
                self._data_dir,
                [image] if image else connector.command,
                jsontext.encode(self._written),
                generation=self._job.generation,
                max_age=self._options.discovery_max_age,
            )
        return self._discovered

    def _initial_bookmark(self) -> str | None:
        for key in ("state", "initial_state"):
            if (state := getattr(self._options, key)) is not None:
                return _state(state, key)
        return None


def _types(choices: dict[Descriptor, Choice]) -> dict[str, Types]:
    return {
        str(stream): {field: (kind, choice.digits.get(field)) for field, kind in choice.columns.items()}
        for stream, choice in choices.items()
    }


def _state(state: dict[str, Any] | list[Any] | str, key: str) -> str:
    """The JSON text of `state`, which is an object or a list, JSON text, or the path of a file."""
    if isinstance(state, str):
        text = state if state.lstrip().startswith(("{", "[")) else read_text(state, key, "JSON")
        try:
            state = jsontext.decode(text)
        except msgspec.MsgspecError as error:
            raise ConfigurationError(f"'{key}' is not valid JSON: {error}") from None
    if not isinstance(state, dict | list):
        raise ConfigurationError(f"'{key}' must be a JSON object or a list")
    return jsontext.encode(state)
