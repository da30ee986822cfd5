r"""What `\t`, `\N` and the like stand for in CSV: what the program means that has written them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.connectors.sources.files.texts import refusal_of, values_of

EITHER: dict[str, Any] = {"delimiter": "\t", "quote": "none", "escape": "\\", "nulls": ["\\N"]}
POSTGRES: dict[str, Any] = {"dialect": "postgres_text"}
MYSQL: dict[str, Any] = {"dialect": "mysql"}
TEXTS = st.one_of(st.none(), st.text(st.sampled_from("N\\\t\n\r0\x1aé,."), max_size=6))


@pytest.mark.parametrize("options", [EITHER, POSTGRES, MYSQL])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("\\N", None),
        ("N", "N"),
        ("\\\\N", "\\N"),
        ("NULL", "NULL"),
        ("", ""),
        ("a\\tb", "a\tb"),
        ("a\\\tb", "a\tb"),
        ("a\\nb", "a\nb"),
        ("a\\\nb", "a\nb"),
        ("a\\rb", "a\rb"),
        ("a\\bb", "a\bb"),
        ("a\\\\", "a\\"),
        ("\\\\\\\\", "\\\\"),
        ("\\0", "\0"),
        ("\\,\\.\\'", ",.'"),
        ('"a', '"a'),
    ],
)
def test_fields_of_databases_are_read_exactly(options: dict[str, Any], field: str, value: str | None) -> None:
    assert values_of(f"1\t{field}\t2\n".encode(), header=["a", "b", "c"], **options) == [["1", value, "2"]]
    assert values_of(f"1\t{field}\n2\t{field}".encode(), header=["a", "b"], **options) == [["1", value], ["2", value]]


@pytest.mark.parametrize("options", [EITHER, POSTGRES])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("\\f\\v", "\f\v"),
        ("\\101\\x42\\x4", "AB\4"),
        ("\\303\\251", "é"),
        ("\\xe2\\x82\\xac", "€"),
        ("\\x", "x"),
        ("\\9", "9"),
    ],
)
def test_bytes_in_octal_and_hexadecimal_are_those_of_postgres(options: dict[str, Any], field: str, value: str) -> None:
    assert values_of(f"1\t{field}\n".encode(), header=["a", "b"], **options) == [["1", value]]


def test_digits_after_an_escaped_zero_are_text_for_mysql_and_a_byte_for_postgres() -> None:
    content = b"1\t\\012\n"
    assert values_of(content, header=["a", "b"], **MYSQL) == [["1", "\x0012"]]
    assert values_of(content, header=["a", "b"], **POSTGRES) == [["1", "\n"]]
    said = refusal_of(content, header=["a", "b"], **EITHER)
    assert said.startswith("a.csv, line 1, column 3: '\\012' is one byte in PostgreSQL, and U+0000 with digits")


def test_letters_that_only_postgres_escapes_are_themselves_for_mysql() -> None:
    assert values_of(b"1\t\\f\\x41\\Z\n", header=["a", "b"], **MYSQL) == [["1", "fx41\x1a"]]
    assert values_of(b"1\t\\Z\n", header=["a", "b"], **POSTGRES) == [["1", "Z"]]


@given(st.lists(st.tuples(st.integers(0, 9).map(str), TEXTS, TEXTS), max_size=6))
def test_whatever_postgres_writes_as_text_comes_back(rows: list[tuple[str | None, ...]]) -> None:
    """See CopyAttributeOutText in its copyto.c."""
    marks = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
    written = "".join("\t".join(_escaped(value, marks) for value in row) + "\n" for row in rows)
    for options in (POSTGRES, EITHER):
        assert values_of(written.encode(), header=["a", "b", "c"], **options) == [*map(list, rows)]


@given(st.lists(st.tuples(st.integers(0, 9).map(str), TEXTS, TEXTS), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_whatever_mysql_writes_comes_back(rows: list[tuple[str | None, ...]], end: str) -> None:
    """It escapes the delimiter, the first character of a line's end, and U+0000; see select_export::send_data."""
    marks = {"\\": "\\\\", "\t": "\\\t", end[0]: f"\\{end[0]}", "\0": "\\0"}
    # The first line shows what ends a line.
    written = end.join(["1\t2\t3", *("\t".join(_escaped(value, marks) for value in row) for row in rows), ""])
    assert values_of(written.encode(), header=["a", "b", "c"], **MYSQL) == [["1", "2", "3"], *map(list, rows)]


