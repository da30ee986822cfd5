"""Keyed digests of configurations."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.writing import WriteMode
from app.execution.digests import DigestKey

KEY = DigestKey(b"a" * 32)


def test_the_order_of_keys_does_not_count_and_that_of_a_list_does() -> None:
    assert KEY.digest({"a": 1, "b": {"c": 2, "d": 3}}) == KEY.digest({"b": {"d": 3, "c": 2}, "a": 1})
    assert KEY.digest([1, 2]) != KEY.digest([2, 1])


@pytest.mark.parametrize("value", ["\ud800", "a\0b", {"\udfff": 1}, 10**99, float("inf"), None])
def test_every_value_that_a_catalogue_can_hold_has_one(value: object) -> None:
    assert KEY.digest(value) != KEY.digest("other")


@pytest.mark.parametrize(("value", "other"), [(timedelta(1), timedelta(2)), (WriteMode.APPEND, WriteMode.UPSERT)])
def test_values_of_the_models_count_by_their_text(value: object, other: object) -> None:
    assert KEY.digest(value) != KEY.digest(other)


def test_keys_make_other_digests_and_have_ids_that_say_so() -> None:
    other = DigestKey(b"b" * 32)
    assert other.id != KEY.id == DigestKey(b"a" * 32).id
    assert other.digest("x") != KEY.digest("x")


def test_a_digest_stays_the_same_from_release_to_release() -> None:
    assert KEY.digest({"password": "x", "pages": [1, 2.5]}) == "6f05bb63242419072cd6ef5c473587ee"
