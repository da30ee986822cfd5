"""Finds files by their addresses, describes them, and opens them for reading."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

import fsspec  # type: ignore[import-untyped]

from app.connectors.options.addresses import protocol_of
from app.connectors.sources.files.ordering import by_name, modified_of
from app.connectors.sources.files.signatures import signature_of
from app.domain.errors import ConfigurationError, LoginRefusedError, SynclineError
from app.domain.redaction import Redactor
from app.domain.secret_names import is_secret_name
from app.domain.secret_values import secrets_in
from app.domain.signed_urls import signature_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.connectors.sources.files.options import Order

_CHUNK_BYTES: Final = 1 << 20
_MAGIC: Final = frozenset("*?[")
_GONE: Final = (404, 410)
_SILENT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server says of a file that it sends."""

    status: int
    content_type: str

    @property
    def kind(self) -> str:
        """The type without its parameters."""
        return self.content_type.partition(";")[0].strip().lower()

    def __str__(self) -> str:
        return f"{self.status} {self.content_type}".rstrip()


@dataclass(frozen=True, slots=True)
class Found:
    """A file: `address` for its file system, `name` for people and bookmarks, without secrets.

    `copy` is the local copy if it had to be fetched for its signature; `size` is in bytes and `modified` in nanoseconds
    since 1970, None if unknown. `decoded`: the copy is without the `Content-Encoding` that the server sent it with.
    `answer` is the one that the copy came with.
    """

    address: str
    name: str
    signature: str
    copy: Path | None = None
    size: int | None = None
    modified: int | None = None
    decoded: bool = False
    answer: Answer | None = None

    def forget(self) -> None:
        """Removes the copy, which takes as much disk as the file."""
        if self.copy is not None:
            self.copy.unlink(missing_ok=True)


class Readable(Protocol):
    """A stream that may return fewer bytes than asked for, and none at its end."""

    def read(self, size: int = ..., /) -> bytes: ...


