"""The rules of reading files: what a signature tells, what a name shows, how text becomes rows."""

from __future__ import annotations

import codecs
import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from app.connectors.contract.schema import Kind
from app.connectors.sources.files.columns import Columns
from app.connectors.sources.files.delimited import read_csv
from app.connectors.sources.files.jsonl import read_jsonl
from app.connectors.sources.files.lines import Lines
from app.connectors.sources.files.options import FilesParameters
from app.connectors.sources.files.plain_rows import first_flaw
from app.connectors.sources.files.signatures import Bookmark, signature_of
from app.connectors.sources.files.storage import Storage, mask_address
from app.domain.errors import ConfigurationError, SynclineError
from tests.connectors.sources.files.texts import objects_of, part, rows_of
from tests.properties import examples

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = st.text(st.sampled_from('ab",;\n\\ é\t'), max_size=6)


@given(st.lists(st.tuples(FIELDS, FIELDS), max_size=8), st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]))
def test_whatever_is_written_as_csv_comes_back(rows: list[tuple[str, str]], delimiter: str, end: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    writer.writerow(["a", "b"])
    writer.writerows(rows)
    read = rows_of(out.getvalue().encode(), delimiter=delimiter)
    assert [(record["a"], record["b"]) for record in read] == rows


@given(st.text(st.sampled_from('a",\n'), max_size=12))
def test_a_flaw_is_found_where_the_parser_stops_and_nowhere_else(text: str) -> None:
    try:
        list(csv.reader(io.StringIO(text, newline=""), strict=True))
        flawed = False
    except csv.Error:
        flawed = True
    at, problem = first_flaw(text, delimiter=",", quote='"')
    assert bool(problem) == flawed
    assert 0 <= at <= len(text)


def test_a_quote_that_never_ends_is_found_in_time() -> None:
    assert first_flaw('"' + "a" * 1_000_000, delimiter=",", quote='"')[0] == 0


@given(st.binary(max_size=40), st.sampled_from(["utf-8", "utf-16-le", "cp1252", "shift_jis"]), st.integers(1, 5))
@examples(300)
@example(b"\xef\xbb", "utf-8", 1)
@example(b"\xef\xbb\xbf\xef\xbb\xbf\na\n", "utf-8", 1)
@example(b"\xff\xfe\0", "utf-16-le", 2)
def test_lines_are_those_of_the_whole_text_however_it_comes(content: bytes, encoding: str, piece: int) -> None:
    class Pieces(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            return super().read(piece)

    assume(encoding == "utf-8" or not content.startswith(codecs.BOM_UTF8))
    assume(encoding == "utf-16-le" or not content.startswith(codecs.BOM_UTF16_LE))
    assume(not content.startswith((b"\x1f\x8b", b"PK\x03\x04")))
    assume(not content.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)))
    try:
        expected = io.StringIO(content.decode(encoding).lstrip("\ufeff"), newline="\n").readlines()
    except UnicodeDecodeError:
        with pytest.raises(ConfigurationError, match=r"a, line [1-9][0-9]*, column [1-9][0-9]*: byte 0x"):
            list(Lines(Pieces(content), name="a", encoding=encoding))
    else:
        assert list(Lines(Pieces(content), name="a", encoding=encoding)) == expected


@given(st.text(st.sampled_from("aé€\n"), max_size=30), st.booleans())
def test_a_wrong_byte_is_named_by_line_and_column(before: str, marked: bool) -> None:  # noqa: FBT001 -- an example
    content = (b"\xef\xbb\xbf" if marked else b"") + before.encode() + b"\xffrest"
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    with pytest.raises(ConfigurationError, match=f"line {line}, column {column}: byte 0xff is not valid utf-8;"):
        list(Lines(io.BytesIO(content), name="a", encoding="utf-8"))


def test_a_field_without_end_is_refused_where_it_begins() -> None:
    content = b'a,b\n1,2\n3,"' + (b"x" * 1023 + b"\n") * (10 << 10)
    with pytest.raises(ConfigurationError, match=r"a\.csv, line 3, column 3: the field is longer than 8 Mi characters"):
        rows_of(content)


def test_utf_16_needs_to_say_its_byte_order() -> None:
    assert rows_of("a\né\n".encode("utf-16"), encoding="utf-16") == [{"a": "é"}]
    assert rows_of("a\né\n".encode("utf-16-be"), encoding="utf-16-be") == [{"a": "é"}]
    with pytest.raises(ConfigurationError, match="line 1, column 1: there is no byte order mark; set 'encoding' to"):
        rows_of("a\né\n".encode("utf-16-be"), encoding="utf-16")


MARKED = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


