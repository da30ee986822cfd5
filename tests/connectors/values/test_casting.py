from __future__ import annotations

import math
import re
import struct
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.connectors.contract.batches import Columns, records_of
from app.connectors.contract.schema import Kind, Table
from app.connectors.values import casting, jsontext, times
from app.connectors.values.arrays import to_array
from app.connectors.values.fitting import Column, ValueRefusedError, fit
from app.connectors.values.floats import single_text
from app.connectors.warehouse.layout import widen

if TYPE_CHECKING:
    from app.connectors.values.casting import Holds

BIGINT = casting.Integer(-(2**63), 2**63 - 1)
NUMERIC = casting.Number(precision=147_455, scale=16_383)
MONEY = casting.Number(precision=5, scale=2)
FITTING: list[tuple[Holds, Any, Any]] = [
    (BIGINT, Decimal("5.0"), 5),
    (BIGINT, Decimal("1E+3"), 1000),
    (BIGINT, "-42", -42),
    (MONEY, Decimal("1.500"), Decimal("1.5")),
    (MONEY, "0." + 50 * "0", 0),
    (MONEY, Decimal("0E+50"), 0),
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
    (times.Timestamp(zone=True), "2024-02-29T12:00:00", datetime(2024, 2, 29, 12, tzinfo=UTC)),
    (times.Timestamp(zone=True), "2024-02-29T14:00:00+02:00", datetime(2024, 2, 29, 12, tzinfo=UTC)),
    (times.Timestamp(zone=True), "2024-02-29 14:00:00 +0200", datetime(2024, 2, 29, 12, tzinfo=UTC)),
    (times.Timestamp(zone=True), "2024-02-29t12:00Z", datetime(2024, 2, 29, 12, tzinfo=UTC)),
    (times.Timestamp(zone=True), "20240229T120000Z", datetime(2024, 2, 29, 12, tzinfo=UTC)),
    (times.Timestamp(zone=False), "2024-02-29T12:00:00Z", datetime(2024, 2, 29, 12)),  # noqa: DTZ001 -- wall clock
    (times.Timestamp(zone=True), "2024-02-29T12:00:00.123456000Z", datetime(2024, 2, 29, 12, 0, 0, 123456, UTC)),
    (times.Date(), "2024-02-29T00:00:00+00:00", date(2024, 2, 29)),
    (times.TimeOfDay(), "12:30:01.5", time(12, 30, 1, 500000)),
    (casting.Binary(bytes.hex), b"\x00\xff", "00ff"),
    (casting.Uuid(), "0192F7C2-0000-7000-8000-000000000001", "0192f7c2-0000-7000-8000-000000000001"),
]
UNFIT: list[tuple[Holds, Any, str]] = [
    (BIGINT, Decimal("1.5"), "fraction"),
    (BIGINT, 2**63, "out of range"),
    (BIGINT, Decimal("1E+999999"), "out of range"),
    (BIGINT, True, "not a number"),
    (BIGINT, "5 ", "not a number"),
    (MONEY, Decimal("1.234"), "after the decimal point"),
    (MONEY, 1000, "out of range"),
    (casting.Floating(64), Decimal("0.12345678901234567890"), "more digits"),
    (casting.Floating(64), 2**53 + 1, "more digits"),
    (casting.Floating(64), Decimal("1E+400"), "more digits"),
    (casting.Floating(32), 16_777_217, "more digits"),
    (casting.Boolean(), 1, "not a Boolean"),
    (casting.Text(), "a\0b", "U+0000"),
    (MONEY, Decimal("NaN"), "not a number"),
    (casting.Floating(64), float("inf"), "not a number"),
    (casting.Json(), {"a": "\ud800"}, "surrogate"),
    (casting.Text(), "\ud800", "surrogate"),
    (casting.Text(nul=True), "\ud800", "surrogate"),
    (casting.Text(limit=3), "four", "too long"),
    (casting.Text(), b"four", "is bytes, not text"),
    (casting.Binary(bytes.hex), 5, "not bytes"),
    (casting.Binary(bytes.hex), "\\x41", "it is text, not bytes"),
    (casting.Bytes(), "\\x41", "it is text, not bytes"),
    (casting.Json(), {"a": ["\0"]}, "U+0000"),
    (times.Timestamp(zone=True), "2024-02-29T12:00:00.1234567Z", "more precise"),
    (times.Timestamp(zone=True, digits=3), "2024-02-29T12:00:00.1234Z", "too many decimal places of a second"),
    (times.Timestamp(zone=False), "2024-02-29T12:00:00+02:00", "offset"),
    (times.Timestamp(zone=True), "yesterday", "ISO 8601"),
    (times.Timestamp(zone=True), 1709208000, "ISO 8601"),
    (times.Date(), "2024-02-29T12:00:00Z", "time of day"),
    (times.TimeOfDay(), "12:00+02:00", "offset"),
    (casting.Uuid(), "none", "UUID"),
    (times.Timestamp(zone=True), "0001-01-01T00:00:00+02:00", "between the years"),
    (times.Timestamp(zone=True), "9999-12-31T23:00:00-02:00", "between the years"),
    (times.Timestamp(zone=True), "20240101T000000.1234567Z", "more precise"),
    (times.Timestamp(zone=False), "2024-01-01T12000001", "ISO 8601"),
    (times.TimeOfDay(), "20240101", "ISO 8601"),
    (times.TimeOfDay(), "120000123456789", "ISO 8601"),
    (casting.Text(), {"a\ud800": 1}, "surrogate"),
    (casting.Verbatim(), 5, "only text"),
    (casting.Verbatim(), "a\ud800", "surrogate"),
    (casting.Binary(bytes.hex), "a\ud800", "not bytes"),
]