class Storage:
    """All files of one collection; `work_dir` holds what must be on disk to be read."""

    def __init__(
        self,
        addresses: Iterable[str],
        options: dict[str, Any],
        *,
        work_dir: Path,
        order: Order = "name",
        may_change: bool = False,
    ) -> None:
        """With `may_change`, the next attempt may have another login."""
        self._addresses = tuple(addresses)
        self._order = order
        self._options = options
        self._work_dir = work_dir
        self._refused = LoginRefusedError if may_change else ConfigurationError
        self._systems: dict[str, Any] = {}
        self._redactor = Redactor(secrets_in(options) | secrets_in(list(self._addresses)))

    def find_files(self, *, loaded: Iterable[str] = ()) -> list[Found]:
        """The files that exist now: addresses in the given order, matches of a pattern by name; or all by their time.

        Raises:
            ConfigurationError: an address without a pattern has no file, and is not among `loaded`; or the order is by
                time, and a file system does not say it.
            SynclineError: the storage does not respond.
        """
        earlier = set(loaded)
        files: dict[str, Found] = {}
        for system in self._systems.values():
            system.invalidate_cache()
        for address in self._addresses:
            for each, listed in self._matches(address):
                name = self._name(each)
                described = listed or self._describe(each, missing_ok=name in earlier)
                if described is None:
                    continue
                if (other := files.get(name)) is None:
                    files[name] = self._sign(each, described)
                elif other.address != each and protocol_of(each) != "file":
                    raise ConfigurationError(
                        f"two addresses differ only in their secrets, and both are {name}; remove one of them"
                    )
        return list(files.values()) if self._order == "name" else sorted(files.values(), key=_modified)

    def is_as_found(self, file: Found) -> bool:
        """Whether it has not changed since it was found."""
        if file.copy is not None:
            return True
        self._system(file.address).invalidate_cache()
        described = self._describe(file.address, missing_ok=True)
        return described is not None and signature_of(described) == file.signature

    @contextmanager
    def stream(self, file: Found) -> Iterator[StoredStream]:
        """A stream of its bytes from the beginning."""
        with self._open(file) as opened:
            decoded = file.decoded or _is_decoded(opened)
            yield StoredStream(opened, self, file.name, decoded=decoded, answer=file.answer or _answer_of(opened))

    @contextmanager
    def on_disk(self, file: Found) -> Iterator[Path]:
        """A local file with its bytes: the file itself, or a temporary copy."""
        if file.copy is not None:
            yield file.copy
        elif protocol_of(file.address) == "file":
            yield Path(file.name)
        else:
            with self.stream(file) as stream:
                copy, _ = self.save_copy(stream)
            try:
                yield copy
            finally:
                copy.unlink()

    def save_copy(self, stream: Readable) -> tuple[Path, str]:
        """The path of a new file with all of `stream`, and its SHA-256."""
        digest = hashlib.sha256()
        handle, path = tempfile.mkstemp(dir=self._work_dir, prefix="file-")
        with os.fdopen(handle, "wb") as copy:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
                copy.write(chunk)
        return Path(path), digest.hexdigest()

    @contextmanager
    def translate_errors(self, name: str) -> Iterator[None]:
        """Turns whatever a file system raises into one of Syncline's errors, without secrets."""
        try:
            yield
        except SynclineError:
            raise
        except FileNotFoundError as error:
            if (reason := _unreachable_reason(error)) is None:
                raise ConfigurationError(f"the file {name!r} does not exist") from None
            raise SynclineError(f"cannot read {name}: {self._redact(reason)}") from None
        except PermissionError as error:
            raise self._refused(f"cannot read {name}: {error.strerror or type(error).__name__}") from None
        except (IsADirectoryError, NotADirectoryError) as error:
            raise ConfigurationError(f"cannot read {name}: {error.strerror or type(error).__name__}") from None
        except (TypeError, AttributeError, KeyError) as error:
            # Some options are only checked at the first request.
            reason = self._redact(_describe_error(error))
            raise ConfigurationError(f"cannot read {name}: 'storage_options' do not fit: {reason}") from None
        except Exception as error:  # noqa: BLE001 -- each file system has exceptions of its own
            raise SynclineError(f"cannot read {name}: {self._redact(_describe_error(error))}") from None

    def _redact(self, text: str) -> str:
        for address in self._addresses:
            text = text.replace(address, mask_address(address))
        return self._redactor.redact(text)

    def _matches(self, address: str) -> list[tuple[str, dict[str, Any] | None]]:
        """Addresses with their descriptions from the listing: one request per object would take minutes."""
        protocol = protocol_of(address)
        # In a URL `?` and `*` are ordinary characters, and servers do not list files.
        if protocol in ("http", "https") or not _MAGIC & set(address):
            return [(address, None)]
        with self.translate_errors(mask_address(address)):
            system = self._system(address)
            if protocol == "file" and system.exists(address):
                return [(address, None)]
            found = system.glob(address, detail=True)
            if not found:
                _look_into(system, address)
            return [
                (system.unstrip_protocol(path), self._add_exact_time(path, each, protocol))
                for path, each in sorted(found.items(), key=lambda item: by_name(item[0]))
                if each["type"] == "file"
            ]

    def _describe(self, address: str, *, missing_ok: bool) -> dict[str, Any] | None:
        name = self._name(address)
        with self.translate_errors(name):
            system = self._system(address)
            try:
                described = system.info(address)
            except FileNotFoundError as error:
                if missing_ok and _unreachable_reason(error) is None:
                    return None
                raise
            if described.get("type") == "directory":
                raise ConfigurationError(f"{name} is a directory; write {name.rstrip('/')}/*")
            return self._add_exact_time(name, described, protocol_of(address))

    @staticmethod
    def _add_exact_time(name: str, described: dict[str, Any], protocol: str) -> dict[str, Any]:
        if protocol != "file":
            return described
        # fsspec's time is a float, which loses the last digits.
        return described | {"mtime_ns": Path(name).stat().st_mtime_ns}

    def _sign(self, address: str, described: dict[str, Any]) -> Found:
        name, signature = self._name(address), signature_of(described)
        if signature is not None:
            size = described.get("size")
            size = size if isinstance(size, int) else None
            return Found(address, name, signature, size=size, modified=modified_of(described))
        with self.stream(Found(address, name, "")) as stream:
            copy, digest = self.save_copy(stream)
        size = copy.stat().st_size
        signature = f"sha256 {digest}"
        return Found(address, name, signature, copy, size=size, decoded=stream.decoded, answer=stream.answer)

    @contextmanager
    def _open(self, file: Found) -> Iterator[IO[bytes]]:
        if file.copy is not None:
            opened = file.copy.open("rb")
        else:
            system, more = self._system(file.address), {}
            if protocol_of(file.address) in ("http", "https"):
                # One request from beginning to end, as many servers support no ranges; the size is not used then.
                more = {"block_size": 0, "size": 1}
            with self.translate_errors(file.name):
                try:
                    opened = system.open(file.address, "rb", **more)
                except FileNotFoundError:
                    raise SynclineError(f"{file.name} has disappeared since it was found") from None
        with opened:
            yield opened

    def _system(self, address: str) -> Any:
        protocol = protocol_of(address)
        if protocol not in self._systems:
            options = dict(self._options)
            if protocol in ("http", "https"):
                options = _http_options(options)
            try:
                self._systems[protocol] = fsspec.filesystem(protocol, skip_instance_cache=True, **options)
            except ImportError as error:
                raise ConfigurationError(f"{protocol}:// addresses need another package: {error}") from None
            except (TypeError, ValueError) as error:
                raise ConfigurationError(f"'storage_options': {self._redact(str(error))}") from None
        return self._systems[protocol]

    def _name(self, address: str) -> str:
        """The name of a file in bookmarks: the absolute path, wherever Syncline is started."""
        if protocol_of(address) == "file":
            return str(self._system(address)._strip_protocol(address))  # noqa: SLF001 -- fsspec has no other
        return mask_address(address)