def _escaped(value: str | None, marks: dict[str, str]) -> str:
    return "\\N" if value is None else "".join(marks.get(character, character) for character in value)


def test_quotes_and_escapes_go_together() -> None:
    content = b'"1","a\\"b",\\N,"\\\\N"\n"2","x\ny\\\nz, """,N,"NULL"\n'
    expected = [["1", 'a"b', None, "\\N"], ["2", 'x\ny\nz, "', "N", "NULL"]]
    header = ["a", "b", "c", "d"]
    assert values_of(content, header=header, escape="\\", nulls=["\\N"]) == expected
    assert values_of(content, header=header, dialect="mysql", delimiter=",", quote='"') == expected


def test_null_in_quotes_is_refused_where_it_is_no_text_either() -> None:
    said = refusal_of(b'1,"\\N"\n', header=["a", "b"], escape="\\", nulls=["\\N"])
    assert said == "a.csv, line 1, column 3: \\N means NULL, but here it is quoted, like text"


def test_a_letter_after_an_escape_is_refused_while_nobody_says_what_it_means() -> None:
    said = refusal_of(b'a,b\n1,"C:\\new"\n', escape="\\")
    assert said.startswith("a.csv, line 2, column 3: '\\n' differs from program to program: set 'dialect' to the")
    assert values_of(b"a,b\n1,x^ny^,\n", escape="^") == [["1", "xny,"]]


def test_escapes_of_postgres_csv_count_in_quotes_and_before_quotes_only() -> None:
    content = b'"C:\\new \\"x\\" \\\\",C:\\new\\\n'
    options: dict[str, Any] = {"dialect": "postgres_csv", "escape": "\\", "header": ["a", "b"]}
    assert values_of(content, **options) == [['C:\\new "x" \\', "C:\\new\\"]]


def test_a_quote_as_escape_is_a_doubled_quote() -> None:
    assert values_of(b'a,b\n"x ""y""",z\n', escape='"') == [['x "y"', "z"]]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'a,b\n1,"x\ny\n', "line 2, column 3: the quote that opens here is never closed"),
        (b'a,b\n1,"x"y\n', "line 2, column 6: the closing quote must be followed by the delimiter ','"),
        (b'a,b\n"x\n\\,y"z,1\n', "line 3, column 5: the closing quote must be followed by the delimiter ','"),
        (b"a,b\n1,x\\", "line 2, column 4: the file ends after an escape"),
        (b"a,b\n1,x\\\n", "line 2, column 3: the file ends in the middle of this row"),
        (b"a,b\r1,x\r", "line 1, column 4: carriage return without a line feed"),
        (b"a,b\n1,x\ry\n", "line 2, column 4: carriage return without a line feed"),
        (b"a,b\n\\,\n", "line 2, column 'b': the value is missing"),
    ],
)
def test_what_is_malformed_with_escapes_is_named(content: bytes, complaint: str) -> None:
    assert refusal_of(content, escape="\\").startswith(f"a.csv, {complaint}")


def test_bytes_that_are_no_character_are_named() -> None:
    said = refusal_of(b"1\tx\\377\n", header=["a", "b"], **POSTGRES)
    assert said.startswith("a.csv, line 1, column 3: the bytes '\\377' are not valid utf-8; set 'encoding'")


def test_the_mark_at_the_end_of_postgres_data_is_no_row() -> None:
    assert values_of(b"1\ta\n\\.\n\n", header=["a", "b"], **POSTGRES) == [["1", "a"]]
    said = refusal_of(b"1\ta\n\\.\n2\tb\n", header=["a", "b"], **POSTGRES)
    assert said == "a.csv, line 3, column 1: the mark '\\.' in line 2 ends the data, but more follows"


def test_an_empty_line_is_a_row_in_exports_of_one_column() -> None:
    assert values_of(b"a\n\n\\N\n", header=["x"], **POSTGRES) == [["a"], [""], [None]]
    assert values_of(b"a\n\n\\N\n", header=["x"], **MYSQL) == [["a"], [""], [None]]
    assert values_of(b'a\n\n""\n', header=["x"], dialect="postgres_csv") == [["a"], [None], [""]]
    assert values_of(b"\na\n", header=False, **POSTGRES) == [[""], ["a"]]


def test_a_field_with_escapes_that_never_ends_is_refused_in_time() -> None:
    content = b'a,b\n1,"' + (b"x" * 1023 + b"\n") * (10 << 10)
    assert "line 2, column 3: the field is longer than 8 Mi characters" in refusal_of(content, escape="\\")
