"""Where the files are: a local directory, or a prefix in an object store that fsspec can open."""

from __future__ import annotations

import glob
import os
import shutil
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Protocol

import fsspec  # type: ignore[import-untyped]

from app.connectors.options.addresses import local_path, protocol_of
from app.domain.errors import ConfigurationError, LoginRefusedError, SynclineError
from app.domain.redaction import Redactor
from app.domain.secret_values import secrets_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from app.connectors.destinations.parquet.options import ParquetDestinationOptions

PART = ".part"
"""The suffix of a local file while it is written."""


class Storage(Protocol):
    """Names are relative to it. Every method raises `SynclineError`, without secrets, if the file system fails."""

    def create(self, name: str, content: bytes) -> bool:
        """Creates a file atomically; False if one with this name exists, which stays as it is."""

    def replace(self, name: str, content: bytes) -> None:
        """Writes a file atomically: readers see either the old or the new content."""

    def put(self, local: Path, name: str) -> None:
        """Moves a local file here."""

    def read(self, name: str) -> bytes: ...

    def open(self, name: str) -> IO[bytes]: ...

    def names(self, directory: str) -> list[str]:
        """The names of the files in it; none if it does not exist."""

    def starting_with(self, prefix: str) -> list[str]:
        """The files of all directories whose names begin with `prefix`."""

    def remove(self, name: str) -> None:
        """Removes a file, if it exists."""

    def remove_parts(self, directory: str, *, older_than: str) -> None:
        """Removes what killed processes left in it before the file `older_than` was written."""


def make_storage(options: ParquetDestinationOptions) -> Storage:
    """Raises ConfigurationError for options that the file system does not accept."""
    secrets = secrets_in(options.storage_options)
    if (root := local_path(options.path)) is not None:
        with translate_errors(f"cannot use {root}"):
            root.mkdir(parents=True, exist_ok=True)
        return LocalStorage(root)
    protocol = protocol_of(options.path)
    try:
        system = fsspec.filesystem(protocol, skip_instance_cache=True, **options.storage_options)
    except ImportError as error:
        raise ConfigurationError(f"{protocol}:// addresses need a package that is not installed: {error}") from None
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise ConfigurationError(f"'storage_options': {Redactor(secrets).redact(_describe(error))}") from None
    return ObjectStorage(system, options.path.rstrip("/"), secrets=secrets, may_change=options.from_files)


