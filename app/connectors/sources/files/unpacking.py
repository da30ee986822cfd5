"""The parts of a file: itself, the content of a gzip file, the members of a zip file."""

from __future__ import annotations

import fnmatch
import gzip
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from app.connectors.sources.files.formats import compression_of, format_of
from app.connectors.sources.files.ordering import by_name
from app.connectors.sources.files.pages import checked_stream
from app.connectors.sources.files.streams import Joined, beginning_of
from app.domain.errors import ConfigurationError, SynclineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from app.connectors.sources.files.options import FilesParameters, Format
    from app.connectors.sources.files.storage import Found, Readable, Storage

_BROKEN: Final = (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile)
_ENCRYPTED: Final = 0x1
_GZIP_MAGIC: Final = b"\x1f\x8b"


class BrokenFileError(Exception):
    """The compressed data is damaged from here on; the reader knows the line."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one format. `stream` reads them once from the beginning, `on_disk` provides them as a local file."""

    name: str
    format: Format
    stream: Callable[[], AbstractContextManager[Readable]]
    on_disk: Callable[[], AbstractContextManager[Path]]


def parts_of(file: Found, parameters: FilesParameters, storage: Storage) -> Iterator[Part]:
    """The parts of `file` to read; a part can be read until the next is requested.

    Raises:
        ConfigurationError: it is not compressed as its name or the options say, or has no matching member.
    """
    match compression_of(file.name, parameters):
        case "zip":
            yield from _members(file, parameters, storage)
        case "gzip":
            unpacked = _Unpacked(storage, file.name, partial(_gunzip, file, storage))
            yield unpacked.part(format_of(file.name, parameters))
        case "none":
            format_ = format_of(file.name, parameters)
            yield Part(
                file.name,
                format_,
                stream=partial(checked_stream, file, storage, parameters, format_),
                on_disk=partial(storage.on_disk, file),
            )


def _members(file: Found, parameters: FilesParameters, storage: Storage) -> Iterator[Part]:
    with storage.on_disk(file) as path:
        with storage.translate_errors(file.name):
            try:
                archive = zipfile.ZipFile(path)
            except zipfile.BadZipFile:
                raise SynclineError(f"{file.name} is not a zip file, or is truncated") from None
        with archive:
            members = [each for each in archive.infolist() if _is_wanted(each, parameters.members)]
            if not members:
                raise ConfigurationError(f"no member of {file.name} matches {parameters.members!r}")
            members.sort(key=lambda each: by_name(each.filename))
            if parameters.order == "modified":
                members.sort(key=lambda each: each.date_time)
            for member in members:
                name = f"{file.name}/{member.filename}"
                if member.flag_bits & _ENCRYPTED:
                    raise ConfigurationError(f"{name} is encrypted, which is not supported")
                unpacked = _Unpacked(storage, name, partial(archive.open, member))
                yield unpacked.part(format_of(name, parameters))


def _is_wanted(member: zipfile.ZipInfo, pattern: str) -> bool:
    # macOS puts metadata of each file into this directory.
    return (
        not member.is_dir()
        and not member.filename.startswith("__MACOSX/")
        and fnmatch.fnmatchcase(member.filename, pattern)
    )


@contextmanager
def _gunzip(file: Found, storage: Storage) -> Iterator[Readable]:
    with storage.stream(file) as stream:
        beginning = beginning_of(stream, len(_GZIP_MAGIC))
        whole = Joined(beginning, stream)
        if stream.decoded and not beginning.startswith(_GZIP_MAGIC):
            # The server means by `Content-Encoding: gzip` the compression that the file has anyway.
            yield whole
        else:
            with gzip.GzipFile(fileobj=whole, mode="rb") as unpacked:  # type: ignore[call-overload]
                yield unpacked


class _Unpacked:
    """A stream from a compressed file, whose errors are those of the file."""

    def __init__(self, storage: Storage, name: str, opened: Callable[[], AbstractContextManager[Readable]]) -> None:
        self._storage = storage
        self._name = name
        self._open = opened

    def part(self, format_: Format) -> Part:
        return Part(self._name, format_, stream=self._stream, on_disk=self._on_disk)

    @contextmanager
    def _stream(self) -> Iterator[Readable]:
        try:
            opened = self._open()
            with opened as stream:
                yield _Guarded(stream)
        except NotImplementedError as error:
            raise ConfigurationError(f"{self._name}: {error}") from None

    @contextmanager
    def _on_disk(self) -> Iterator[Path]:
        with self._stream() as stream:
            try:
                copy, _ = self._storage.save_copy(stream)
            except BrokenFileError as error:
                raise SynclineError(f"{self._name}: {error}") from None
        try:
            yield copy
        finally:
            copy.unlink()


class _Guarded:
    def __init__(self, stream: Readable) -> None:
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._stream.read(size)
        except gzip.BadGzipFile as error:
            raise BrokenFileError(f"not a gzip file, or damaged: {error}") from None
        except EOFError:
            raise BrokenFileError("the compressed file is truncated") from None
        except _BROKEN as error:
            raise BrokenFileError(f"the compressed file is damaged: {error}") from None
