"""Addresses of files: local paths, and URLs of what fsspec reaches."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from app.connectors.options.installed import check_installed

if TYPE_CHECKING:
    from collections.abc import Collection

_PROTOCOL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# What has to be installed for a kind of address, and the extra that brings it.
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
    """`s3` of `s3://bucket/key`; `file` where an address names none."""
    found = _PROTOCOL.match(address)
    return found[1].lower() if found else "file"


def checked_address(address: str, valid: Collection[str]) -> str:
    """`address` as fsspec understands it, with its protocol in small letters.

    Raises ValueError unless it is of a `valid` kind, names a bucket if it lies in one, and what it needs is installed.
    """
    protocol = protocol_of(address)
    if not address.strip():
        raise ValueError("an address must not be empty")
    if "::" in address or protocol not in valid:
        known = ", ".join(f"{each}://" for each in valid)
        raise ValueError(f"an address begins with {protocol}://, valid are local paths and {known}")
    named, _, rest = address.partition("://")
    if protocol in _IN_BUCKETS and rest[:1] in ("", "/"):
        raise ValueError(f"an address {protocol}:// names its bucket first: write {protocol}://bucket/path")
    module, extra = _NEEDS[protocol]
    check_installed(f"an address {protocol}://", extra, module)
    return f"{protocol}://{rest}" if named.lower() == protocol else address