class StoredStream:
    """A stream whose errors name the file; `decoded` and `answer` as in `Found`."""

    def __init__(self, stream: IO[bytes], storage: Storage, name: str, *, decoded: bool, answer: Answer | None) -> None:
        self.decoded = decoded
        self.answer = answer
        self._stream = stream
        self._storage = storage
        self._name = name

    def read(self, size: int = _CHUNK_BYTES, /) -> bytes:
        with self._storage.translate_errors(self._name):
            return self._stream.read(size)


def _is_decoded(stream: IO[bytes]) -> bool:
    """Whether aiohttp has taken off a `Content-Encoding`: some servers compress what nobody wants compressed."""
    response = getattr(stream, "r", None)
    return response is not None and response.headers.get("Content-Encoding", "identity") != "identity"


def _answer_of(stream: IO[bytes]) -> Answer | None:
    """What the server said over HTTP; None of other files."""
    response = getattr(stream, "r", None)
    headers = getattr(response, "headers", {})
    return None if response is None else Answer(response.status, headers.get("Content-Type", ""))


def _modified(file: Found) -> int:
    if file.modified is None:
        raise ConfigurationError(
            f"'order: modified' does not work for {file.name}, because its storage does not say when it was modified; "
            "use 'order: name', and list the files in 'path' in the order that you need"
        )
    return file.modified


def mask_address(address: str) -> str:
    """`address` without passwords, values of secret parameters, and a signature, which may be renewed.

    A local path is unchanged, and so is an address that has been masked before.
    """
    if protocol_of(address) not in ("http", "https"):
        return address
    url = urlsplit(address)
    host = url.netloc.rpartition("@")[2]
    written = parse_qsl(url.query, keep_blank_values=True)
    fields = [(name, "***" if is_secret_name(name) else value) for name, value in written]
    signature = signature_parts(fields)
    query = url.query
    if signature or fields != written:
        query = urlencode([(name, value) for name, value in fields if name not in signature], safe="*")
    return url._replace(netloc=host, query=query, fragment="").geturl()


def _look_into(system: Any, address: str) -> None:
    """Raises what listing a pattern's directory raises: a glob ignores missing buckets and denied access."""
    directory = os.path.dirname(re.split(r"[*?\[]", address)[0]) or "."  # noqa: PTH120 -- of any address
    try:
        system.ls(directory, detail=False)
    except FileNotFoundError as error:
        if protocol_of(address) == "file":
            raise ConfigurationError(f"the directory {directory!r} does not exist") from None
        # Object stores have no directories: only a missing bucket has a cause.
        if error.__cause__ is not None:
            raise


def _http_options(options: dict[str, Any]) -> dict[str, Any]:
    """Raw bytes without a total timeout: aiohttp's five minutes would end any large file."""
    from aiohttp import ClientTimeout  # noqa: PLC0415 -- only for these addresses

    waiting = ClientTimeout(total=None, sock_connect=_SILENT_SECONDS, sock_read=_SILENT_SECONDS)
    client = {"timeout": waiting, "trust_env": True} | dict(options.get("client_kwargs") or {})
    headers = {"Accept-Encoding": "identity"} | dict(options.get("headers") or {})
    return options | {"client_kwargs": client, "headers": headers}


def _unreachable_reason(error: FileNotFoundError) -> str | None:
    """Why a file could not be reached; None if it is missing: over HTTP fsspec reports any failure as missing."""
    cause = error.__cause__
    if cause is None or isinstance(cause, FileNotFoundError) or getattr(cause, "status", None) in _GONE:
        return None
    return _describe_error(cause)


def _describe_error(error: BaseException) -> str:
    """The error as text; that of a server's error would repeat the whole URL."""
    if (status := getattr(error, "status", None)) is not None:
        return f"the server returned {status} {getattr(error, 'message', '')}".rstrip()
    return " ".join((str(error) or type(error).__name__).split())
