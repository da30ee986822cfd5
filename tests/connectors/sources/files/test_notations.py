"""Numbers, dates and times as other countries and programs write them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.connectors.options.validation import validated
from app.connectors.sources.files.options import FilesParameters
from app.connectors.sources.files.time_formats import TimeFormat
from app.domain.errors import ConfigurationError
from tests.connectors.sources.files.filing import Filing
from tests.connectors.sources.files.texts import objects_of, refusal_of, rows_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Warehouse

COMMA: dict[str, Any] = {"decimal": ","}
BOTH: dict[str, Any] = {"decimal": ",", "thousands": "."}


def cell(text: str, kind: str, **options: Any) -> Any:
    return rows_of(f"v\n{text}\n".encode(), types={"v": kind}, delimiter=";", **options)[0]["v"]


def cell_refusal(text: str, kind: str, **options: Any) -> str:
    return refusal_of(f"v\n{text}\n".encode(), types={"v": kind}, delimiter=";", **options)


@pytest.mark.parametrize(
    ("options", "kind", "text", "number"),
    [
        (COMMA, "number", "1,5", "1.5"),
        (COMMA, "decimal(9,2)", "-1234,56", "-1234.56"),
        (COMMA, "float", "1,5e-3", "1.5e-3"),
        (COMMA, "integer", "12", "12"),
        (COMMA, "number", " +,5 ", "0.5"),
        (COMMA, "float", "NaN", "NaN"),
        (BOTH, "number", "1.234.567,89", "1234567.89"),
        (BOTH, "integer", "1.234", "1234"),
        (BOTH, "number", "1234,5", "1234.5"),
        ({"thousands": ","}, "decimal", "-1,234.50", "-1234.50"),
        ({"decimal": ",", "thousands": " "}, "number", "1\u202f234\u00a0567,8", "1234567.8"),
        ({"decimal": ",", "thousands": " "}, "number", "1 234,8", "1234.8"),
        ({"thousands": "'"}, "number", "1\u2019234'567.8", "1234567.8"),
        ({}, "number", " +.5", "0.5"),
    ],
)
def test_numbers_are_read_in_the_notation_that_is_set(
    options: dict[str, Any], kind: str, text: str, number: str
) -> None:
    assert cell(text, kind, **options) == number
    assert cell('""', kind, **options) is None


@pytest.mark.parametrize(
    ("options", "kind", "text", "hint"),
    [
        (COMMA, "number", "1.234,56", """; if it is one, set 'decimal: ","' and 'thousands: "."'"""),
        (COMMA, "number", "1.5", """; if it is one, set 'decimal: "."'"""),
        ({}, "number", "1,5", """; if it is one, set 'decimal: ","'"""),
        ({}, "integer", "1,234", """; if it is one, set 'decimal: ","' or 'decimal: "."' and 'thousands: ","'"""),
        ({}, "decimal(9,2)", "1'234.5", """; if it is one, set 'decimal: "."' and 'thousands: "'"'"""),
        (BOTH, "number", "1.23,4", ""),
        (BOTH, "number", "12.34.567", ""),
        (BOTH, "number", "1,234.5", """; if it is one, set 'decimal: "."' and 'thousands: ","'"""),
        (BOTH, "number", ".", ""),
        ({"thousands": ","}, "number", "0,123", """; if it is one, set 'decimal: ","'"""),
        ({"thousands": ","}, "number", "012,345", """; if it is one, set 'decimal: ","'"""),
        (BOTH, "number", "1,2,3", ""),
    ],
)
def test_a_number_in_another_notation_is_refused_with_what_to_set(
    options: dict[str, Any], kind: str, text: str, hint: str
) -> None:
    begin = f"a.csv, line 2, column 'v': \"{text}\" is not a valid {kind.partition('(')[0]}: it is not a number"
    assert cell_refusal(text, kind, **options) == begin + hint


def test_a_number_in_the_set_notation_must_still_fit_its_type() -> None:
    assert "it has a fraction" in cell_refusal("1,5", "integer", **COMMA)
    assert "it has too many digits after the decimal point" in cell_refusal("1,555", "decimal(9,2)", **COMMA)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=3))
def test_every_number_comes_back_from_a_european_notation(number: Decimal) -> None:
    text = f"{number:,}".replace(",", "_").replace(".", ",").replace("_", ".")
    assert Decimal(cell(text, "decimal", **BOTH)) == number


DAY: dict[str, Any] = {"date_format": "%d.%m.%Y"}


