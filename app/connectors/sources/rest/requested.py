"""The requests for pages that were sent: the same one again would lead back to pages that were read."""

from __future__ import annotations

import hashlib

from requests import Request


class Requested:
    """The requests so far, by what tells them apart."""

    def __init__(self) -> None:
        self._digests: set[bytes] = set()

    def add(self, request: Request) -> None:
        self._digests.add(_fingerprint(request))

    def __contains__(self, request: Request) -> bool:
        return _fingerprint(request) in self._digests

    def __len__(self) -> int:
        return len(self._digests)


def address(request: Request) -> str:
    """Its URL with its parameters."""
    return str(Request("GET", request.url, params=request.params).prepare().url)


def digest(text: str) -> bytes:
    """Equal for equal texts."""
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


def _fingerprint(request: Request) -> bytes:
    """Whatever the order of its parameters."""
    place, _, query = address(request).partition("?")
    parameters = sorted(query.split("&"))
    return digest(repr((request.method, place, parameters, request.json, request.data)))
