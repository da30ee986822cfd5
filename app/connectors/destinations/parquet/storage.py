"""Where the files are, named relative to it: a local directory, or a place in an object store that fsspec reaches."""

from __future__ import annotations

import glob
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import fsspec  # type: ignore[import-untyped]

from app.connectors.options.addresses import protocol_of
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.redaction import Redactor
from app.domain.secret_values import secrets_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from app.connectors.destinations.parquet.options import ParquetDestinationOptions

PART = ".part"
"""The end of a local file's name while it is written."""


class Storage(Protocol):
    """Every method raises `SynclineError`, without a secret, for what the file system refuses."""

    def create(self, name: str, content: bytes) -> bool:
        """A new file, all of it or nothing; False if there is one of this name, which stays as it is."""

    def replace(self, name: str, content: bytes) -> None:
        """A file that readers see as it was or as it is now."""

    def put(self, local: Path, name: str) -> None:
        """A new file of the bytes of a local one, which is given up."""

    def read(self, name: str) -> bytes: ...

    def opened(self, name: str) -> IO[bytes]: ...

    def names(self, directory: str) -> list[str]:
        """Of the files in it; none if it does not exist."""

    def starting_with(self, prefix: str) -> list[str]:
        """The files of all directories whose own names begin so."""

    def remove(self, name: str) -> None:
        """Nothing is said of a file that is gone already."""

    def remove_parts(self, directory: str, *, older_than: str) -> None:
        """What processes that were killed while they wrote have left in it before the file `older_than` was written."""


def make_storage(options: ParquetDestinationOptions) -> Storage:
    """Raises ConfigurationError for options that the file system does not take."""
    secrets = secrets_in(options.storage_options)
    protocol = protocol_of(options.path)
    if protocol == "file":
        root = Path(options.path.removeprefix("file://")).absolute()
        with explained(f"cannot use {root}"):
            root.mkdir(parents=True, exist_ok=True)
        return LocalStorage(root)
    try:
        system = fsspec.filesystem(protocol, skip_instance_cache=True, **options.storage_options)
    except ImportError as error:
        raise ConfigurationError(f"addresses {protocol}:// need a package: {error}") from None
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise ConfigurationError(f"'storage_options': {Redactor(secrets).redact(_told(error))}") from None
    return ObjectStorage(system, options.path.rstrip("/"), secrets=secrets)


