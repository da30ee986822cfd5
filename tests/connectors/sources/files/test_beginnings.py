"""What may stand before the first row of CSV, and which delimiter divides the rows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.connectors.sources.files.texts import refusal_of, rows_of

ROWS = [{"id": "1", "name": "a,b"}]


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "sep=;;", '"sep=;";'])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_first_line_of_excel_names_the_delimiter_and_is_no_row(line: str, encoding: str, end: str) -> None:
    said = {} if encoding.startswith("utf-8") else {"encoding": encoding}
    content = end.join([line, "id;name", "1;a,b", ""]).encode(encoding)
    assert rows_of(content, **said) == ROWS
    assert rows_of(content, delimiter=";", **said) == ROWS
    assert rows_of(content, name="a.tsv", **said) == ROWS
    assert rows_of(end.join([line, "1;a,b"]).encode(encoding), header=["id", "name"], **said) == ROWS


def test_excel_may_name_a_tab_or_a_comma() -> None:
    assert rows_of(b"sep=\t\nid\tname\n1\ta,b\n") == ROWS
    assert rows_of(b'sep=,\nid,name\n1,"a,b"\n') == ROWS


def test_a_delimiter_that_contradicts_the_first_line_is_refused() -> None:
    said = refusal_of(b"sep=;\nid;name\n1;a\n", delimiter=",")
    assert said.startswith(
        "a.csv, line 1: 'sep=;' names a different delimiter from 'delimiter: \",\"'; remove 'delimiter'"
    )
    said = refusal_of(b"x\ny\nsep=;\nid;name\n1;a\n", delimiter=",", skip_lines=2)
    assert said.startswith("a.csv, line 3: 'sep=;' names a different delimiter")


@pytest.mark.parametrize("content", [b"sep=;x\n1\n", b"sep=\n1\n", b"a,sep=;\n1,2\n"])
def test_what_only_resembles_the_line_of_excel_is_a_header(content: bytes) -> None:
    assert len(rows_of(content, delimiter=",")) == 1


def test_in_the_export_of_a_database_the_line_of_excel_is_a_text() -> None:
    assert rows_of(b"sep=;\na\n", dialect="postgres_text", header=["x"]) == [{"x": "sep=;"}, {"x": "a"}]


def test_lines_before_the_header_are_skipped_and_counted() -> None:
    preamble = b'Report "of" 2024\n\n'
    assert rows_of(preamble + b'id,name\n1,"a,b"\n', skip_lines=2) == ROWS
    assert refusal_of(preamble + b"id,name\n1\n", skip_lines=2).startswith("a.csv, line 4, column 'name'")
    assert rows_of(b"x\nsep=;\nid;name\n1;a,b\n", skip_lines=1) == ROWS
    assert rows_of(b'x\n1,"a,b"\n', skip_lines=1, header=["id", "name"]) == ROWS
    assert rows_of(b"x\n", skip_lines=2) == []


@pytest.mark.parametrize("before", ["Report of 2024\n\n", "# by hand\n"])
def test_lines_before_the_header_that_nobody_skips_are_told(before: str) -> None:
    said = refusal_of(f"{before}id,name\n1,a\n".encode())
    assert said.endswith(
        "the line has 2 and the header 1; set 'skip_lines' or 'comment' if the header comes after other lines"
    )


def test_a_skipped_line_of_excel_names_the_delimiter_all_the_same() -> None:
    assert rows_of(b"sep=;\nid;name\n1;a,b\n", skip_lines=1) == ROWS


def test_comments_are_left_out_but_not_within_quotes() -> None:
    content = b'# made by hand\nid,name\n#1,x\n2,"a\n# b"\n\n#\n3,c # d\n'
    assert rows_of(content, comment="#") == [{"id": "2", "name": "a\n# b"}, {"id": "3", "name": "c # d"}]
    assert refusal_of(b"# x\nid,name\n# y\n1\n", comment="#").startswith("a.csv, line 4, column 'name'")
    assert rows_of(b"# x\nid,name\n#1,x\n2,a\\,b\n", comment="#", escape="\\") == [{"id": "2", "name": "a,b"}]


@pytest.mark.parametrize("delimiter", [";", "|", "\t"])
def test_a_delimiter_that_no_option_names_is_an_error_not_one_column(delimiter: str) -> None:
    content = "id;name;price\n1;a;2,5\n2;b;3,5\n".replace(";", delimiter).encode()
    said = refusal_of(content)
    shown = "\\t" if delimiter == "\t" else delimiter
    assert (
        f"""a.csv, line 1: with the delimiter "," this is one column, with "{shown}" the first lines have 3""" in said
    )
    assert f"""set 'delimiter: "{shown}"'""" in said
    assert rows_of(content, delimiter=delimiter)[0] == {"id": "1", "name": "a", "price": "2,5"}
    assert rows_of(content.replace(b",", b"."), delimiter=",")[0].keys() == {"id;name;price".replace(";", delimiter)}


def test_commas_in_a_file_of_tabs_are_an_error_too() -> None:
    assert 'with the delimiter "\\t" this is one column, with "," the first' in refusal_of(b"a,b\n1,2\n", name="a.tsv")


@pytest.mark.parametrize("more", [{"header": False}, {"header": ["id", "name"]}, {"comment": "#"}, {"skip_lines": 1}])
def test_another_delimiter_is_found_behind_whatever_comes_before(more: dict[str, Any]) -> None:
    before = "# x\n" if more.keys() & {"comment", "skip_lines"} else ""
    assert "set 'delimiter: \";\"'" in refusal_of(f'{before}id;"na\nme"\n1;a\n'.encode(), **more)


@pytest.mark.parametrize(
    ("content", "more"),
    [
        (b"note\na;b\nc;d\n", {}),
        (b"a;b\nc\n", {}),
        (b"a;b\nc;d;e\n", {}),
        (b'"a;b"\n"c;d"\n', {}),
        (b"a;b\nc;d\n", {"header": ["pair"]}),
    ],
)
def test_one_column_may_hold_other_delimiters(content: bytes, more: dict[str, Any]) -> None:
    assert all(len(record) == 1 for record in rows_of(content, **more))
