"""Configurations that programs have renewed, as the store keeps them."""

from __future__ import annotations

from typing import Literal

import msgspec

Role = Literal["source", "destination"]


class Owner(msgspec.Struct, frozen=True):
    """The source or destination whose program has the configuration."""

    role: Role
    name: str


class SealedConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A renewed configuration, encrypted with the secret key `key_id`.

    `digest` is a keyed digest of the written configuration that it was renewed from.
    """

    key_id: bytes
    digest: bytes
    sealed: bytes


class Renewal(msgspec.Struct, frozen=True, kw_only=True):
    """The `number`th renewal of an attempt, at `at` by this process's monotonic clock.

    `config` is None if it cannot be kept, because there is no secret key.
    """

    owner: Owner
    number: int
    at: float
    config: SealedConfig | None