@pytest.mark.parametrize(("holds", "value", "stored"), FITTING)
def test_a_value_that_a_column_can_keep_takes_its_form(holds: Holds, value: Any, stored: Any) -> None:
    assert holds.cast(value) == stored
    # What is not seen to fit at one look travels as text, where no type says otherwise.
    assert cast(holds, [value]) in ([stored], [str(stored)])


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
        assert cast(BIGINT, values, pa.int64()) == values
    except ValueRefusedError:
        assert any(value is not None and (value != int(value) or abs(value) >= 2**63) for value in values)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_singles_arrive_as_the_same_singles(values: list[float]) -> None:
    shortest = [Decimal(single_text(value)) for value in values]
    stored = cast(casting.Floating(32), shortest, pa.float32())
    assert [struct.pack("f", value) for value in stored] == [struct.pack("f", value) for value in map(float, shortest)]


# What sources send by the million: a column must not look at each of these values by itself.
AT_ONE_LOOK: list[tuple[Holds, list[Any]]] = [
    (casting.Boolean(), [True, None, False]),
    (BIGINT, [1, None, -(2**63), 2**63 - 1]),
    (NUMERIC, [1.5, None, 2]),
    (NUMERIC, [10**18 - 1, 5]),
    (MONEY, [-999, 999]),
    (casting.Floating(64), [1.5, 2, 1e300]),
    (casting.Floating(64), [2**53, 1]),
    (casting.Text(), ["", "Genève 🎉", None]),
    (casting.Text(limit=3), ["né!"]),
    (casting.Text(nul=True), ["a\0b"]),
    (times.Timestamp(zone=True), ["2024-02-29T12:00:00Z", "2024-02-29 12:00:00.123456+00", None]),
    (
        times.Timestamp(zone=True),
        ["2024-02-29T12:00:00+02:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"],
    ),
    (times.Timestamp(zone=True), ["2024-02-29 12:00:00", "2024-02-29"]),
    (times.Timestamp(zone=False), ["2024-02-29 12:00:00.5"]),
    (times.Date(), ["2024-02-29", "0001-01-01", "9999-12-31"]),
    (casting.Uuid(), ["0192f7c2-0000-7000-8000-000000000001"]),
    (casting.Verbatim(), ["(1,2)"]),
    (casting.Bytes(), [b"\0\xff"]),
]
MOMENTS = re.compile(
    r"\A[0-9]{4}-[0-3][0-9]-[0-3][0-9]"
    r"([T ][0-2][0-9](:[0-6][0-9]){0,2}(\.[0-9]{1,9})?(Z|[+-][0-2][0-9](:?[0-9]{2})?)?)?\Z"
)
KINDS_OF_VALUES = st.sampled_from(
    [
        st.booleans(),
        st.integers(-(2**64), 2**64),
        st.floats(),
        st.integers(-(2**54), 2**54) | st.floats(allow_nan=False),
        st.text(),
        st.text("0123456789abcdef-", min_size=36, max_size=36),
        st.uuids().map(str),
        st.binary(),
        st.datetimes(timezones=st.none() | st.just(UTC) | st.just(timezone(timedelta(hours=-7)))).map(str),
        st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
        st.from_regex(MOMENTS),
        st.dates().map(date.isoformat),
        st.decimals(),
    ]
)


@pytest.mark.parametrize(("holds", "values"), AT_ONE_LOOK)
def test_what_comes_by_the_million_is_seen_at_one_look(holds: Holds, values: list[Any]) -> None:
    array = to_array(values)
    assert array is not None
    found = holds.fits(array)
    assert found is not None
    assert list(map(exact, found.to_pylist())) == [exact(None if each is None else holds.cast(each)) for each in values]


