"""API tokens that are stored in the database: their format, their scopes, and their hashes."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.domain.seal import REDACTED

LONGEST_NAME: Final = 100
_ID_BYTES: Final = 8
_SECRET_BYTES: Final = 32
TOKEN_FORMAT: Final = re.compile(r"syncline_([0-9a-f]{16})_[0-9a-f]{64}")
"""A token: a prefix that people and secret scanners recognise, its public id, and 256 random bits."""

TOKEN_IN_TEXT: Final = re.compile(r"syncline_[0-9a-f]{16}_[0-9a-f]+")
"""A token in a text, possibly cut off at the end."""


class TokenScope(StrEnum):
    """What a token allows; each scope includes those before it.

    `read` views, `run` also requests and cancels tasks, `admin` does everything.
    """

    READ = "read"
    RUN = "run"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """The rank of the scope, 0 for the narrowest."""
        return _RANKS[self]

    def covers(self, needed: TokenScope) -> bool:
        return self.rank >= needed.rank


_RANKS: Final = {scope: rank for rank, scope in enumerate(TokenScope)}


@dataclass(frozen=True, slots=True)
class NewToken:
    """A new token: `text` is the token itself, which is shown once; `id` and `hash` are stored."""

    id: str
    text: str
    hash: bytes


RESERVED_NAMES: Final = frozenset({"admin", REDACTED})
"""In events `admin` is `server.admin_token`, and `[redacted]` a name that was removed."""


def name_problem(name: str) -> str | None:
    """Why `name` is not valid for a token; None if it is."""
    if len(name) > LONGEST_NAME:
        return f"at most {LONGEST_NAME} characters, not {len(name)}"
    if name in RESERVED_NAMES:
        return "another name: in events, this one stands for something else"
    return None if not name or name.isprintable() else "no control characters"


def make_token() -> NewToken:
    """Make a new random token."""
    id_ = secrets.token_hex(_ID_BYTES)
    text = f"syncline_{id_}_{secrets.token_hex(_SECRET_BYTES)}"
    return NewToken(id=id_, text=text, hash=token_hash(text))


def token_hash(text: str) -> bytes:
    """SHA-256 of the token. A slow hash is only needed for secrets that can be guessed, not for 256 random bits."""
    return hashlib.sha256(text.encode()).digest()


def token_id(candidate: bytes) -> str | None:
    """The public id in what a client sent; None if that is not a token in this format."""
    found = TOKEN_FORMAT.fullmatch(candidate.decode("latin-1"))
    return found[1] if found else None


def id_in(text: str) -> str | None:
    """The public id in `text`: an id, a token or the beginning of a token; None if it is none of these."""
    found = re.fullmatch(r"(?:syncline_)?([0-9a-f]{16})(?:_[0-9a-f]*)?", text)
    return found[1] if found else None


def is_token(candidate: bytes, expected_hash: bytes) -> bool:
    """Whether `candidate` is the token with this hash; compares in constant time."""
    return hmac.compare_digest(hashlib.sha256(candidate).digest(), expected_hash)
