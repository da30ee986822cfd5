"""What a user's function yields arrives as it is, or is refused."""

from __future__ import annotations

import datetime as dt
import enum
import json
import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.connectors.contract.schema import Kind
from app.connectors.destinations.postgres.columns import TYPES
from app.connectors.sources.python.values import Refused, check_bookmark, plain_value
from app.connectors.values.fitting import fit
from app.connectors.values.inference import infer_kinds

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=20,
)
VALUES = (
    JSON
    | st.decimals(allow_nan=False, allow_infinity=False, places=5)
    | st.datetimes()
    | st.datetimes(timezones=st.just(dt.UTC))
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.uuids()
)


class Colour(enum.StrEnum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


@given(JSON)
def test_what_json_has_stays_as_it_is(value: Any) -> None:
    assert plain_value(value)[0] == value


@given(JSON)
def test_a_bookmark_that_is_accepted_comes_back_equal_and_of_the_same_type(value: Any) -> None:
    check_bookmark(value)
    back = json.loads(json.dumps(value))
    assert back == value
    assert repr(back) == repr(value)


@pytest.mark.parametrize(
    "value", [dt.date(2024, 1, 1), Decimal(1), (1, 2), {1: 2}, float("nan"), {1, 2}, b"x", "\ud800", {"a": [object()]}]
)
def test_a_bookmark_that_would_come_back_as_something_else_is_refused(value: Any) -> None:
    with pytest.raises(Refused):
        check_bookmark(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC), "2024-01-01T12:00:00+00:00"),
        (dt.date(2024, 1, 1), "2024-01-01"),
        (dt.time(12, 30), "12:30:00"),
        (dt.timedelta(days=1, hours=2, microseconds=5), "26:00:00.000005"),
        (-dt.timedelta(minutes=90), "-01:30:00"),
        ({"took": dt.timedelta(seconds=1)}, {"took": "00:00:01"}),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({"at": [dt.date(2024, 1, 1)]}, {"at": ["2024-01-01"]}),
        ((1, "a"), [1, "a"]),
        (Decimal("1.10"), Decimal("1.10")),
        (bytearray(b"\x00\xff"), b"\x00\xff"),
    ],
)
def test_values_of_python_get_the_form_that_destinations_know(value: Any, expected: Any) -> None:
    assert plain_value(value)[0] == expected


def test_a_decimal_may_be_larger_than_any_double() -> None:
    assert plain_value(Decimal("1e400"))[0] == Decimal("1e400")


@pytest.mark.parametrize(("value", "kind"), [(Colour.RED, str), (Number.ONE, int)])
def test_members_of_enumerations_become_what_they_are_made_of(value: Any, kind: type) -> None:
    assert type(plain_value(value)[0]) is kind


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ([float("nan")], "it is nan, which JSON cannot hold"),
        ({"a": Decimal("Infinity")}, "it is Infinity, which JSON cannot hold"),
        ([b"\x00"], "it is bytes, which JSON cannot hold"),
        ("\ud800", "lone surrogate"),
        ({"deep": {1: 2}}, "its key 1 is not a string"),
        ({1, 2}, "of type set"),
        ([10**5000], "more than 3,900 digits"),
        (pytest, "of type module"),
    ],
)
def test_what_no_destination_could_keep_is_refused(value: Any, complaint: str) -> None:
    with pytest.raises(Refused, match=complaint):
        plain_value(value)


def test_values_without_a_bottom_are_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for check in (plain_value, check_bookmark):
        with pytest.raises(Refused, match="nested deeper than 100"):
            check(endless)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), VALUES), max_size=8))
def test_an_inferred_column_holds_the_values_that_it_was_inferred_from(records: list[dict[str, Any]]) -> None:
    kinds = infer_kinds(records, known=())
    assert set(kinds) == {name for record in records for name, value in record.items() if value is not None}
    columns = {name: TYPES.column(name, TYPES.new_type(kind, None)) for name, kind in kinds.items()}
    fit([plain_value(record)[0] for record in records], columns, table="t")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, None], Kind.BOOLEAN),
        ([Number.ONE], Kind.INTEGER),
        ([Decimal("1e400")], Kind.DECIMAL),
        ([1.5], Kind.FLOAT),
        ([1, -(2**63)], Kind.INTEGER),
        ([1, 2**63], Kind.BIG_INTEGER),
        ([1, 1.5], Kind.NUMBER),
        ([Decimal(1), 1], Kind.DECIMAL),
        ([Decimal(1), 1.5], Kind.NUMBER),
        ([dt.datetime(2024, 1, 1)], Kind.LOCAL_TIMESTAMP),  # noqa: DTZ001 - as users write them
        ([dt.datetime(2024, 1, 1, tzinfo=dt.UTC)], Kind.TIMESTAMP),
        ([uuid.UUID(int=1)], Kind.UUID),
        ([dt.datetime(2024, 1, 1), dt.date(2024, 1, 1)], Kind.TEXT),  # noqa: DTZ001 - as users write them
        ([dt.date(2024, 1, 1)], Kind.DATE),
        ([dt.time(1)], Kind.TIME),
        ([b"a", memoryview(b"b")], Kind.BYTES),
        (["a", uuid.UUID(int=1)], Kind.TEXT),
        ([1, "1"], Kind.JSON),
        ([True, 1], Kind.JSON),
        ([{"a": 1}], Kind.JSON),
    ],
)
def test_a_field_gets_the_kind_that_keeps_its_first_values(values: list[Any], kind: Kind) -> None:
    assert infer_kinds([{"field": value} for value in values], known=()) == {"field": kind}
    assert infer_kinds([{"field": value} for value in values], known=["field"]) == {}
