"""Encrypts what programs renew, with keys made of `server.secret_key`.

AES-256-GCM (NIST SP 800-38D) with random nonces, keys by HKDF (RFC 5869), digests by HMAC-SHA-256. The owner and the
digest are authenticated with the text, so that a row is of no use in another's place.
"""

from __future__ import annotations

import hmac
import json
import os
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.connectors.values import jsontext
from app.domain.errors import SynclineError
from app.domain.renewal import SealedConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.renewal import Owner

_PURPOSE: Final = b"syncline renewed configurations 1"
_KEY_BYTES: Final = 32
_ID_BYTES: Final = 8
_NONCE_BYTES: Final = 12


class OutdatedError(SynclineError):
    """The written configuration has changed since it was renewed."""


class UnreadableError(SynclineError):
    """What was renewed cannot be decrypted; the message says why, and what helps."""


class Sealer:
    """Encrypts with the first of `keys`, and decrypts with any of them."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [_Key(key) for key in keys]

    def seal(self, owner: Owner, config: str, *, written: dict[str, Any]) -> SealedConfig | None:
        """Encrypt what was made of `written`; None without a key."""
        return self._keys[0].seal(owner, config, written) if self._keys else None

    def open(self, owner: Owner, sealed: SealedConfig, *, written: dict[str, Any]) -> str:
        """Decrypt.

        Raises:
            OutdatedError: it was not made of `written`.
            UnreadableError: no key fits, or somebody has changed it.
        """
        key = next((key for key in self._keys if key.id == sealed.key_id), None)
        if key is None:
            raise UnreadableError(
                "none of 'server.secret_key' is the key that it is encrypted with: add that key to the list"
                if self._keys
                else "'server.secret_key' is not set: set it to the key that it is encrypted with"
            )
        if not hmac.compare_digest(key.digest(written), sealed.digest):
            raise OutdatedError
        return key.open(owner, sealed)


class _Key:
    """What is derived from one secret key."""

    def __init__(self, key: str) -> None:
        length = 2 * _KEY_BYTES + _ID_BYTES
        derived = HKDF(algorithm=SHA256(), length=length, salt=None, info=_PURPOSE).derive(key.encode())
        self._cipher = AESGCM(derived[:_KEY_BYTES])
        self._digest_key = derived[_KEY_BYTES : 2 * _KEY_BYTES]
        self.id = derived[2 * _KEY_BYTES :]

    def digest(self, written: dict[str, Any]) -> bytes:
        return hmac.digest(self._digest_key, jsontext.encode_canonical(written).encode(), "sha256")

    def seal(self, owner: Owner, config: str, written: dict[str, Any]) -> SealedConfig:
        nonce, digest = os.urandom(_NONCE_BYTES), self.digest(written)
        sealed = self._cipher.encrypt(nonce, config.encode(), _bound_to(owner, digest))
        return SealedConfig(key_id=self.id, digest=digest, sealed=nonce + sealed)

    def open(self, owner: Owner, sealed: SealedConfig) -> str:
        nonce, text = sealed.sealed[:_NONCE_BYTES], sealed.sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, text, _bound_to(owner, sealed.digest)).decode()
        except (InvalidTag, ValueError):
            raise UnreadableError("its row in 'syncline.renewed_configs' is damaged: delete the row") from None


def _bound_to(owner: Owner, digest: bytes) -> bytes:
    return json.dumps([owner.role, owner.name, digest.hex()]).encode()
