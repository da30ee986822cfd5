"""A connector as a process: its messages besides records and states, and why it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

from app.connectors.programs.documents import write_private_file
from app.connectors.programs.output_log import OutputLog, log_of
from app.connectors.programs.renewals import is_same, report_renewal
from app.connectors.programs.repeated_names import RepeatedNames
from app.connectors.sources.airbyte.messages import ErrorTrace, parse_message
from app.connectors.sources.airbyte.specification import secrets_by
from app.connectors.values import jsontext
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.secret_values import renewed_secrets, secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from app.connectors.contract.passes import Log
    from app.connectors.programs.program import Program
    from app.connectors.sources.airbyte.messages import ConnectionStatus, Control, LogMessage, Message
    from app.domain.attempt_protocol import Level

    Command = Literal["spec", "check", "discover", "read"]

_LEVELS: Final[dict[str, Level]] = {
    "FATAL": "error",
    "ERROR": "error",
    "WARN": "warn",
    "INFO": "info",
    "DEBUG": "debug",
    "TRACE": "debug",
}


MANIFEST: Final = "__injected_declarative_manifest"
"""The key of a configuration under which airbyte-cdk finds a manifest."""


class Connector:
    """A program that speaks the Airbyte protocol; it finds the files of `work_dir` in `seen_at`.

    `arguments` are added to each of its commands.
    """

    def __init__(
        self,
        program: Program,
        config: dict[str, Any],
        *,
        work_dir: Path,
        seen_at: Path,
        arguments: Sequence[str] = (),
        log: Log,
    ) -> None:
        self.command = program.command
        self.config = config
        """As it is now: the connector may replace it."""
        self.specified: Any = None
        """The JSON Schema that tells what is secret in it; None if unknown."""
        self._program = program
        self._work_dir = work_dir
        self._seen_at = seen_at
        self._arguments = arguments
        self._log = log
        self._output_log = OutputLog(log, program.system)
        self._program_log = log_of(log, program.system)
        self._names = RepeatedNames()
        self._streams: set[str] = set()
        self._failure: ErrorTrace | None = None
        self._write("config.json", config)

    def specification(self) -> dict[str, Any]:
        """The JSON Schema of its configuration."""
        found = None
        for message, _ in self._messages("spec"):
            found = message.spec or found
        if found is None:
            raise SynclineError("the connector's 'spec' command returned no specification")
        return found.connection_specification

    def configure(self, config: dict[str, Any]) -> None:
        """Runs with this configuration from now on, and masks its secrets as well."""
        self.config = config
        self._program.mask(self._secrets(config))
        self._write("config.json", config)

    def mask(self, secrets: frozenset[str]) -> None:
        """From now on masks these as well in its output."""
        self._program.mask(secrets)

    def mask_by(self, specification: Any) -> None:
        """From now on masks in its output what this JSON Schema marks as secret, in any configuration."""
        self.specified = specification
        self._program.mask(self._secrets(self.config))

    def follow(self, other: Connector) -> None:
        """Takes over the configuration of `other`, which may have renewed it, and masks all that it masks."""
        self.config = other.config
        self._program.mask(other._program.secrets)

    def check(self) -> None:
        """Raises `ConfigurationError` if the connector says that it cannot connect."""
        answer = None
        for message, _ in self._messages("check"):
            answer = message.connection_status or answer
        if answer is None:
            raise SynclineError("the connector's 'check' command returned no status")
        self.check_status(answer)

    def check_status(self, answer: ConnectionStatus) -> None:
        """Raises `ConfigurationError` if the connector says that it cannot connect."""
        if answer.status != "SUCCEEDED":
            raise ConfigurationError(
                f"the connector cannot connect: {self._mask(answer.message or 'it gives no reason')}"
            )

    def catalog(self) -> dict[str, Any]:
        """What it offers."""
        catalog = None
        for message, _ in self._messages("discover"):
            catalog = message.catalog or catalog
        if catalog is None:
            raise SynclineError("the connector's 'discover' command returned no catalog")
        return catalog

    def read(self, catalog: dict[str, Any], bookmark: str | None) -> Iterator[tuple[Message, int]]:
        """Its messages about data, each with its approximate size in bytes.

        Raises:
            SynclineError: it exited with a code other than 0, or reported an error.
            ConfigurationError: it reported an error in its configuration.
        """
        self._streams = {each["stream"]["name"] for each in catalog["streams"]}
        arguments = ["--catalog", self._write("catalog.json", catalog)]
        if bookmark is not None:
            write_private_file(self._work_dir, "state.json", bookmark)
            arguments += ["--state", str(self._seen_at / "state.json")]
        return self._messages("read", *arguments)

    def _messages(self, command: Command, *arguments: str) -> Iterator[tuple[Message, int]]:
        self._failure = None
        if command != "spec":
            arguments = ("--config", str(self._seen_at / "config.json"), *arguments, *self._arguments)
        try:
            yield from self._data_messages(self._program.lines(command, *arguments))
        except SynclineError as error:
            if isinstance(error, ConfigurationError) or self._failure is None:
                raise
        finally:
            self._output_log.end()
        if self._failure is not None:
            self._fail(self._failure)

    def _data_messages(self, lines: Iterator[bytes]) -> Iterator[tuple[Message, int]]:
        stream, checked = "", set[int]()
        for line in lines:
            message = parse_message(line)
            if message is None:
                self._log_text(line)
            elif message.log is not None:
                self._log_message(message.log)
            elif message.control is not None:
                self._take_config(message.control)
            elif message.trace is not None and (message.trace.error is not None or message.trace.type == "ERROR"):
                self._failure = message.trace.error or ErrorTrace()
            else:
                record = message.record
                if record is not None and (record.stream != stream or len(record.data) not in checked):
                    stream, is_read = record.stream, record.stream in self._streams
                    checked = self._names.check(line, stream, len(record.data), is_read=is_read)
                yield message, len(line)

    def _fail(self, error: ErrorTrace) -> NoReturn:
        words = [text for text in (error.message, error.internal_message) if text]
        reason = ": ".join(dict.fromkeys(words)) or "it gives no reason"
        stream = f" in stream {str(error.stream_descriptor)!r}" if error.stream_descriptor else ""
        if error.stack_trace:
            self._program_log("debug", self._mask(error.stack_trace))
        kind = ConfigurationError if error.failure_type == "config_error" else SynclineError
        raise kind(f"the connector failed{stream}: {self._mask(reason)}")

    def _log_message(self, message: LogMessage) -> None:
        level = _LEVELS.get(message.level, "info")
        text = self._mask(message.message if not message.stack_trace else f"{message.message}\n{message.stack_trace}")
        self._program.remember(text, names_error=level == "error")
        self._output_log.write(text, level)

    def _log_text(self, line: bytes) -> None:
        if text := self._program.text(line).strip():
            self._program.remember(text)
            self._output_log.write(text)

    def _take_config(self, control: Control) -> None:
        """Takes over a new configuration, with a new token perhaps, and reports it for the next attempts."""
        if control.connector_config is None:
            return
        config = without_manifest(control.connector_config.config)
        earlier = without_manifest(self.config)
        if is_same(config, earlier):
            return
        # First: what follows takes a while, and may fail, as on a full disk.
        report_renewal(self._log, config)
        self._program.mask(renewed_secrets(config, earlier))
        manifest = {MANIFEST: self.config[MANIFEST]} if MANIFEST in self.config else {}
        self.configure(config | manifest)

    def _secrets(self, config: dict[str, Any]) -> frozenset[str]:
        return secrets_of(config) | secrets_by(self.specified, config)

    def _mask(self, text: str) -> str:
        return self._program.text(text.encode(errors="replace"))

    def _write(self, name: str, content: dict[str, Any]) -> str:
        write_private_file(self._work_dir, name, jsontext.encode(content))
        return str(self._seen_at / name)


def without_manifest(config: dict[str, Any]) -> dict[str, Any]:
    """What the user has written of a configuration."""
    return {key: value for key, value in config.items() if key != MANIFEST}


def secrets_of(config: dict[str, Any]) -> frozenset[str]:
    """The secrets of a configuration; a manifest only names them."""
    return secrets_in(without_manifest(config))
