"""How long after its fire times a collection starts, so that many with the same schedule do not start at once."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Final

_DIGEST_BYTES: Final = 8
_SECOND: Final = timedelta(seconds=1)


def spread_delay(source: str, collection: str, spread: timedelta) -> timedelta:
    """A whole number of seconds from 0 up to less than `spread`, always the same for the same names.

    It is a hash of `source.collection`, scaled: all delays grow with the `spread`, and keep their order.
    """
    digest = hashlib.sha256(f"{source}.{collection}".encode()).digest()[:_DIGEST_BYTES]
    return int.from_bytes(digest) * (spread // _SECOND) // 256**_DIGEST_BYTES * _SECOND