@pytest.mark.parametrize("encoding", MARKED)
def test_a_byte_order_mark_is_no_part_of_the_text(encoding: str) -> None:
    said = {} if encoding == "utf-8" else {"encoding": encoding}
    unsaid = {"encoding": encoding.removesuffix("-le").removesuffix("-be")}
    for text, more, rows in (
        ('"id",name\n1,é\n', {}, [{"id": "1", "name": "é"}]),
        ("id,name\n1,é\n", {"types": {"id": "integer"}}, [{"id": "1", "name": "é"}]),
        ("1,é\n", {"header": ["id", "name"]}, [{"id": "1", "name": "é"}]),
        ("1,é\n", {"header": False}, [{"column_1": "1", "column_2": "é"}]),
        ("", {}, []),
    ):
        assert rows_of(f"\ufeff{text}".encode(encoding), **more, **said) == rows
        assert rows_of(f"\ufeff{text}".encode(encoding), **more, **unsaid) == rows
        assert rows_of(f"\ufeff\ufeff{text}".encode(encoding), **more, **said) == rows
    (batch,) = objects_of('\ufeff{"id": 1}\n'.encode(encoding), **said)
    assert batch.records == [{"id": 1}]


@pytest.mark.parametrize("encoding", MARKED)
def test_a_byte_order_mark_of_another_encoding_is_refused(encoding: str) -> None:
    name = encoding.removesuffix("-le").removesuffix("-be")
    for other in {*MARKED, "latin-1", "windows-1252", "shift_jis", "utf-7"} - {encoding}:
        complaint = rf"a\.csv, line 1, column 1: .* mark of {name}, not of .*; set 'encoding: {name}'"
        with pytest.raises(ConfigurationError, match=complaint):
            rows_of("\ufeffid\n1\n".encode(encoding), encoding=other)


def test_only_a_mark_at_the_beginning_is_left_out() -> None:
    assert rows_of("\ufeffid\n\ufeff1\n".encode()) == [{"id": "\ufeff1"}]


def test_headers_may_be_given_or_missing() -> None:
    assert rows_of(b"1,2\n") == []
    assert rows_of(b"1,2\n", header=False) == [{"column_1": "1", "column_2": "2"}]
    assert rows_of(b"1,2\n", header=["a", "b"]) == [{"a": "1", "b": "2"}]
    assert rows_of(b"a,\n1,2\n") == [{"a": "1", "column_2": "2"}]
    assert rows_of(b"") == []


def test_options_of_csv() -> None:
    assert rows_of(b"a|b\n'x|y'|1\n", delimiter="|", quote="'") == [{"a": "x|y", "b": "1"}]
    assert rows_of(b'a,b\n"x\\"y",\\,\n', escape="\\") == [{"a": 'x"y', "b": ","}]
    assert rows_of(b'a,b\n"x,1\n', quote="none") == [{"a": '"x', "b": "1"}]
    assert rows_of("a\né\n".encode("cp1252"), encoding="windows-1252") == [{"a": "é"}]
    assert rows_of(b"a,b\n,NA\n", nulls=["NA"]) == [{"a": "", "b": None}]


NUMBERS = ("integer", "number", "decimal", "decimal(18,2)", "float")


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize(
    ("written", "number"),
    [
        (" 5", "5"),
        ("5  ", "5"),
        ("\t5", "5"),
        ("+5", "5"),
        ("5.", "5"),
        ("-5.", "-5"),
        ("007", "007"),
        (" +5.e1", "5e1"),
    ],
)
def test_numbers_are_read_as_other_programs_write_them(kind: str, written: str, number: str) -> None:
    assert rows_of(f'n\n"{written}"\n'.encode(), types={"n": kind}) == [{"n": number}]


@pytest.mark.parametrize("kind", NUMBERS[1:])
@pytest.mark.parametrize(
    ("written", "number"), [(".5", "0.5"), ("-.5", "-0.5"), ("+.5", "0.5"), (" .5e0", "0.5e0"), ("0.50", "0.50")]
)
def test_fractions_need_no_digit_before_the_point(kind: str, written: str, number: str) -> None:
    assert rows_of(f"n\n{written}\n".encode(), types={"n": kind}) == [{"n": number}]


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize(
    "written", ["1,234.5", "1 234", "12%", "\u22125", "--5", "+-5", "- 5", ".", "+", "e5", " ", "5-", "0x5"]
)
def test_what_is_no_number_for_sure_is_refused(kind: str, written: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"a\.csv, line 2, column 'n': .* is not a valid .*: it is not a number"
    ):
        rows_of(f'n\n"{written}"\n'.encode(), types={"n": kind})


