"""What means NULL in CSV, and what is text although it looks like it."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.connectors.sources.files.texts import refusal_of, rows_of, values_of

TEXTS = st.text(st.sampled_from('NUL",;\n\r\\ é'), max_size=6)


def test_text_in_quotes_is_never_null() -> None:
    content = b'a,b,c\n,"",NULL\n"NULL",x,\n"",NULL,"a ""NULL"""\n'
    assert values_of(content, nulls=["", "NULL"]) == [[None, "", None], ["NULL", "x", None], ["", None, 'a "NULL"']]


def test_text_in_other_quotes_is_never_null() -> None:
    assert values_of(b"a|b\n'NULL'|NULL\n", nulls=["NULL"], quote="'", delimiter="|") == [["NULL", None]]
    assert values_of(b'a,b\n"NULL",NULL\n', nulls=["NULL"], quote="none") == [['"NULL"', None]]


def test_a_text_in_quotes_means_null_where_the_option_says_so_with_its_quotes() -> None:
    assert values_of(b'a,b,c\n"",,"NULL"\n', nulls=['""', "NULL"]) == [[None, "", "NULL"]]
    assert values_of(b'a,b,c\n"",,"NULL"\n', nulls=['""', "NULL"], escape="\\") == [[None, "", "NULL"]]


def test_values_of_other_types_are_null_where_they_are_empty_in_quotes_or_not() -> None:
    assert values_of(b'a,b\n"",\n', types={"a": "integer", "b": "date"}) == [[None, None]]


def test_errors_keep_their_line_where_nulls_are_looked_for() -> None:
    assert refusal_of(b'a,b\n"x\ny",NULL\n"z"\n', nulls=["NULL"]).startswith("a.csv, line 4, column 'b'")


@given(
    st.lists(st.tuples(*[st.one_of(st.none(), TEXTS)] * 3), max_size=8),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([None, "\\"]),
)
def test_whatever_is_written_with_nulls_comes_back(
    rows: list[tuple[str | None, ...]], delimiter: str, end: str, escape: str | None
) -> None:
    """As PostgreSQL's `FORCE_QUOTE *` and Python's `QUOTE_NOTNULL` write it: text in quotes, NULL without."""
    out = io.StringIO()
    out.write(delimiter.join("abc") + end)
    for row in rows:
        out.write(delimiter.join("" if value is None else _quoted(value, escape) for value in row) + end)
    assert values_of(out.getvalue().encode(), delimiter=delimiter, nulls=[""], escape=escape) == [*map(list, rows)]


def _quoted(value: str, escape: str | None) -> str:
    if escape is not None:
        value = value.replace(escape, escape * 2)
    return '"' + value.replace('"', '""') + '"'


@given(st.text(st.sampled_from('aN",\n\r'), max_size=14))
def test_a_row_is_divided_as_it_is_without_nulls(text: str) -> None:
    """Whatever Python's parser takes: what is found of the quotes must not move a value."""
    content = "x,y\n" + text
    try:
        plain = list(csv.reader(io.StringIO(content, newline="\n"), strict=True))
    except csv.Error:
        return
    if {len(row) for row in plain if row} != {2}:
        return
    found = values_of(content.encode(), nulls=["N"], delimiter=",")
    for row, values in zip([row for row in plain[1:] if row], found, strict=True):
        assert all(
            value in (text, None) and (value is not None or text == "N")
            for text, value in zip(row, values, strict=True)
        )


@pytest.mark.parametrize("nulls", [[], ["NA"]])
def test_an_empty_field_is_text_unless_the_options_say_otherwise(nulls: list[str]) -> None:
    assert rows_of(b"a,b\n,x\n", nulls=nulls) == [{"a": "", "b": "x"}]