class LocalStorage:
    """Files are synced to disk before anything names them."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def create(self, name: str, content: bytes) -> bool:
        with translate_errors(f"cannot write {self._root / name}"):
            part = self._write_part(name, content)
            try:
                os.link(part, self._root / name)
            except FileExistsError:
                return False
            finally:
                part.unlink()
            _sync(part.parent)
            return True

    def replace(self, name: str, content: bytes) -> None:
        with translate_errors(f"cannot write {self._root / name}"):
            part = self._write_part(name, content)
            part.replace(self._root / name)
            _sync(part.parent)

    def put(self, local: Path, name: str) -> None:
        path = self._root / name
        part = path.with_name(path.name + PART)
        with translate_errors(f"cannot write {path}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(local, part)
            _sync(part)
            part.replace(path)
            _sync(path.parent)
            _sync(self._root)

    def read(self, name: str) -> bytes:
        with translate_errors(f"cannot read {self._root / name}"):
            return (self._root / name).read_bytes()

    def open(self, name: str) -> IO[bytes]:
        with translate_errors(f"cannot read {self._root / name}"):
            return (self._root / name).open("rb")

    def names(self, directory: str) -> list[str]:
        path = self._root / directory
        return [each.name for each in path.iterdir()] if path.is_dir() else []

    def starting_with(self, prefix: str) -> list[str]:
        return [str(path.relative_to(self._root)) for path in self._root.glob(f"*/{prefix}*")]

    def remove(self, name: str) -> None:
        with translate_errors(f"cannot remove {self._root / name}"):
            (self._root / name).unlink(missing_ok=True)

    def remove_parts(self, directory: str, *, older_than: str) -> None:
        with translate_errors(f"cannot remove unfinished files in {self._root / directory}"):
            try:
                limit = (self._root / older_than).stat().st_mtime_ns
                for path in (self._root / directory).glob(f"*{PART}"):
                    if path.stat().st_mtime_ns < limit:
                        path.unlink()
            except FileNotFoundError:
                return

    def _write_part(self, name: str, content: bytes) -> Path:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}{PART}")
        part.write_bytes(content)
        _sync(part)
        return part


class ObjectStorage:
    """Objects appear as a whole; `create` relies on the store to refuse an object that exists."""

    def __init__(self, system: Any, root: str, *, secrets: Iterable[str], may_change: bool = False) -> None:
        """With `may_change`, the next attempt may have another login."""
        self._may_change = may_change
        self._system = system
        self._root = root
        self._redact = Redactor(secrets).redact
        self._creates_once = False

    def create(self, name: str, content: bytes) -> bool:
        """Raises ConfigurationError if the store overwrites an existing file: it ignores the condition."""
        if not self._create_once(name, content):
            return False
        if not self._creates_once and self._create_once(name, content):
            raise ConfigurationError(
                f"{self._root}: this store ignores conditional writes (If-None-Match: *), so two attempts could "
                "overwrite each other's work: use a store that supports them"
            )
        self._creates_once = True
        return True

    def _create_once(self, name: str, content: bytes) -> bool:
        with self._translate_errors(f"cannot write {self._root}/{name}"):
            try:
                self._system.pipe_file(f"{self._root}/{name}", content, mode="create")
            except Exception:
                # Each store reports a failed condition differently, so look whether the file exists.
                self._system.invalidate_cache()
                if self._system.exists(f"{self._root}/{name}"):
                    return False
                raise
            return True

    def replace(self, name: str, content: bytes) -> None:
        with self._translate_errors(f"cannot write {self._root}/{name}"):
            self._system.pipe_file(f"{self._root}/{name}", content)

    def put(self, local: Path, name: str) -> None:
        with self._translate_errors(f"cannot write {self._root}/{name}"):
            self._system.put_file(str(local), f"{self._root}/{name}")
        local.unlink()

    def read(self, name: str) -> bytes:
        with self._translate_errors(f"cannot read {self._root}/{name}"):
            return bytes(self._system.cat_file(f"{self._root}/{name}"))

    def open(self, name: str) -> IO[bytes]:
        with self._translate_errors(f"cannot read {self._root}/{name}"):
            file: IO[bytes] = self._system.open(f"{self._root}/{name}", "rb")
            return file

    def names(self, directory: str) -> list[str]:
        with self._translate_errors(f"cannot list {self._root}/{directory}"):
            self._system.invalidate_cache()
            try:
                found = self._system.ls(f"{self._root}/{directory}", detail=False)
            except FileNotFoundError:
                return []
            return [path.rpartition("/")[2] for path in found]

    def starting_with(self, prefix: str) -> list[str]:
        with self._translate_errors(f"cannot list {self._root}"):
            self._system.invalidate_cache()
            found = self._system.glob(f"{glob.escape(self._root)}/*/{prefix}*")
            return ["/".join(path.split("/")[-2:]) for path in found]

    def remove(self, name: str) -> None:
        with self._translate_errors(f"cannot remove {self._root}/{name}"):
            try:
                self._system.rm_file(f"{self._root}/{name}")
            except FileNotFoundError:
                return

    def remove_parts(self, directory: str, *, older_than: str) -> None:
        """Nothing to do: an object that was not completed does not exist."""

    @contextmanager
    def _translate_errors(self, doing: str) -> Iterator[None]:
        with translate_errors(doing, redact=self._redact):
            try:
                yield
            except PermissionError as error:
                if not self._may_change:
                    raise
                raise LoginRefusedError(f"{doing}: {error.strerror or type(error).__name__}") from None
            except (TypeError, AttributeError) as error:
                # Some options are checked only on the first request.
                system, why = type(self._system).__name__, self._redact(_describe(error))
                raise ConfigurationError(f"'storage_options' are not valid for {system}: {why}") from None


@contextmanager
def translate_errors(doing: str, *, redact: Callable[[str], str] = str) -> Iterator[None]:
    """Turns whatever a file system raises into one of Syncline's errors, without secrets."""
    try:
        yield
    except SynclineError:
        raise
    except (PermissionError, NotADirectoryError, IsADirectoryError) as error:
        raise ConfigurationError(f"{doing}: {error.strerror or type(error).__name__}") from None
    except Exception as error:  # noqa: BLE001 -- each file system has exceptions of its own
        raise SynclineError(f"{doing}: {redact(_describe(error))}") from None


def _describe(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())


def _sync(path: Path) -> None:
    """Flushes a file, or the names in a directory, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