@pytest.mark.parametrize(
    ("kind", "written"), [("integer", "+99999999999999999999"), ("integer", ".5"), ("decimal(3,2)", " 12.5")]
)
def test_a_number_in_another_form_must_fit_as_well(kind: str, written: str) -> None:
    with pytest.raises(ConfigurationError, match=r"a\.csv, line 2, column 'n': .* it (is out of range|has a fraction)"):
        rows_of(f"n\n{written}\n".encode(), types={"n": kind})


def test_text_keeps_its_spaces_and_signs() -> None:
    assert rows_of(b"a,b\n +5,.5\n", types={"b": "text"}) == [{"a": " +5", "b": ".5"}]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize(("magic", "compression"), [(b"\x1f\x8b\x08\0", "gzip"), (b"PK\x03\x04", "zip")])
def test_compressed_bytes_are_no_text(encoding: str, magic: bytes, compression: str) -> None:
    with pytest.raises(ConfigurationError, match=f"compressed with {compression}; set 'compression: {compression}'"):
        rows_of(magic + b"rest", encoding=encoding)


def test_lines_of_rows_are_where_they_begin() -> None:
    parameters = FilesParameters(path=("a.csv",))
    (batch,) = read_csv(part(b'a\n"x\ny"\n\nz\n'), parameters, Columns({}, key=(), known={}, digits={}))
    assert list(batch.lines) == [2, 5]


@pytest.mark.parametrize(
    ("content", "kinds"),
    [
        (
            '{"n": 1, "t": "a", "b": true, "j": {}, "none": null}',
            {"n": "number", "t": "text", "b": "boolean", "j": "json"},
        ),
        ('{"n": 9007199254740993}', {"n": "integer"}),
        ('{"n": 9223372036854775808}', {"n": "number"}),
        ('{"id": 1}', {"id": "integer"}),
        ('{"n": 1}\n{"n": 1.5}\n{"n": null}', {"n": "number"}),
        ('{"n": 1}\n{"n": "1"}', {"n": "json"}),
        ('{"n": true}\n{"n": 1}', {"n": "json"}),
    ],
)
def test_json_has_the_kinds_of_its_values(content: str, kinds: dict[str, str]) -> None:
    columns = Columns({}, key=["id"], known={}, digits={})
    list(read_jsonl(part(content.encode(), "a.jsonl"), FilesParameters(path=("a.jsonl",)), columns))
    assert {name: kind.value for name, kind in columns.kinds.items()} == kinds


@pytest.mark.parametrize(
    ("described", "signature"),
    [
        ({"size": 3, "ETag": '"a"', "Last-Modified": "now"}, 'etag "a" 3'),
        ({"size": 3, "Last-Modified": "now"}, "time now 3"),
        ({"size": 3, "mtime": 1.5, "mtime_ns": 1_500_000_001}, "time 1500000001 3"),
        ({"size": 3, "LastModified": datetime(2024, 5, 1, tzinfo=UTC)}, "time 2024-05-01T00:00:00+00:00 3"),
        ({"size": 3, "mtime_ns": 0}, "time 0 3"),
        ({"size": 3, "ETag": "", "Last-Modified": None}, None),
    ],
)
def test_a_signature_is_what_changes_with_the_file(described: dict[str, Any], signature: str | None) -> None:
    assert signature_of(described) == signature


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=5)),
    st.dictionaries(st.text(max_size=5), st.sampled_from(Kind)),
)
def test_a_bookmark_is_read_as_it_was_written(files: dict[str, str], columns: dict[str, Kind]) -> None:
    bookmark = Bookmark(files=files, columns=columns)
    assert Bookmark.parse(bookmark.text()) == bookmark


def test_a_bookmark_of_another_kind_of_source_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="was written by another kind of source"):
        Bookmark.parse('{"at": 5}')


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://user:hunter2@host:8/a.csv", "https://host:8/a.csv"),
        ("https://host/a.csv?token=hunter2&x=1#f", "https://host/a.csv?token=***&x=1"),
        ("https://host/a.csv?x=%20+", "https://host/a.csv?x=%20+"),
        ("s3://bucket/a b?.csv", "s3://bucket/a b?.csv"),
    ],
)
def test_a_name_shows_no_secret(address: str, name: str) -> None:
    assert mask_address(address) == name


def test_what_a_file_system_says_shows_no_secret(tmp_path: Path) -> None:
    options = {"secret": "hunter2", "client_kwargs": {"aws_session_token": "swordfish"}}
    storage = Storage(["https://u:opensesame@host/a.csv"], options, work_dir=tmp_path)
    with pytest.raises(SynclineError) as failed, storage.translate_errors("a.csv"):
        raise RuntimeError("hunter2 and\nswordfish and opensesame")
    assert str(failed.value) == "cannot read a.csv: *** and *** and ***"
