"""The format and compression of a file: from the options, or else from its name."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from app.connectors.options.addresses import protocol_of
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from app.connectors.sources.files.options import Compression, FilesParameters, Format

_COMPRESSIONS: Final[dict[str, Compression]] = {".gz": "gzip", ".gzip": "gzip", ".zip": "zip"}
_FORMATS: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}


def compression_of(name: str, parameters: FilesParameters) -> Compression:
    return parameters.compression or _COMPRESSIONS.get(_suffixes(name)[-1], "none")


def format_of(name: str, parameters: FilesParameters) -> Format:
    """The format of a file or of a member.

    Raises:
        ConfigurationError: neither the options nor its name say it.
    """
    found = parameters.format or _FORMATS.get(plain_suffix(name))
    if found is None:
        known = ", ".join(_FORMATS)
        raise ConfigurationError(f"cannot tell the format of {name} from its name (known: {known}); set 'format'")
    return found


def plain_suffix(name: str) -> str:
    """`.csv` of `a.csv` and of `a.csv.gz`."""
    *before, last = _suffixes(name)
    return before[-1] if last in _COMPRESSIONS and before else last


def _suffixes(name: str) -> list[str]:
    path = urlsplit(name).path if protocol_of(name) in ("http", "https") else name
    return [each.lower() for each in PurePosixPath(path).suffixes] or [""]