@pytest.mark.parametrize(
    ("options", "kind", "text", "value"),
    [
        (DAY, "date", "31.12.2024", "2024-12-31"),
        (DAY, "date", "1.2.2024", "2024-02-01"),
        ({"date_format": "%m/%d/%y"}, "date", "12/31/68", "2068-12-31"),
        ({"date_format": "%m/%d/%y"}, "date", "12/31/69", "1969-12-31"),
        ({"date_format": "%d%m%Y"}, "date", "01022024", "2024-02-01"),
        ({"date_format": "%A, %d %B %Y"}, "date", "tuesday, 31 DECEMBER 2024", "2024-12-31"),
        ({"date_format": "%Y-%j"}, "date", "2024-366", "2024-12-31"),
        ({"date_format": "%d-%b-%y"}, "date", "29-FEB-24", "2024-02-29"),
        ({"timestamp_format": "%d/%m/%Y %I:%M %p"}, "local timestamp", "31/12/2024 12:05 am", "2024-12-31T00:05:00"),
        ({"timestamp_format": "%d.%m.%Y %H:%M"}, "timestamp", "31.12.2024 23:05", "2024-12-31T23:05:00"),
        (
            {"timestamp_format": "%a, %d %b %Y %H:%M:%S %z"},
            "timestamp",
            "Tue, 31 Dec 2024 23:05:09 -0230",
            "2024-12-31T23:05:09-02:30",
        ),
        (
            {"timestamp_format": "%Y%m%d%H%M%S%f"},
            "local timestamp",
            "20241231230509123",
            "2024-12-31T23:05:09.123000",
        ),
        (
            {"timestamp_format": "%Y/%m/%d 100%% %H:%M:%S.%f%z"},
            "timestamp",
            "2024/1/2 100% 3:04:05.123456000Z",
            "2024-01-02T03:04:05.123456+00:00",
        ),
    ],
)
def test_dates_and_times_are_read_in_the_form_that_is_set(
    options: dict[str, Any], kind: str, text: str, value: str
) -> None:
    assert cell(text, kind, **options) == value
    assert cell('""', kind, **options) is None


@pytest.mark.parametrize(
    ("options", "kind", "text", "why"),
    [
        (DAY, "date", "12/31/2024", "it does not have the form '%d.%m.%Y' ('date_format')"),
        (DAY, "date", "2024-12-31", "it does not have the form '%d.%m.%Y' ('date_format')"),
        (DAY, "date", "31.12.24", "it does not have the form '%d.%m.%Y' ('date_format')"),
        (DAY, "date", "31.12.2024 10:00", "it does not have the form '%d.%m.%Y' ('date_format')"),
        (DAY, "date", "٣١.12.2024", "it does not have the form '%d.%m.%Y' ('date_format')"),
        (DAY, "date", "30.02.2024", "day is out of range for month ('date_format')"),
        (DAY, "date", "12.31.2024", "month must be in 1..12 ('date_format')"),
        ({"date_format": "%d%m%Y"}, "date", "1112024", "it does not have the form '%d%m%Y' ('date_format')"),
        ({"date_format": "%Y-%j"}, "date", "2023-366", "the year 2023 has no day 366 ('date_format')"),
        ({"date_format": "%a %d.%m.%Y"}, "date", "Mon 31.12.2024", "that day is not this day of the week"),
        ({"timestamp_format": "%Y-%m-%d %H:%M:%S"}, "timestamp", "2024-12-31 23:59:60", "second must be in 0..59"),
        ({"timestamp_format": "%Y-%m-%d %I:%M %p"}, "timestamp", "2024-12-31 13:00 pm", "the hour is from 1 to 12"),
        (
            {"timestamp_format": "%Y-%m-%d %H:%M:%S.%f"},
            "timestamp",
            "2024-12-31 23:59:59.1234567",
            "it is more precise than microseconds ('timestamp_format')",
        ),
        ({"timestamp_format": "%Y-%m-%d %H:%M%z"}, "timestamp", "2024-12-31 23:59+02:61", "more than 59 minutes"),
        ({"timestamp_format": "%Y-%m-%d %H%z"}, "local timestamp", "2024-12-31 23+02", "it has an offset from UTC"),
        ({"timestamp_format": "%Y-%m-%d %H%z"}, "timestamp", "0001-01-01 00+02", "not between the years 1 and 9999"),
        ({}, "date", "31.12.2024", "; set 'date_format' if the file writes dates in another form"),
        ({}, "timestamp", "31.12.2024 10:00", "; set 'timestamp_format' if the file writes times in another form"),
    ],
)
def test_what_has_another_form_or_does_not_exist_is_refused(
    options: dict[str, Any], kind: str, text: str, why: str
) -> None:
    said = cell_refusal(text, kind, **options)
    assert said.startswith(f"a.csv, line 2, column 'v': \"{text}\" is not a valid {kind}: ")
    assert why in said


