"""What a column has to hold as well."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from app.connectors.contract.schema import Digits, Kind
from app.connectors.values import casting, times
from app.connectors.values.widening import Needed, held_by, needed_for, wider


@pytest.mark.parametrize(
    ("held", "value", "both"),
    [
        (Needed(Kind.INTEGER), 10**20, Needed(Kind.BIG_INTEGER)),
        (Needed(Kind.INTEGER), Decimal("9.99"), Needed(Kind.DECIMAL, Digits(21, 2))),
        (Needed(Kind.INTEGER), 0.5, Needed(Kind.DECIMAL, Digits(20, 1))),
        (Needed(Kind.INTEGER), float("nan"), Needed(Kind.NUMBER)),
        (Needed(Kind.INTEGER), "dear", Needed(Kind.TEXT)),
        (Needed(Kind.INTEGER), {"a": 1}, Needed(Kind.JSON)),
        (Needed(Kind.DECIMAL, Digits(10, 2)), Decimal("0.1234"), Needed(Kind.DECIMAL, Digits(12, 4))),
        (Needed(Kind.DECIMAL, Digits(4, 2)), Decimal("1E+5"), Needed(Kind.DECIMAL, Digits(8, 2))),
        (Needed(Kind.DECIMAL), Decimal("0.1234"), None),
        (Needed(Kind.BOOLEAN), 2, Needed(Kind.TEXT)),
        (Needed(Kind.DATE), "soon", Needed(Kind.TEXT)),
        (Needed(Kind.FLOAT), Decimal("0.12345678901234567890"), Needed(Kind.TEXT)),
        (Needed(Kind.TEXT), 1, None),
        (Needed(Kind.JSON), "x", None),
        (Needed(Kind.BYTES), "x", None),
        (Needed(Kind.INTEGER), b"x", None),
    ],
)
def test_a_refused_value_needs_a_type_that_holds_it_and_all_before(
    held: Needed, value: Any, both: Needed | None
) -> None:
    assert wider(held, needed_for(value), declared=False) == both


@pytest.mark.parametrize(
    ("held", "needed", "both"),
    [
        (Needed(Kind.INTEGER), Needed(Kind.INTEGER), None),
        (Needed(Kind.INTEGER), Needed(Kind.BIG_INTEGER), Needed(Kind.BIG_INTEGER)),
        (Needed(Kind.INTEGER), Needed(Kind.DECIMAL), Needed(Kind.DECIMAL)),
        (Needed(Kind.DECIMAL, Digits(10, 2)), Needed(Kind.DECIMAL, Digits(8, 1)), None),
        (Needed(Kind.FLOAT), Needed(Kind.DECIMAL, Digits(10, 2)), Needed(Kind.DECIMAL, Digits(10, 2))),
        (Needed(Kind.FLOAT), Needed(Kind.DECIMAL), None),
        (Needed(Kind.FLOAT), Needed(Kind.INTEGER), None),
        (Needed(Kind.LOCAL_TIMESTAMP), Needed(Kind.TIMESTAMP), Needed(Kind.TIMESTAMP)),
        (Needed(Kind.UUID), Needed(Kind.TEXT), Needed(Kind.TEXT)),
    ],
)
def test_what_a_source_declares_counts_for_all_values(held: Needed, needed: Needed, both: Needed | None) -> None:
    assert wider(held, needed, declared=True) == both


def test_columns_that_only_the_database_understands_are_left_alone() -> None:
    assert held_by(casting.Verbatim()) is None
    assert held_by(times.TimeOfDay()) == Needed(Kind.TIME)
    assert held_by(casting.NUMERIC) == Needed(Kind.DECIMAL)
    assert held_by(casting.Integer.signed(128)) == Needed(Kind.BIG_INTEGER)
