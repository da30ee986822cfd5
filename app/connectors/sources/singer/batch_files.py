"""BATCH messages of Meltano's SDK, whose rows are in files: https://sdk.meltano.com/en/latest/batch.html."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, Final, cast
from urllib.parse import unquote

import msgspec

from app.connectors.contract.batches import is_full
from app.connectors.programs.documents import open_regular_file
from app.connectors.programs.excerpts import excerpt
from app.connectors.programs.pipe import Lines
from app.connectors.programs.sizes import check_values
from app.connectors.values import jsontext
from app.connectors.values.repeats import RepeatedNameError, check_names
from app.domain.errors import ConfigurationError, SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH: Final = "BATCH"

_CHUNK_BYTES: Final = 256 << 10
_GZIP_MAGIC: Final = b"\x1f\x8b"
_COMPRESSIONS: Final = (None, "", "none", "gzip")
_LOCAL_URL: Final = re.compile(r"file:(//(localhost)?)?(?=/[^/])", re.IGNORECASE)
_INSTEAD: Final = "or remove 'batch_config', so that the tap sends RECORD messages"


class _Encoding(msgspec.Struct):
    format: str
    compression: str | None = None


class Batch(msgspec.Struct):
    """Files of records of one stream, in the order of `manifest`, which has their URLs or paths."""

    type: ClassVar[str] = BATCH
    record: ClassVar[None] = None
    stream: str
    encoding: _Encoding
    manifest: list[str]

    def records(self) -> Iterator[tuple[list[dict[str, Any]], int]]:
        """The records in pieces, each with its approximate number of bytes. The files stay where they are.

        Raises:
            SynclineError: a file cannot be read; names the file and, as far as it is known, the line.
            ConfigurationError: the same, and a retry would not help.
        """
        self._check_encoding()
        for url in self.manifest:
            yield from _records_in(_path_of(url))

    def _check_encoding(self) -> None:
        encoding = self.encoding
        if encoding.format != "jsonl":
            raise ConfigurationError(
                f"a BATCH message of stream {self.stream!r} has files of the format {encoding.format!r}, which is not "
                f"read. In the tap's 'config', set 'batch_config.encoding.format' to jsonl, {_INSTEAD}"
            )
        if encoding.compression not in _COMPRESSIONS:
            raise ConfigurationError(
                f"a BATCH message of stream {self.stream!r} has files with the compression {encoding.compression!r}, "
                "which is not read. In the tap's 'config', set 'batch_config.encoding.compression' to gzip or none, "
                f"{_INSTEAD}"
            )


_decode = msgspec.json.Decoder(Batch).decode
_decode_record = msgspec.json.Decoder(dict[str, Any], float_hook=jsontext.fraction).decode


def parse_batch(line: bytes) -> Batch | None:
    """The BATCH message in a line; None if it has another form than the SDK's."""
    try:
        return _decode(line)
    except msgspec.MsgspecError:
        return None


def _path_of(url: str) -> Path:
    if found := _LOCAL_URL.match(url):
        # Not every tap encodes `#`, `?` and `%`, which are part of the name: files have neither queries nor fragments.
        written = Path(url[found.end() :])
        decoded = Path(unquote(str(written)))
        return written if written.exists() and not decoded.exists() else decoded
    path = Path(url)
    if not path.is_absolute():
        raise ConfigurationError(
            f"a BATCH message names the file {_without_secrets(url)!r}, but only files on this machine are read, by "
            "their absolute path. In the tap's 'config', set 'batch_config.storage.root' to a directory such as "
            f"file:///tmp/batches, {_INSTEAD}"
        )
    return path


def _without_secrets(url: str) -> str:
    """Scheme, host and path: the rest of a URL may have passwords and signatures."""
    address = url.partition("?")[0].partition("#")[0]
    scheme, mark, rest = address.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}" + ("?…" if "?" in url else "")


def _records_in(path: Path) -> Iterator[tuple[list[dict[str, Any]], int]]:
    records, size, lines = list[dict[str, Any]](), 0, list[bytes]()
    text = f"the batch file {str(path)!r}"
    for number, line in enumerate(Lines(_chunks(path), messages=True, text=text), 1):
        if not line.strip():
            continue
        if is_full(len(records), size):
            _check_names(lines, records, text)
            yield records, size
            records, size, lines = [], 0, []
        try:
            records.append(_record(line))
        except SynclineError as error:
            raise error.with_message(f"line {number} of {text}: {error}") from None
        size += len(line)
        lines.append(line)
    if records:
        _check_names(lines, records, text)
        yield records, size


def _check_names(lines: list[bytes], records: list[dict[str, Any]], file: str) -> None:
    try:
        check_names(f"[{b','.join(lines).decode()}]", records)
    except RepeatedNameError as error:
        raise ConfigurationError(f"{file}: {error}") from None


def _record(line: bytes) -> dict[str, Any]:
    check_values(line, program="the tap")
    try:
        return _decode_record(line)
    except RecursionError:
        problem = "values are nested too deeply"
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        problem = str(error)
    raise SynclineError(f"not a record: {problem}: {excerpt(line)}")


def _chunks(path: Path) -> Iterator[bytes]:
    """The content, unpacked if it is compressed: the SDK writes gzip whatever its `compression` says."""
    try:
        with open_regular_file(path) as file:
            is_packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            file.seek(0)
            content = cast("IO[bytes]", gzip.GzipFile(fileobj=file, mode="rb")) if is_packed else file
            while chunk := content.read(_CHUNK_BYTES):
                yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SynclineError(f"the batch file {str(path)!r} is damaged: {error}") from None
    except OSError as error:
        raise SynclineError(f"cannot read the batch file {str(path)!r}: {error.strerror}") from None