class LocalStorage:
    """What is written is on the disk before anything names it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def create(self, name: str, content: bytes) -> bool:
        with explained(f"cannot write {self._root / name}"):
            part = self._written(name, content)
            try:
                os.link(part, self._root / name)
            except FileExistsError:
                return False
            finally:
                part.unlink()
            _sync(part.parent)
            return True

    def replace(self, name: str, content: bytes) -> None:
        with explained(f"cannot write {self._root / name}"):
            part = self._written(name, content)
            part.replace(self._root / name)
            _sync(part.parent)

    def put(self, local: Path, name: str) -> None:
        path = self._root / name
        part = path.with_name(path.name + PART)
        with explained(f"cannot write {path}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(local, part)
            _sync(part)
            part.replace(path)
            _sync(path.parent)
            _sync(self._root)

    def read(self, name: str) -> bytes:
        with explained(f"cannot read {self._root / name}"):
            return (self._root / name).read_bytes()

    def opened(self, name: str) -> IO[bytes]:
        with explained(f"cannot read {self._root / name}"):
            return (self._root / name).open("rb")

    def names(self, directory: str) -> list[str]:
        path = self._root / directory
        return [each.name for each in path.iterdir()] if path.is_dir() else []

    def starting_with(self, prefix: str) -> list[str]:
        return [str(path.relative_to(self._root)) for path in self._root.glob(f"*/{prefix}*")]

    def remove(self, name: str) -> None:
        (self._root / name).unlink(missing_ok=True)

    def remove_parts(self, directory: str, *, older_than: str) -> None:
        with explained(f"cannot clear {self._root / directory}"):
            try:
                limit = (self._root / older_than).stat().st_mtime_ns
                for path in (self._root / directory).glob(f"*{PART}"):
                    if path.stat().st_mtime_ns < limit:
                        path.unlink()
            except FileNotFoundError:
                return

    def _written(self, name: str, content: bytes) -> Path:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}{PART}")
        part.write_bytes(content)
        _sync(part)
        return part


class ObjectStorage:
    """Objects appear as a whole; whether a new one may replace another is the store's to decide, in `create`."""

    def __init__(self, system: Any, root: str, *, secrets: Iterable[str]) -> None:
        self._system = system
        self._root = root
        self._redact = Redactor(secrets).redact
        self._creates_once = False

    def create(self, name: str, content: bytes) -> bool:
        """Raises ConfigurationError if the store creates a file that is there: it does not know the condition."""
        if not self._created(name, content):
            return False
        if not self._creates_once and self._created(name, content):
            raise ConfigurationError(
                f"{self._root}: this store replaces what should be created only once (If-None-Match: *), so that two "
                "attempts could undo each other's work: choose one that knows conditional writes"
            )
        self._creates_once = True
        return True

    def _created(self, name: str, content: bytes) -> bool:
        with self._explained(f"cannot write {self._root}/{name}"):
            try:
                self._system.pipe_file(f"{self._root}/{name}", content, mode="create")
            except Exception:
                # Each store has its own words for a condition that failed; whether there is one already tells.
                self._system.invalidate_cache()
                if self._system.exists(f"{self._root}/{name}"):
                    return False
                raise
            return True

    def replace(self, name: str, content: bytes) -> None:
        with self._explained(f"cannot write {self._root}/{name}"):
            self._system.pipe_file(f"{self._root}/{name}", content)

    def put(self, local: Path, name: str) -> None:
        with self._explained(f"cannot write {self._root}/{name}"):
            self._system.put_file(str(local), f"{self._root}/{name}")
        local.unlink()

    def read(self, name: str) -> bytes:
        with self._explained(f"cannot read {self._root}/{name}"):
            return bytes(self._system.cat_file(f"{self._root}/{name}"))

    def opened(self, name: str) -> IO[bytes]:
        with self._explained(f"cannot read {self._root}/{name}"):
            file: IO[bytes] = self._system.open(f"{self._root}/{name}", "rb")
            return file

    def names(self, directory: str) -> list[str]:
        with self._explained(f"cannot list {self._root}/{directory}"):
            self._system.invalidate_cache()
            try:
                found = self._system.ls(f"{self._root}/{directory}", detail=False)
            except FileNotFoundError:
                return []
            return [path.rpartition("/")[2] for path in found]

    def starting_with(self, prefix: str) -> list[str]:
        with self._explained(f"cannot list {self._root}"):
            self._system.invalidate_cache()
            found = self._system.glob(f"{glob.escape(self._root)}/*/{prefix}*")
            return ["/".join(path.split("/")[-2:]) for path in found]

    def remove(self, name: str) -> None:
        with self._explained(f"cannot remove {self._root}/{name}"):
            try:
                self._system.rm_file(f"{self._root}/{name}")
            except FileNotFoundError:
                return

    def remove_parts(self, directory: str, *, older_than: str) -> None:
        """There are none: an object that was not completed does not exist."""

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        with explained(doing, redact=self._redact):
            try:
                yield
            except (TypeError, AttributeError) as error:
                # Some options are only looked at when the store is asked for the first time.
                taker, said = type(self._system).__name__, self._redact(_told(error))
                raise ConfigurationError(f"'storage_options' are not what {taker} takes: {said}") from None


@contextmanager
def explained(doing: str, *, redact: Callable[[str], str] = str) -> Iterator[None]:
    """Turns whatever a file system raises into one of Syncline's errors, without a secret."""
    try:
        yield
    except SynclineError:
        raise
    except (PermissionError, NotADirectoryError, IsADirectoryError) as error:
        raise ConfigurationError(f"{doing}: {error.strerror or type(error).__name__}") from None
    except Exception as error:  # noqa: BLE001 -- each file system has exceptions of its own
        raise SynclineError(f"{doing}: {redact(_told(error))}") from None


def _told(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())


def _sync(path: Path) -> None:
    """What a directory names and a file holds is on the disk after this."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
