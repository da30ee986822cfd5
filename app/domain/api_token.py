"""Tokens of the API that the database knows: how they look, what each scope allows, and what is kept of them."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

LONGEST_NAME: Final = 100
_ID_BYTES: Final = 8
_SECRET_BYTES: Final = 32
WRITTEN: Final = re.compile(r"syncline_([0-9a-f]{16})_[0-9a-f]{64}")
"""A token as it is written: a mark by which people and scanners know it, its public id, and 256 random bits."""

RECOGNISED: Final = re.compile(r"syncline_[0-9a-f]{16}_[0-9a-f]+")
"""A token in a text, or the beginning of one that somebody has cut."""


class TokenScope(StrEnum):
    """What a token allows; each scope includes those before it.

    `read` looks, `run` also asks for tasks and cancels them, `admin` also does all the rest.
    """

    READ = "read"
    RUN = "run"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Its place among the scopes, the narrowest first."""
        return _RANKS[self]

    def covers(self, needed: TokenScope) -> bool:
        return self.rank >= needed.rank


_RANKS: Final = {scope: rank for rank, scope in enumerate(TokenScope)}


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made: `text` is all of it and is shown once, `id` and `hash` are kept."""

    id: str
    text: str
    hash: bytes


def name_problem(name: str) -> str | None:
    """Why `name` cannot stand in a list of tokens; None if it can."""
    if len(name) > LONGEST_NAME:
        return f"at most {LONGEST_NAME} characters, not {len(name)}"
    return None if not name or name.isprintable() else "no control characters"


def make_token() -> NewToken:
    """A token that nobody has had before."""
    id_ = secrets.token_hex(_ID_BYTES)
    text = f"syncline_{id_}_{secrets.token_hex(_SECRET_BYTES)}"
    return NewToken(id=id_, text=text, hash=token_hash(text))


def token_hash(text: str) -> bytes:
    """SHA-256 of the token. A slow hash protects what can be guessed; 256 random bits cannot."""
    return hashlib.sha256(text.encode()).digest()


def token_id(given: bytes) -> str | None:
    """The public id in what a client sent; None if that is no token of this form."""
    found = WRITTEN.fullmatch(given.decode("latin-1"))
    return found[1] if found else None


def id_in(text: str) -> str | None:
    """The public id that somebody gave, by itself, in a token or in the beginning of one; None if there is none."""
    found = re.fullmatch(r"(?:syncline_)?([0-9a-f]{16})(?:_[0-9a-f]*)?", text)
    return found[1] if found else None


def is_token(given: bytes, expected_hash: bytes) -> bool:
    """Whether `given` is the token of this hash, in constant time."""
    return hmac.compare_digest(hashlib.sha256(given).digest(), expected_hash)
