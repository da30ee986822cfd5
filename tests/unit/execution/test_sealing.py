"""What is encrypted can be read by nobody else, and in no other place."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from app.domain.renewal import Owner, SealedConfig
from app.execution.sealing import OutdatedError, Sealer, UnreadableError

FIRST, SECOND = "first-secret-key-with-32-characters", "second-secret-key-with-32-character"
SHOP = Owner("source", "shop")
WRITTEN: dict[str, Any] = {"refresh_token": "t0k3n-1", "rate": 0.5}
CONFIG = '{"refresh_token":"t0k3n-2"}'


def sealed_with(*keys: str) -> SealedConfig:
    sealed = Sealer(keys).seal(SHOP, CONFIG, written=WRITTEN)
    assert sealed is not None
    return sealed


@pytest.mark.parametrize("keys", [[FIRST], [SECOND, FIRST]], ids=["the key", "a later key before it"])
def test_any_of_the_keys_decrypts(keys: list[str]) -> None:
    assert Sealer(keys).open(SHOP, sealed_with(FIRST, SECOND), written=WRITTEN) == CONFIG


def test_the_order_of_keys_and_the_form_of_numbers_change_nothing() -> None:
    written = {"rate": Decimal("0.50"), "refresh_token": "t0k3n-1"}
    assert Sealer([FIRST]).open(SHOP, sealed_with(FIRST), written=written) == CONFIG


def test_another_written_configuration_is_recognised() -> None:
    with pytest.raises(OutdatedError):
        Sealer([FIRST]).open(SHOP, sealed_with(FIRST), written=WRITTEN | {"refresh_token": "t0k3n-9"})


@pytest.mark.parametrize("keys", [[SECOND], []], ids=["another", "none"])
def test_without_its_key_it_cannot_be_read(keys: list[str]) -> None:
    with pytest.raises(UnreadableError, match=r"server\.secret_key"):
        Sealer(keys).open(SHOP, sealed_with(FIRST), written=WRITTEN)


@pytest.mark.parametrize("owner", [Owner("source", "other"), Owner("destination", "shop")])
def test_it_cannot_be_read_in_the_place_of_another(owner: Owner) -> None:
    with pytest.raises(UnreadableError, match="is damaged"):
        Sealer([FIRST]).open(owner, sealed_with(FIRST), written=WRITTEN)


def test_a_changed_text_cannot_be_read() -> None:
    sealed = sealed_with(FIRST)
    changed = structs.replace(sealed, sealed=sealed.sealed[:-1] + bytes([sealed.sealed[-1] ^ 1]))
    with pytest.raises(UnreadableError, match="is damaged"):
        Sealer([FIRST]).open(SHOP, changed, written=WRITTEN)


def test_equal_texts_look_different() -> None:
    first, second = sealed_with(FIRST), sealed_with(FIRST)
    assert first.sealed != second.sealed
    assert b"t0k3n" not in first.sealed


def test_without_a_key_nothing_is_encrypted() -> None:
    assert Sealer([]).seal(SHOP, CONFIG, written=WRITTEN) is None