@given(st.sampled_from([holds for holds, *_ in (*FITTING, *UNFIT, *AT_ONE_LOOK)]), st.data())
def test_one_look_says_what_a_look_at_each_value_would(holds: Holds, data: st.DataObject) -> None:
    values = data.draw(st.lists(data.draw(KINDS_OF_VALUES), min_size=1, max_size=4))
    array = to_array(values)
    found = None if array is None else holds.fits(array)
    if found is not None:
        assert list(map(exact, found.to_pylist())) == [exact(holds.cast(each)) for each in values]


def test_what_arrow_cannot_put_into_the_type_of_a_column_is_looked_at_again() -> None:
    money = Column(name="c", type="DECIMAL(5,2)", holds=MONEY, arrow=pa.decimal128(5, 2))
    for values in ([1, 999], [Decimal("1.5"), 2]):
        array = fit([{"field": value} for value in values], {"field": money}, table="t")["c"]
        assert (array.type, array.to_pylist()) == (pa.decimal128(5, 2), values)


def test_a_zero_keeps_its_sign_whatever_is_beside_it() -> None:
    for beside in (1.5, Decimal("1.5")):
        zero, _ = cast(casting.Floating(64), [-0.0, beside], pa.float64())
        assert struct.pack("d", zero) == struct.pack("d", -0.0)


def test_what_only_the_way_into_a_column_cannot_keep_is_refused_by_its_place() -> None:
    moment = Column(name="c", type="timestamp(9)", holds=times.Timestamp(zone=True), arrow=pa.timestamp("ns", "UTC"))
    records = [{"field": value} for value in ("2024-01-01T00:00:00Z", None, "2300-01-01T00:00:00Z", "9999-01-01")]
    with pytest.raises(ValueRefusedError, match=r"'c' of table 't' .*2300-01-01T00:00:00Z.*timestamp\[ns"):
        fit(records, {"field": moment}, table="t")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_refusal_shows_a_number_that_json_has_not(value: float) -> None:
    with pytest.raises(ValueRefusedError, match=repr(value)):
        cast(NUMERIC, [value])


def test_columns_are_fitted_as_records_are() -> None:
    values: dict[str, Any] = {"id": pa.array([1, 2]), "name": ["a", None], "lacking": pa.array([b"x", None])}
    columns = {
        "id": Column("id", "numeric", NUMERIC),
        "name": Column("name", "text", casting.Text(), pa.string()),
        "lacking": Column("lacking", "bytea", casting.Binary(bytes.hex)),
        "other": Column("other", "date", times.Date(), pa.date32()),
    }
    batch = Columns(values)
    found = [array.to_pylist() for array in fit(batch, columns, table="t").values()]
    assert found == [[1, 2], ["a", None], ["78", None], [None, None]]
    assert found == [array.to_pylist() for array in fit(records_of(batch), columns, table="t").values()]


@pytest.mark.parametrize("nothing", [[None, None], pa.nulls(2), pa.array([None, None], pa.string())])
def test_a_column_of_nothing_but_null_makes_none(nothing: Any) -> None:
    table = Table("t", {"id": Kind.INTEGER})
    ids = pa.array([1, 2])
    assert widen(table, Columns({"id": ids, "note": nothing})) is None
    wider = widen(table, Columns({"id": ids, "note": pa.array([None, "x"])}))
    assert wider is not None
    assert wider.columns == {"id": Kind.INTEGER, "note": Kind.JSON}


def exact(value: Any) -> Any:
    """Numbers by their digits, as a column of numbers keeps them."""
    return Decimal(repr(value)) if isinstance(value, float) else value


def cast(holds: Holds, values: list[Any], arrow: pa.DataType | None = None) -> list[Any]:
    columns = {"field": Column(name="c", type="the type", holds=holds, arrow=arrow)}
    array = fit([{"field": value} for value in values], columns, table="t")["c"]
    return list(array.to_pylist())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (10**39, Decimal("1E+39")),
        (10**40, 1e40),
        (10**50, 1e50),
        (-(10**60), Decimal("-1.0E+60")),
        (10**400, Decimal("1E+400")),
        ({"b": [10**50 + 1], "a": 0}, {"a": -0.0, "b": [Decimal(10**50 + 1)]}),
    ],
)
def test_equal_numbers_are_the_same_text_in_canonical_json_whatever_their_size(one: Any, other: Any) -> None:
    canonical = casting.Json(canonical=True)
    assert canonical.cast(one) == canonical.cast(other)
    assert canonical.cast(jsontext.decode(canonical.cast(one))) == canonical.cast(one)


def test_different_long_numbers_stay_different_in_canonical_json() -> None:
    canonical = casting.Json(canonical=True)
    assert len({canonical.cast(10**count + 1) for count in (39, 40, 41, 50, 4000)}) == 5
    longest = "0." + "1" * 200_000
    assert canonical.cast(Decimal(f"{longest}10")) != canonical.cast(Decimal(f"{longest}20"))
