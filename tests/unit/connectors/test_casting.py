from __future__ import annotations

import re
import struct
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.connectors import casting
from app.connectors.casting import Column, Holds, ValueRefusedError, cast_columns

BIGINT = casting.Integer(-(2**63), 2**63 - 1)
MONEY = casting.Number(precision=5, scale=2)
FITTING: list[tuple[Holds, Any, Any]] = [
    (BIGINT, Decimal("5.0"), 5),
    (BIGINT, Decimal("1E+3"), 1000),
    (BIGINT, "-42", -42),
    (MONEY, Decimal("1.500"), Decimal("1.500")),
    (MONEY, "999.99", Decimal("999.99")),
    (MONEY, 999, 999),
    (casting.Floating(64), Decimal("0.1"), 0.1),
    (casting.Floating(32), Decimal("1.1"), 1.1),
    (casting.Text(), 5, "5"),
    (casting.Text(), {"a": Decimal("1.10")}, '{"a":1.10}'),
    (casting.Text(limit=3), "né!", "né!"),
    (casting.Json(), "1", '"1"'),
    (casting.Json(), 2**70, str(2**70)),
    (casting.Json(), "\\u0000", '"\\\\u0000"'),
    (casting.Timestamp(zone=True), "2024-02-29T12:00:00", datetime(2024, 2, 29, 12, tzinfo=UTC)),
    (casting.Timestamp(zone=True), "2024-02-29T14:00:00+02:00", datetime(2024, 2, 29, 12, tzinfo=UTC)),
    (casting.Timestamp(zone=False), "2024-02-29T12:00:00Z", datetime(2024, 2, 29, 12)),  # noqa: DTZ001 -- wall clock
    (casting.Timestamp(zone=True), "2024-02-29T12:00:00.123456000Z", datetime(2024, 2, 29, 12, 0, 0, 123456, UTC)),
    (casting.Date(), "2024-02-29T00:00:00+00:00", date(2024, 2, 29)),
    (casting.TimeOfDay(), "12:30:01.5", time(12, 30, 1, 500000)),
    (casting.Binary(bytes.hex), b"\x00\xff", "00ff"),
    (casting.Binary(bytes.hex), "as it is", "as it is"),
    (casting.Uuid(), "0192F7C2-0000-7000-8000-000000000001", "0192f7c2-0000-7000-8000-000000000001"),
]
UNFIT: list[tuple[Holds, Any, str]] = [
    (BIGINT, Decimal("1.5"), "fraction"),
    (BIGINT, 2**63, "out of range"),
    (BIGINT, Decimal("1E+999999"), "out of range"),
    (BIGINT, True, "not a number"),
    (BIGINT, "5 ", "not a number"),
    (MONEY, Decimal("1.234"), "after the point"),
    (MONEY, 1000, "out of range"),
    (casting.Floating(64), Decimal("0.12345678901234567890"), "more digits"),
    (casting.Floating(64), 2**53 + 1, "more digits"),
    (casting.Floating(64), Decimal("1E+400"), "more digits"),
    (casting.Floating(32), 16_777_217, "more digits"),
    (casting.Boolean(), 1, "neither true nor false"),
    (casting.Text(), "a\0b", "U+0000"),
    (MONEY, Decimal("NaN"), "not a number"),
    (casting.Floating(64), float("inf"), "not a number"),
    (casting.Json(), {"a": "\ud800"}, "surrogate"),
    (casting.Text(), "\ud800", "surrogate"),
    (casting.Text(nul=True), "\ud800", "surrogate"),
    (casting.Text(limit=3), "four", "too long"),
    (casting.Text(), b"four", "of bytes"),
    (casting.Binary(bytes.hex), 5, "only text"),
    (casting.Json(), {"a": ["\0"]}, "U+0000"),
    (casting.Timestamp(zone=True), "2024-02-29T12:00:00.1234567Z", "finer"),
    (casting.Timestamp(zone=True, digits=3), "2024-02-29T12:00:00.1234Z", "more digits of a second"),
    (casting.Timestamp(zone=False), "2024-02-29T12:00:00+02:00", "offset"),
    (casting.Timestamp(zone=True), "yesterday", "ISO 8601"),
    (casting.Timestamp(zone=True), 1709208000, "ISO 8601"),
    (casting.Date(), "2024-02-29T12:00:00Z", "time of day"),
    (casting.TimeOfDay(), "12:00+02:00", "offset"),
    (casting.Uuid(), "none", "UUID"),
    (casting.Verbatim(), 5, "only text"),
]


@pytest.mark.parametrize(("holds", "value", "stored"), FITTING)
def test_a_value_that_a_column_can_keep_takes_its_form(holds: Holds, value: Any, stored: Any) -> None:
    assert cast(holds, [value]) == [stored]


@pytest.mark.parametrize(("holds", "value", "why"), UNFIT)
def test_a_value_that_would_become_another_one_is_refused(holds: Holds, value: Any, why: str) -> None:
    with pytest.raises(ValueRefusedError, match=re.escape(why)):
        cast(holds, [None, value])


def test_a_refusal_names_table_column_type_and_the_begin_of_the_value() -> None:
    with pytest.raises(ValueRefusedError) as refused:
        cast(casting.Text(limit=100), ["x" * 200])
    message = str(refused.value)
    assert "'t'" in message
    assert "'c'" in message
    assert "the type" in message
    assert "x" * 80 + "…" in message
    assert "x" * 81 not in message


@given(st.lists(st.none() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False)))
def test_integers_arrive_equal_or_not_at_all(values: list[Any]) -> None:
    try:
        assert cast(BIGINT, values) == values
    except ValueRefusedError:
        assert any(value is not None and (value != int(value) or abs(value) >= 2**63) for value in values)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_singles_arrive_as_the_same_singles(values: list[float]) -> None:
    shortest = [Decimal(casting._shortest_single(value)) for value in values]
    stored = cast(casting.Floating(32), shortest)
    assert [struct.pack("f", value) for value in stored] == [struct.pack("f", value) for value in map(float, shortest)]


def cast(holds: Holds, values: list[Any]) -> list[Any]:
    columns = {"field": Column(name="c", type="the type", holds=holds)}
    return cast_columns([{"field": value} for value in values], columns, table="t")[0]