def test_times_of_json_lines_are_read_in_the_form_that_is_set_too() -> None:
    types = {"day": "date", "at": "timestamp", "n": "number", "other": "text"}
    options = {"types": types, "date_format": "%d.%m.%Y", "timestamp_format": "%d.%m.%Y %H:%M", **BOTH}
    line = b'{"day": "31.12.2024", "at": "31.12.2024 10:30", "n": "1.234,5", "other": "1,5"}\n{"n": 2.5, "day": null}\n'
    (batch,) = objects_of(line, **options)
    assert batch.records == [
        {"day": "2024-12-31", "at": "2024-12-31T10:30:00", "n": "1234.5", "other": "1,5"},
        {"n": Decimal("2.5"), "day": None},
    ]
    with pytest.raises(ConfigurationError, match=r"line 1, column 'day': \"2024-12-31\" is not a valid date"):
        objects_of(b'{"day": "2024-12-31"}\n', **options)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"decimal": ";"}, "here.decimal"),
        ({"thousands": "_"}, "here.thousands"),
        ({"thousands": "."}, "'thousands' must differ from 'decimal'"),
        ({"format": "parquet", "decimal": ","}, "'decimal' cannot be used with format 'parquet'"),
        ({"date_format": "%d.%m.%Q"}, "here.date_format: '%Q' cannot be used; use %Y, %y"),
        ({"date_format": "%d.%m.%"}, "here.date_format: '%' cannot be used"),
        ({"date_format": "%x"}, "'%x' cannot be used"),
        ({"date_format": "dd.MM.yyyy"}, "needs either '%Y' or '%y'"),
        ({"date_format": "%Y"}, "needs one of '%m', '%b', '%B' with '%d', or '%j' alone"),
        ({"date_format": "%d.%m.%m.%Y"}, "'%m' stands twice"),
        ({"date_format": "%Y-%y-%m-%d"}, "needs either '%Y' or '%y'"),
        ({"date_format": "%Y-%m-%j"}, "needs one of '%m', '%b', '%B' with '%d', or '%j' alone"),
        ({"date_format": "%Y-%m-%d %H"}, "'%H' is a time of day, which a date does not have"),
        ({"timestamp_format": "%Y-%m-%d %I:%M"}, "needs '%H', or '%I' with '%p'"),
        ({"timestamp_format": "%Y-%m-%d %H:%M %p"}, "needs '%H', or '%I' with '%p'"),
        ({"timestamp_format": "%Y-%m-%d %M"}, "has '%M' without an hour"),
        ({"timestamp_format": "%Y-%m-%d %H:%S"}, "has '%S' without '%M'"),
        ({"timestamp_format": "%Y-%m-%d %Z"}, "'%Z' cannot be used"),
    ],
)
def test_a_notation_that_nobody_can_read_is_refused_in_the_catalogue(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        validated(FilesParameters, {"path": "a"} | options, key_path="here")
    assert complaint in str(refused.value)


@given(st.datetimes(timezones=st.just(UTC)))
@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S.%f %z", "%A %d %B %Y %I.%M.%S.%f %p %z", "%Y%j%H%M%S%f%z"])
def test_every_time_comes_back_from_a_form(form: str, moment: datetime) -> None:
    text = moment.strftime(form.replace("%Y", f"{moment.year:04}"))
    assert TimeFormat(form, clock=True).read(text) == moment


def test_values_of_a_german_export_arrive(tmp_path: Path, warehouse: Warehouse) -> None:
    filing = Filing(tmp_path, {"warehouse": warehouse.options()})
    filing.write("a.csv", "datum;betrag;uhr\n31.12.2024;1.234,56;31.12.2024 10:30\n;;\n")
    types = {"datum": "date", "betrag": "decimal(12,2)", "uhr": "local timestamp"}
    told = filing.run(types=types, **BOTH, **DAY, timestamp_format="%d.%m.%Y %H:%M", delimiter=";")
    assert told.finished.rows_written == 2
    values = "CAST(datum AS text), betrag, CAST(uhr AS text)"
    found = warehouse.execute(f"SELECT {values} FROM loaded.made ORDER BY datum IS NULL")
    assert found == [("2024-12-31", Decimal("1234.56"), "2024-12-31 10:30:00"), (None, None, None)]


def test_a_notation_without_a_column_is_a_warning(tmp_path: Path) -> None:
    filing = Filing(tmp_path, {"nothing": {"type": "none"}})
    filing.write("a.csv", "a\n1,5\n")
    lines = filing.run(decimal=",", delimiter=";").lines
    expected = "'decimal' has no effect: no column has one of the types big integer, decimal, float, integer, number; "
    assert [line for line in lines if "no effect" in line] == [expected + "set 'types'"]
