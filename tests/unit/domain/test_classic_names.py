"""Names as Jitsu Classic v1.44.8 gives them, by its `schema.Reformat`, `FlattenObject` and `cutName`."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.classic_names import LONGEST_COLUMN, classic_column, classic_name
from app.domain.naming import namer


@pytest.mark.parametrize(
    ("name", "classic"),
    [
        ("My-Stream.X", "my_stream_x"),
        ("Order Total", "order_total"),
        ("firstName", "firstname"),
        ("a -- b", "a____b"),
        ("_sdc_deleted_at", "_sdc_deleted_at"),
        ("$key", "_key"),
        ("(key1)", "_key1_"),
        ("2FA", "2fa"),
        ("Größe", "gr__e"),
        ("\u0130d", "id"),
        ("\u212aelvin", "kelvin"),
        ("数量", "__"),
        ("", ""),
    ],
)
def test_a_name_of_classic(name: str, classic: str) -> None:
    assert classic_name(name) == classic
    assert namer("classic")(name) == classic


@pytest.mark.parametrize(
    ("path", "column"),
    [
        (("Id",), "id"),
        (("nested", "Deep", "X"), "nested_deep_x"),
        (("",), "_unnamed"),
        (("a", ""), "a_"),
        (("", "b"), "b"),
        (("a" * 59,), "a" * 59),
        (("a" + "b" * 59,), "b" * 59),
        (
            ("customer", "address_information_primary_residence", "geolocation_coordinates"),
            "cu_ad_information_primary_residence_geolocation_coordinates",
        ),
        (("ab_" * 20 + "cd",), ("ab_" * 20 + "cd")[-59:]),
        (("long_" + "x" * 30 + "_long_" + "y" * 30,), "lo_xx_lo_" + "y" * 30),
    ],
)
def test_a_column_of_classic(path: tuple[str, ...], column: str) -> None:
    assert classic_column(path) == column


@given(st.lists(st.text(), min_size=1).map(tuple))
def test_columns_of_classic_are_short_and_stay_as_they_are(path: tuple[str, ...]) -> None:
    column = classic_column(path)
    assert re.fullmatch(r"[a-z0-9_]+", column)
    assert len(column) <= LONGEST_COLUMN
    assert classic_column((column,)) == column
