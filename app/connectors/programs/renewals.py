"""What programs make of their own configuration, such as one with a refresh token that is valid once."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.connectors.contract.passes import RenewalLog
from app.connectors.programs.documents import check_object, open_regular_file, write_private_file
from app.connectors.values import jsontext

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.connectors.contract.passes import Log

_LARGEST_BYTES: Final = 1 << 20


def report_renewal(log: Log, config: dict[str, Any], *, destination: str | None = None) -> None:
    """Reports what a program has made of its configuration, if the reader of `log` wants to know."""
    if isinstance(log, RenewalLog):
        log.config_renewed(jsontext.encode(config), destination=destination)


def current_config(written: dict[str, Any], renewed: str | None) -> dict[str, Any]:
    """What the program has `renewed`, as JSON, or what is `written` if it has not."""
    return written if renewed is None else check_object(jsontext.decode(renewed))


def is_same(config: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two configurations are equal; a fraction may be a `float` in one and a `Decimal` in the other."""
    return jsontext.encode_canonical(config) == jsontext.encode_canonical(other)


class ConfigFile:
    """A file with `config` for `program`; each `look` passes on what the program has made of it since."""

    def __init__(
        self,
        directory: Path,
        name: str,
        config: dict[str, Any],
        *,
        program: str,
        renewed: Callable[[dict[str, Any]], None],
        log: Log,
    ) -> None:
        self.config = config
        self.path = Path(write_private_file(directory, name, jsontext.encode(config)))
        self._program = program
        self._renewed = renewed
        self._log = log
        self._seen = self._version()
        # What the program writes to its two outputs is read by two threads.
        self._lock = threading.Lock()

    def look(self) -> None:
        """Reads the file if it has changed; one that is being written is left for the next look."""
        with self._lock:
            version = self._version()
            if version != self._seen and self._take():
                self._seen = version

    def look_at_the_end(self) -> None:
        """Reads the file in any case: two versions may have the same time and size."""
        with self._lock:
            is_whole = self._take()
        if not is_whole:
            self._log(
                "warn",
                f"{self._program} has left a configuration file that is not a JSON object of at most 1 MiB: if it "
                "has renewed its credentials there, they are lost, and the next attempt needs new ones in the "
                "catalogue",
            )

    def _take(self) -> bool:
        try:
            config = check_object(jsontext.decode(_read_bounded(self.path)))
        except (OSError, ValueError, TypeError, RecursionError, msgspec.MsgspecError):
            return False
        if not is_same(config, self.config):
            # In this order: if a signal interrupts it, the last look reports it again.
            self._renewed(config)
            self.config = config
        return True

    def _version(self) -> tuple[int, ...] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def _read_bounded(path: Path) -> bytes:
    """What the program has left under this name, which may be anything.

    Raises:
        OSError: it cannot be read, or is a pipe, a directory or the like.
        ValueError: it is larger than a configuration can be.
    """
    with open_regular_file(path) as file:
        content = file.read(_LARGEST_BYTES + 1)
    if len(content) > _LARGEST_BYTES:
        raise ValueError("too large")
    return content
