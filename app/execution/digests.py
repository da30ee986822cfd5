"""Keyed digests of configurations: equal for equal ones, and of no use for guessing the secrets in them.

Keys by HKDF (RFC 5869), digests by HMAC-SHA-256.
"""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.domain.about import ABOUT

if TYPE_CHECKING:
    from app.config.catalogue import Catalogue
    from app.config.sources import Source
    from app.store.catalogues import Catalogues

_PURPOSE: Final = b"syncline configuration digests 1"
_KEY_BYTES: Final = 32
_ID_BYTES: Final = 4
_DIGEST_BYTES: Final = 16


class DigestKey:
    """A key made of a secret. Digests of two keys cannot be compared; `id` tells the keys apart."""

    def __init__(self, secret: bytes) -> None:
        derived = HKDF(algorithm=SHA256(), length=_KEY_BYTES + _ID_BYTES, salt=None, info=_PURPOSE).derive(secret)
        self._key = derived[:_KEY_BYTES]
        self.id = derived[_KEY_BYTES:].hex()

    def digest(self, value: Any) -> str:
        """`value` is what JSON can hold, and anything with a text of its own; the order of keys does not count."""
        # Escapes whatever is no valid text, which a catalogue may hold: one source must not stop all claims.
        text = json.dumps(value, sort_keys=True, default=str)
        return hmac.digest(self._key, text.encode(), "sha256")[:_DIGEST_BYTES].hex()

    def digest_of(self, source: Source) -> str:
        """The digest of all that the catalogue says about a source. Keys with their default value count as absent.

        What people say about it (`ABOUT`) does not count, because it explains no failure. A file that the connector
        reads by itself counts by its path.
        """
        return self.digest(
            {
                # With it, nobody can see that two sources have the same password.
                "source": source.id,
                "type": source.type,
                "destinations": source.destinations,
                "pool": source.pool,
                "config": source.config,
                # So that a new release, which knows more keys, makes the same digest.
                "collections": [
                    each.model_dump(exclude_defaults=True, exclude={*ABOUT}) for each in source.collections.values()
                ],
            }
        )


async def digest_key_of(catalogue: Catalogue, catalogues: Catalogues) -> DigestKey:
    """The key of the catalogue's `server.secret_key`, or of the store's own secret if there is none.

    Raises:
        MissingRightError: the login may not read the store's secret.
    """
    secret_key = catalogue.server.secret_key
    return DigestKey(secret_key[0].encode() if secret_key else await catalogues.get_digest_key())
