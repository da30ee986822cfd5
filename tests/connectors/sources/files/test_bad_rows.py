"""Rows that cannot be read: refused, skipped or kept, and never dropped in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.options.validation import validated
from app.connectors.sources.files.delimited import read_csv
from app.connectors.sources.files.jsonl import read_jsonl
from app.connectors.sources.files.options import FilesParameters
from app.domain.errors import ConfigurationError
from tests.connectors.sources.files.filing import Filing, gzip_of, parquet_of, zip_of
from tests.connectors.sources.files.texts import columns_of, part

if TYPE_CHECKING:
    from pathlib import Path

    from app.connectors.sources.files.columns import Batch
    from tests.connectors.attempts import Told, Warehouse

CSV = """id,n,text
1,1,one
2,x,two
3,3
4,4,four,more
5,5,"five"x
6,6,"six
lines"
,7,seven
8,8,eight
"""
BAD_OF_CSV = [
    (3, """column 'n': "x" is not a valid integer: it is not a number""", "2,x,two"),
    (4, "column 'text': the value is missing; the line has 2 of 3", "3,3"),
    (5, "column 4: too many values; the line has 4 and the header 3", "4,4,four,more"),
    (
        6,
        "column 11: the closing quote must be followed by the delimiter ',' or the end of the line",
        '5,5,"five"x',
    ),
]
NO_KEY = (9, "column 'id': the key has no value", ",7,seven")
TYPES = {"id": "integer", "n": "integer"}
JSONL = """{"id": 1, "day": "2024-01-01", "n": 1}
nothing
[1]
{"id": 4, "id": 4}
{"id": 5, "day": "tomorrow"}
{"id": 6, "day": "2024-01-06", "n": 6}
{"day": "2024-01-07"}
{"id": null}
{"id": 9, "n": "9"
"""


def batches(read: Any, content: str | bytes, *, key: tuple[str, ...] = (), **options: Any) -> list[Batch]:
    parameters = FilesParameters.model_validate({"path": "a", "bad_rows": "skip"} | options)
    columns = columns_of(parameters, key=key)
    content = content.encode() if isinstance(content, str) else content
    return list(read(part(content, "a"), parameters, columns))


def bad_of(found: list[Batch]) -> list[tuple[int, str, str]]:
    return [(bad.line, bad.reason, bad.row) for batch in found for bad in batch.bad]


def ids_of(found: list[Batch]) -> list[Any]:
    return [record["id"] for batch in found for record in batch.records]


def refusal_of(read: Any, content: str, **options: Any) -> str:
    with pytest.raises(ConfigurationError) as refused:
        batches(read, content, **options)
    return str(refused.value)


@pytest.mark.parametrize("key", [(), ("id",)])
def test_bad_rows_of_csv_are_put_aside_and_all_others_are_read(key: tuple[str, ...]) -> None:
    found = batches(read_csv, CSV, types=TYPES, key=key)
    assert bad_of(found) == ([*BAD_OF_CSV, NO_KEY] if key else BAD_OF_CSV)
    assert ids_of(found) == (["1", "6", "8"] if key else ["1", "6", None, "8"])
    assert [line for batch in found for line in batch.lines] == ([2, 7, 10] if key else [2, 7, 9, 10])


def test_bad_rows_of_jsonl_are_put_aside_and_all_others_are_read() -> None:
    found = batches(read_jsonl, JSONL, types={"day": "date"}, key=("id",))
    assert ids_of(found) == [1, 6]
    assert [(line, reason.partition(":")[0], row[:9]) for line, reason, row in bad_of(found)] == [
        (2, "column 5", "nothing"),
        (3, "column 1", "[1]"),
        (4, "column 11", '{"id": 4,'),
        (5, "column 'day'", '{"id": 5,'),
        (7, "column 'id'", '{"day": "'),
        (8, "column 'id'", '{"id": nu'),
        (9, "column 19", '{"id": 9,'),
    ]


def test_a_bad_row_of_jsonl_teaches_nothing() -> None:
    parameters = FilesParameters.model_validate({"path": "a", "bad_rows": "skip", "types": {"id": "integer"}})
    columns = columns_of(parameters)
    content = b'{"id": "x", "new": 1, "n": "text"}\n{"id": 1, "n": 1}\n{"id": "y"}\n'
    found = list(read_jsonl(part(content, "a"), parameters, columns))
    assert {name: kind.value for name, kind in columns.kinds.items()} == {"id": "integer", "n": "number"}
    assert (ids_of(found), [line for line, _, _ in bad_of(found)]) == ([1], [1, 3])


def test_a_number_of_jsonl_that_its_type_cannot_hold_is_bad() -> None:
    content = (
        '{"id": 1, "n": 999.99}\n{"id": 99999999999999999999}\n{"id": 3, "n": 1000}\n{"id": 4, "n": 0.001}\n'
        '{"id": 5, "n": "1000"}\n{"id": 6, "n": "1.5"}\n'
    )
    found = batches(read_jsonl, content, types={"id": "integer", "n": "decimal(5,2)"})
    assert ids_of(found) == [1, 6]
    assert [(line, reason.rpartition(": ")[2]) for line, reason, _ in bad_of(found)] == [
        (2, "it is out of range"),
        (3, "it is out of range"),
        (4, "it has too many digits after the decimal point"),
        (5, "it is out of range"),
    ]


def test_an_empty_field_of_csv_is_no_value_of_the_key() -> None:
    found = batches(read_csv, 'id,text\na,1\n,2\n"",3\nb,\n', key=("id",))
    assert (ids_of(found), [line for line, _, _ in bad_of(found)]) == (["a", "b"], [3, 4])


def test_values_in_a_set_form_are_read_once_when_other_rows_are_bad() -> None:
    content = '{"id": 1, "day": "31.12.2024"}\n{"id": 2, "day": "2024-12-31"}\n'
    found = batches(read_jsonl, content, types={"day": "date"}, date_format="%d.%m.%Y")
    assert [record for batch in found for record in batch.records] == [{"id": 1, "day": "2024-12-31"}]
    assert [line for line, _, _ in bad_of(found)] == [2]


def test_a_later_value_of_another_type_than_the_column_is_bad() -> None:
    many = "".join(f'{{"id": {number}}}\n' for number in range(6000))
    found = batches(read_jsonl, many + '{"id": "x"}\n{"id": 7}\n')
    assert ids_of(found) == [*range(6000), 7]
    assert [(line, "is not number like the values before it" in reason) for line, reason, _ in bad_of(found)] == [
        (6001, True)
    ]


@pytest.mark.parametrize(
    ("content", "options", "ids", "lines"),
    [
        ("1\\q,a\n2,b\n", {"header": ["id", "text"], "escape": "\\"}, ["2"], [1]),
        ('1,"a\\q\nb"\n2,b\n', {"header": ["id", "text"], "escape": "\\"}, ["2"], [1]),
        ('1,"a"x\n2,b\n', {"header": ["id", "text"], "escape": "\\"}, ["2"], [1]),
        ("1,a\rb\n2,b\n", {"header": ["id", "text"]}, ["2"], [1]),
        ('1,a"\rb\n2,b\n', {"header": ["id", "text"], "quote": "none"}, ["2"], [1]),
        ('1,"a"x\n2,b\n', {"header": False, "add": "column_1"}, ["2"], [1]),
        ("# c\n1,a,\n#d\n2,b\n", {"header": ["id", "text"], "comment": "#"}, ["2"], [2]),
        ('id,text\n1,"a""b"c""\n2,b\n', {}, ["2"], [2]),
    ],
)
def test_rows_after_a_malformed_one_are_read(
    content: str, options: dict[str, Any], ids: list[str], lines: list[int]
) -> None:
    name = options.pop("add", "id")
    found = batches(read_csv, content, **options)
    assert [record[name] for batch in found for record in batch.records] == ids
    assert [line for line, _, _ in bad_of(found)] == lines


@pytest.mark.parametrize(
    ("content", "options", "complaint"),
    [
        ('id,text\n1,a\n2,"b\n3,c\n', {}, "line 3, column 3: the quote that opens here is never closed"),
        ('id,text\n1,a\n2,"b"x"\n3,c\n', {}, "line 3, column 6: the closing quote must be followed"),
        ('id,text\n1,a\n2,"b"x"\n3,c\n', {"escape": "\\"}, "line 3, column 6: the closing quote must be followed"),
        ('id,"te"xt\n1,a\n2,b\n', {}, "line 1, column 8: the closing quote must be followed"),
        ("id,id\n1,a\n", {}, "line 1: the header names a column twice"),
        ("id,text\n1,\udcff\n", {}, "line 2, column 3: byte 0xff is not valid utf-8"),
    ],
)
def test_what_damages_the_rest_of_a_file_still_fails(content: str, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        batches(read_csv, content.encode(errors="surrogateescape"), **options)
    assert complaint in str(refused.value)


def test_bad_rows_are_refused_unless_the_options_say_otherwise() -> None:
    assert refusal_of(read_csv, CSV, types=TYPES, bad_rows="refuse") == f"a, line 3, {BAD_OF_CSV[0][1]}"
    assert "a, line 2, column 5: not valid JSON" in refusal_of(read_jsonl, JSONL, bad_rows="refuse")


def test_more_bad_rows_than_the_limit_fail() -> None:
    many = "id\n1\n" + "x\n" * 1000
    assert len(bad_of(batches(read_csv, many, types={"id": "integer"}))) == 1000
    said = refusal_of(read_csv, many + "y\n", types={"id": "integer"})
    assert said.startswith(
        "a: more than 1,000 rows cannot be read, so the options may be wrong; correct them, or raise"
    )
    assert """The last one: a, line 1003, column 'id': "y" is not a valid integer""" in said
    assert "more than 3 rows" in refusal_of(read_csv, CSV, types=TYPES, max_bad_rows=3)
    assert len(bad_of(batches(read_csv, CSV, types=TYPES, max_bad_rows=4))) == 4
    assert "more than 0 rows" in refusal_of(read_jsonl, JSONL, max_bad_rows=0)


@pytest.mark.parametrize(
    ("read", "content", "options"),
    [
        (read_csv, "id;text,more\n1;a\n2;b\n", {"delimiter": ","}),
        (read_csv, "1,2\n3,4\n", {"header": ["id"]}),
        (read_jsonl, "a,b\n1,2\n", {}),
    ],
)
def test_a_file_without_one_good_row_fails_unless_a_limit_is_set(
    read: Any, content: str, options: dict[str, Any]
) -> None:
    said = refusal_of(read, content, **options)
    assert said.startswith("a: not one of its rows can be read, so the options may be wrong; correct them, or set")
    found = batches(read, content, max_bad_rows=2, **options)
    assert (sum(len(batch.records) for batch in found), len(bad_of(found))) == (0, 2)


def test_a_long_row_is_cut_and_characters_that_databases_lack_are_replaced() -> None:
    ((_, _, row),) = bad_of(batches(read_jsonl, '{"id": 1}\n\0' + "ä" * 5000 + "\n"))
    assert row == "\u2400" + "ä" * 4094 + "…"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"bad_rows": "drop"}, "here.bad_rows"),
        ({"bad_rows": "skip", "max_bad_rows": -1}, "here.max_bad_rows"),
        ({"max_bad_rows": 5}, "'max_bad_rows' needs 'bad_rows: skip' or 'bad_rows: keep'"),
        ({"format": "parquet", "bad_rows": "keep"}, "'bad_rows' cannot be used with format 'parquet'"),
    ],
)
def test_wrong_options_of_bad_rows_are_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        validated(FilesParameters, {"path": "a"} | given, key_path="here")
    assert complaint in str(refused.value)


@pytest.fixture
def filing(tmp_path: Path, warehouse: Warehouse) -> Filing:
    parameters = {"types": {"id": "integer"}, "bad_rows": "keep"}
    return Filing(tmp_path, {"warehouse": warehouse.options()}, parameters=parameters)


KEPT = "SELECT file, line, reason, row FROM loaded.made_bad_rows ORDER BY file, line"
GOOD = "SELECT id FROM loaded.made ORDER BY id"


def kept(filing: Filing, warehouse: Warehouse) -> list[tuple[str, int, str]]:
    """The file without its directory, the line and the row of each kept row."""
    found = warehouse.execute(KEPT)
    assert all("is not a valid integer" in reason for _, _, reason, _ in found)
    return [(file.removeprefix(f"{filing.inbox}/"), line, row) for file, line, _, row in found]


def good(warehouse: Warehouse) -> list[int]:
    return [number for (number,) in warehouse.execute(GOOD)]


def warnings_of(told: Told) -> list[str]:
    return [line for line in told.lines if "cannot be read" in line]


def test_kept_rows_are_in_a_table_once(filing: Filing, warehouse: Warehouse) -> None:
    path = filing.write("a.csv", "id\n1\nx\n2\ny\n")
    told = filing.run()
    (warning,) = warnings_of(told)
    assert warning.startswith(f"{path}: 2 of 4 rows cannot be read, and were put into table 'made_bad_rows': line 3, ")
    assert (good(warehouse), kept(filing, warehouse)) == ([1, 2], [("a.csv", 3, "x"), ("a.csv", 5, "y")])
    assert not warnings_of(filing.run()), "nothing is new"
    filing.write("b.csv.gz", gzip_of(b"id\n3\nz\n"))
    filing.write("c.zip", zip_of(in_csv="id\nw\n4\n"))
    filing.run()
    assert good(warehouse) == [1, 2, 3, 4]
    assert kept(filing, warehouse) == [
        *(("a.csv", 3, "x"), ("a.csv", 5, "y")),
        *(("b.csv.gz", 3, "z"), ("c.zip/in.csv", 2, "w")),
    ]


def test_skipped_rows_are_told_and_in_no_table(filing: Filing, warehouse: Warehouse) -> None:
    path = filing.write("a.csv", "id\n1\nx\ny\nz\nw\n")
    (warning,) = warnings_of(filing.run(bad_rows="skip"))
    reasons = [f"""line {line}, column 'id': "{row}" is not a valid integer""" for line, row in ((3, "x"), (5, "z"))]
    assert warning.startswith(f"{path}: 4 of 5 rows cannot be read, and were left out: {reasons[0]}")
    assert reasons[1] in warning
    assert warning.endswith("; and 1 more")
    assert good(warehouse) == [1]
    assert warehouse.execute("SELECT 1 FROM information_schema.tables WHERE table_name = 'made_bad_rows'") == []


@pytest.mark.parametrize(
    "at",
    ["child.staged", "child.staged@2", "destination.committing@2", "destination.bookmarked@2", "child.committed@2"],
)
def test_after_a_crash_each_kept_row_is_there_once(filing: Filing, warehouse: Warehouse, at: str) -> None:
    for name, first in (("a.csv", 0), ("b.csv", 10), ("c.csv", 20)):
        filing.write(name, f"id\n{first}\nx{first}\n{first + 1}\n")
    filing.die(at)
    filing.run(again=1)
    filing.run()
    assert good(warehouse) == [0, 1, 10, 11, 20, 21]
    assert kept(filing, warehouse) == [("a.csv", 3, "x0"), ("b.csv", 3, "x10"), ("c.csv", 3, "x20")]


def test_a_changed_file_replaces_its_kept_rows(filing: Filing, warehouse: Warehouse) -> None:
    filing.collection["primary_key"] = ["id"]
    filing.write("a.csv", "id\n1\nx\ny\n2\n")
    filing.write("b.csv", "id\nz\n3\n")
    filing.run()
    filing.write("a.csv", "id\n1\n5\ny\n2\nw\n")
    filing.run()
    assert good(warehouse) == [1, 2, 3, 5]
    assert kept(filing, warehouse) == [("a.csv", 4, "y"), ("a.csv", 6, "w"), ("b.csv", 2, "z")]
    filing.write("a.csv", "id\n1\n5\n6\n2\n7\n")
    filing.run()
    assert kept(filing, warehouse) == [("b.csv", 2, "z")]


@pytest.mark.parametrize("write_mode", [None, "upsert", "append", "history"])
def test_a_full_refresh_replaces_the_kept_rows(filing: Filing, warehouse: Warehouse, write_mode: str | None) -> None:
    filing.collection |= {"sync_mode": "full_refresh", "primary_key": ["id"], "write_mode": write_mode}
    filing.write("a.csv", "id\n1\nx\ny\n2\n")
    filing.write("b.csv", "id\nz\n3\n")
    filing.run()
    filing.write("a.csv", "id\n1\n2\nw\n")
    assert filing.run().finished
    assert kept(filing, warehouse) == [("a.csv", 4, "w"), ("b.csv", 2, "z")]
    filing.write("a.csv", "id\n1\n2\n4\n")
    filing.write("b.csv", "id\n3\n")
    assert filing.run().finished
    assert kept(filing, warehouse) == []


def test_the_table_of_kept_rows_may_be_dropped(filing: Filing, warehouse: Warehouse) -> None:
    filing.write("a.csv", "id\n1\nx\n")
    filing.run()
    warehouse.execute("DROP TABLE loaded.made_bad_rows")
    assert filing.run().finished.records_read == 0
    filing.write("b.csv", "id\n2\ny\n")
    filing.run()
    assert (good(warehouse), kept(filing, warehouse)) == ([1, 2], [("b.csv", 3, "y")])


def test_rows_without_a_key_are_kept_and_the_others_arrive(filing: Filing, warehouse: Warehouse) -> None:
    filing.collection["primary_key"] = ["id"]
    filing.write("a.csv", "id,text\n1,one\n,two\n3,three\n")
    filing.write("b.jsonl", '{"id": 4, "text": "four"}\n{"text": "five"}\n')
    filing.run()
    assert good(warehouse) == [1, 3, 4]
    found = [(line, reason, row) for _, line, reason, row in warehouse.execute(KEPT)]
    assert found == [
        (3, "column 'id': the key has no value", ",two"),
        (2, "column 'id': the key has no value", '{"text": "five"}'),
    ]


@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
def test_a_broken_gzip_or_too_many_bad_rows_load_nothing_of_the_file(filing: Filing, warehouse: Warehouse) -> None:
    filing.write("a.csv", "id\n1\nx\n")
    filing.run()
    filing.write("b.csv.gz", gzip_of(b"id\n2\ny\n" + b"3\n" * 10_000)[:-9])
    assert "the compressed file is truncated" in filing.run().failed.error
    (filing.inbox / "b.csv.gz").unlink()
    filing.write("b.csv", "id\n2\n" + "y\n" * 1001)
    failed = filing.run().failed
    assert "more than 1,000 rows cannot be read" in failed.error
    assert not failed.retryable
    assert (good(warehouse), kept(filing, warehouse)) == ([1], [("a.csv", 3, "x")])


@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
def test_parquet_has_no_bad_rows(filing: Filing, warehouse: Warehouse) -> None:
    filing.write("a.parquet", parquet_of(range(3)))
    filing.run()
    assert (good(warehouse), kept(filing, warehouse)) == ([0, 1, 2], [])


def test_kept_rows_arrive_in_parquet_files_too(tmp_path: Path) -> None:
    parameters = {"types": {"id": "integer"}, "bad_rows": "keep"}
    lake = {"type": "parquet", "path": str(tmp_path / "lake")}
    filing = Filing(tmp_path, {"lake": lake}, parameters=parameters, collection={"write_mode": "append"})
    filing.collection["primary_key"] = ["id"]
    filing.write("a.csv", "id\n1\nx\n")
    filing.run()
    filing.write("a.csv", "id\n1\ny\n")
    assert filing.run().finished.rows_written == 2
    assert len(list((tmp_path / "lake" / "made_bad_rows").glob("*.parquet"))) == 2
