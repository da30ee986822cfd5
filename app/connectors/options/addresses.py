"""Addresses of files: local paths, and URLs that fsspec can open."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.connectors.options.installed import check_installed

if TYPE_CHECKING:
    from collections.abc import Collection

_PROTOCOL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# The module that each protocol needs, and the extra that installs it.
_NEEDS: Final = {
    "file": ("fsspec", "files"),
    "http": ("aiohttp", "files"),
    "https": ("aiohttp", "files"),
    "s3": ("s3fs", "files-s3"),
    "gs": ("gcsfs", "files-gs"),
}
_IN_BUCKETS: Final = ("s3", "gs")
READABLE: Final = tuple(_NEEDS)
WRITABLE: Final = ("file", "s3", "gs")


def protocol_of(address: str) -> str:
    """`s3` for `s3://bucket/key`; `file` for an address without a protocol."""
    found = _PROTOCOL.match(address)
    return found[1].lower() if found else "file"


def local_path(address: str) -> Path | None:
    """The absolute path of an address on this machine; None for any other."""
    if protocol_of(address) != "file":
        return None
    found = _PROTOCOL.match(address)
    return Path(address[found.end() :] if found else address).absolute()


def normalize_address(address: str, valid: Collection[str]) -> str:
    """`address` as fsspec understands it, with its protocol in lower case.

    Raises ValueError if its protocol is not `valid`, its bucket is missing, or what it needs is not installed.
    """
    protocol = protocol_of(address)
    if not address.strip():
        raise ValueError("an address must not be empty")
    if "::" in address or protocol not in valid:
        known = ", ".join(f"{each}://" for each in valid)
        raise ValueError(f"unsupported address {protocol}://; use a local path or one of {known}")
    named, _, rest = address.partition("://")
    if protocol in _IN_BUCKETS and rest[:1] in ("", "/"):
        raise ValueError(f"the address names no bucket: write {protocol}://bucket/path")
    module, extra = _NEEDS[protocol]
    check_installed(f"address type {protocol}://", extra, module)
    return f"{protocol}://{rest}" if named.lower() == protocol else address
