"""The errors of malformed lines say what is in the line, not only what is missing."""

from __future__ import annotations

import io

import pytest

from app.connectors.sources.files.lines import Lines
from app.domain.errors import ConfigurationError
from tests.connectors.sources.files.texts import objects_of, refusal_of, rows_of


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"id,name\n1,a\n\x1a", "a.csv, line 3, column 'name': the value is missing; the line has 1 of 2. It is Ctrl"),
        (b"id,name\n1,a\n\n   \n2,b\n", "a.csv, line 4, column 'name': the value is missing; the line has 1 of 2. It"),
        (b'id, "name"\n1, "a, b"\n', "a.csv, line 2, column 3: too many values; the line has 3 and the header 2; a"),
        (b'id,name\n1, "a, b"\n', "a.csv, line 2, column 3: too many values; the line has 3 and the header 2; a quote"),
        (b"id,name\n1,a,b\n", "a.csv, line 2, column 3: too many values; the line has 3 and the header 2"),
    ],
)  # fmt: skip
def test_a_row_of_another_length_says_why(content: bytes, said: str) -> None:
    complaint = refusal_of(content)
    assert complaint.startswith(said)
    assert ("quote" in complaint) == ("; a" in said)


@pytest.mark.parametrize("piece", [14, 15, 100])
def test_a_header_that_comes_again_behind_a_byte_order_mark_is_no_row(piece: int) -> None:
    class Pieces(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            return super().read(piece)

    content = "\ufeffid,name\n1,a\n\ufeffid,name\n2,b\n".encode()
    said = "a.csv, line 3, column 1: the first line comes again with a byte order mark"
    assert refusal_of(content).startswith(said)
    with pytest.raises(ConfigurationError, match=said):
        list(Lines(Pieces(content), name="a.csv", encoding="utf-8"))
    other = "id\n1\n\ufeff2\n\ufeffidentity\n".encode()
    assert len(rows_of(other)) == 3


@pytest.mark.parametrize("value", ["2024-5-1", "yesterday", "10000-01-01"])
def test_what_is_no_date_is_not_called_a_time(value: str) -> None:
    complaint = refusal_of(f"at\n{value}\n".encode(), types={"at": "date"})
    assert "it is not an ISO 8601 date between the years 1 and 9999, such as 2024-05-01; set 'date_format'" in complaint


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": 1}{"id": 2}', "column 11: not valid JSON: the line goes on after its object; write"),
        ('{"id": 1, "v": NaN}', "column 16: not valid JSON: JSON has no NaN; write null"),
        ('{"v": -Infinity}', "column 7: not valid JSON: JSON has no -Infinity; write null"),
        ('{"v": [1, nan]}', "column 11: not valid JSON: JSON has no nan; write null"),
        ('{"id": 2', "column 9: not valid JSON: the line ends within the object, as if the file"),
        ('[{"id": 1}, {"id": 2}]', "column 1: an array, not a JSON object; write each of its objects in"),
        ('"text"', "column 1: a string, not a JSON object"),
        ("5", "column 1: a number, not a JSON object"),
        ("null", "column 1: null, not a JSON object"),
        ("true", "column 1: a Boolean, not a JSON object"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_object_says_what_it_is(line: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        objects_of(f'{{"id": 0}}\n{line}\n'.encode())
    assert str(refused.value).startswith(f"a.jsonl, line 2, {said}")
