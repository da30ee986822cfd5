"""Singer taps as sources: https://github.com/singer-io/getting-started/blob/master/docs/SPEC.md."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from app.connectors.contract.blame import prefix_errors, subject_of
from app.connectors.contract.bookmarks import READS_EVERYTHING
from app.connectors.contract.passes import Checkpoint
from app.connectors.contract.sessions import session_environment
from app.connectors.contract.stream_tables import tables_in
from app.connectors.programs.catalog_cache import DiscoveredCatalog
from app.connectors.programs.documents import check_object, read_document, write_private_file
from app.connectors.programs.late_fields import LateFields
from app.connectors.programs.names import program_name
from app.connectors.programs.packages import PackageSet, command_of
from app.connectors.programs.program import Program
from app.connectors.programs.renewals import ConfigFile, current_config, report_renewal
from app.connectors.sources.singer.catalog import choose, names_in
from app.connectors.sources.singer.fields import Fields
from app.connectors.sources.singer.metrics import format_metric
from app.connectors.sources.singer.offers import offers
from app.connectors.sources.singer.reading import Reading, Wanted
from app.connectors.sources.singer.state import State
from app.connectors.values import jsontext
from app.domain.attempt_protocol import CopyJob
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.secret_values import renewed_secrets, secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.contract.passes import Log, Rows
    from app.connectors.contract.schema import Table
    from app.connectors.programs.late_fields import Types
    from app.connectors.sources.singer.catalog import Choice
    from app.connectors.sources.singer.options import SingerOptions, SingerParameters
    from app.domain.attempt_protocol import Offered, SourceJob


class SingerSource:
    def __init__(
        self, options: SingerOptions, parameters: SingerParameters, job: SourceJob, *, work_dir: Path, log: Log
    ) -> None:
        self._options = options
        self._fields = Fields.of(parameters.select)
        self._job = job
        self._subject = subject_of(job)
        self._data_dir = Path(job.data_dir).absolute()
        self._work_dir = work_dir
        self._log = log
        self._programs: list[Program] = []
        self._written: dict[str, Any] = {}
        self._config: ConfigFile | None = None
        self._discovered: DiscoveredCatalog | None = None

    def check(self) -> None:
        with prefix_errors(self._subject):
            self._choose_from(self._catalog(self._prepare_tap()))

    def discover(self) -> Iterator[Offered]:
        with prefix_errors(self._subject):
            yield from offers(self._catalog(self._prepare_tap()))

    def catalog(self) -> dict[str, Any]:
        """As in `Cataloguing`."""
        with prefix_errors(self._subject):
            return self._catalog(self._prepare_tap())

    def specification(self) -> dict[str, Any]:
        """As in `Specifying`. Taps of the Singer SDK describe themselves, others do not."""
        tap = self._prepare_tap()
        try:
            about = jsontext.decode(tap.output("--about", "--format=json"))
        except ConfigurationError:
            raise
        except (SynclineError, msgspec.MsgspecError):
            about = None
        if not isinstance(about, dict) or not isinstance(about.get("settings"), dict):
            raise ConfigurationError(
                "the tap does not say which configuration it asks for: only taps of the Singer SDK do so; "
                "see its documentation"
            )
        settings: dict[str, Any] = about["settings"]
        return settings

    def read(self, bookmark: str | None) -> Iterator[Table | Rows | Checkpoint]:
        with prefix_errors(self._subject):
            yield from self._items(bookmark)

    def _items(self, bookmark: str | None) -> Iterator[Table | Rows | Checkpoint]:
        tap = self._prepare_tap()
        catalog, choices = self._choose_streams(tap)
        forgetful = all(choice.full_refresh for choice in choices.values())
        if forgetful and self._job.bookmark_was_set:
            raise ConfigurationError(f"the bookmark that was set by hand cannot be used: {READS_EVERYTHING}")
        beginning = None if forgetful else bookmark or self._initial_bookmark()
        arguments = self._arguments(catalog, beginning)
        known = names_in(catalog)
        tables = {} if self._options.catalog is None else tables_in(catalog)
        wanted = Wanted(
            self._options,
            self._job.collection,
            choices,
            known=known,
            fields=self._fields,
            tables=tables,
            log=self._log,
        )
        late = LateFields(self._catalog_cache(tap), _types(choices), ask=self._ask_types, log=self._log)
        config = self._config_file()
        reading = Reading(
            wanted, State(beginning), late, at_message=config.look, log=self._log, system=tap.system, text=tap.text
        )
        try:
            for item in reading.items(tap.lines(*arguments)):
                if not (forgetful and isinstance(item, Checkpoint)):
                    yield item
        finally:
            config.look()
        if forgetful:
            yield Checkpoint(None)

    def close(self) -> None:
        for program in self._programs:
            program.stop()
        if self._config is not None:
            self._config.look_at_the_end()

    def _prepare_tap(self) -> Program:
        config = self._config_file().config
        command = self._command()
        tap = Program(
            command,
            name="the tap",
            system=program_name(command, self._options.installed),
            home=self._data_dir / "home",
            secrets=secrets_in(self._written) | renewed_secrets(config, self._written),
            log=self._log,
            environment=session_environment(self._job),
            format_line=format_metric,
            before_errors=self._config_file().look,
        )
        self._programs.append(tap)
        return tap

    def _config_file(self) -> ConfigFile:
        """The file of all taps of this attempt: one that runs beside another gets what that has renewed."""
        if self._config is None:
            self._written = read_document(self._options.config, "config")
            config = current_config(self._written, self._job.renewed_config)
            self._config = ConfigFile(
                self._work_dir, "config.json", config, program="the tap", renewed=self._take_renewed, log=self._log
            )
        return self._config

    def _take_renewed(self, config: dict[str, Any]) -> None:
        report_renewal(self._log, config)
        for program in self._programs:
            program.mask(renewed_secrets(config, self._written))

    def _command(self) -> list[str]:
        options = self._options
        package, executable = PackageSet(options.installed, options.constraints), options.executable
        return command_of(options.command, package, executable=executable, data_dir=self._data_dir, log=self._log)

    def _choose_streams(self, tap: Program) -> tuple[dict[str, Any], dict[str, Choice]]:
        """A cached catalog may lack what is wanted now, or may be why the last attempt failed."""
        first = isinstance(self._job, CopyJob) and self._job.attempt == 1
        earlier = self._catalog_cache(tap).recall() if first and self._configured_catalog() is None else None
        if earlier is not None:
            with suppress(ConfigurationError):
                return self._choose_from(earlier)
        return self._choose_from(self._catalog(tap))

    def _choose_from(self, catalog: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Choice]]:
        return choose(catalog, self._job.collection, self._fields, self._options.chosen_streams)

    def _ask_types(self) -> dict[str, Types]:
        """The types of columns that a second tap discovers while the first one waits."""
        tap = self._prepare_tap()
        return _types(self._choose_from(self._catalog(tap))[1])

    def _catalog(self, tap: Program) -> dict[str, Any]:
        """The configured catalog, or the one that the tap discovers now."""
        if (catalog := self._configured_catalog()) is not None:
            return catalog
        config = self._config_file()
        try:
            text = tap.output("--config", str(config.path), "--discover")
        finally:
            config.look()
        begin = text.find(b"{")
        try:
            catalog = check_object(jsontext.decode(text[begin:] if begin > 0 else text))
        except (msgspec.MsgspecError, UnicodeDecodeError, TypeError):
            raise ConfigurationError("the tap's --discover did not write a catalog; give one with 'catalog'") from None
        self._catalog_cache(tap).remember(catalog)
        return catalog

    def _configured_catalog(self) -> dict[str, Any] | None:
        for key in ("catalog", "properties"):
            if (document := getattr(self._options, key)) is not None:
                return read_document(document, key)
        return None

    def _catalog_cache(self, tap: Program) -> DiscoveredCatalog:
        if self._discovered is None:
            self._discovered = DiscoveredCatalog(
                self._data_dir,
                tap.command,
                jsontext.encode(self._written),
                generation=self._job.generation,
                max_age=self._options.discovery_max_age,
            )
        return self._discovered

    def _arguments(self, catalog: dict[str, Any], bookmark: str | None) -> list[str]:
        option = "--catalog" if self._options.properties is None else "--properties"
        chosen = self._write("catalog", jsontext.encode(catalog))
        arguments = ["--config", str(self._config_file().path), option, chosen]
        if bookmark is not None:
            arguments += ["--state", self._write("state", bookmark)]
        return arguments

    def _initial_bookmark(self) -> str | None:
        for key in ("state", "initial_state"):
            if (document := getattr(self._options, key)) is not None:
                return jsontext.encode(read_document(document, key))
        return None

    def _write(self, name: str, text: str) -> str:
        return write_private_file(self._work_dir, f"{name}.json", text)


def _types(choices: dict[str, Choice]) -> dict[str, Types]:
    return {
        stream: {field: (kind, choice.digits.get(field)) for field, kind in choice.columns.items()}
        for stream, choice in choices.items()
    }
