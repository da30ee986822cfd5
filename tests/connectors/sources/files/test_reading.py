"""What is read of files, and what is wrong with them named by file, line and column."""

from __future__ import annotations

import json
import os
import re
import tracemalloc
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from pyarrow import parquet

from app.connectors.contract.passes import Rows
from app.connectors.contract.schema import Kind, Table
from app.connectors.sources.files import survey
from app.connectors.values import jsontext
from app.domain.errors import ConfigurationError, SynclineError
from tests.connectors.sources.files.filing import Filing, csv_of, gzip_of, jsonl_of, parquet_of, serving, zip_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shelf(tmp_path: Path) -> Filing:
    return Filing(tmp_path)


def test_without_a_key_a_changed_file_is_refused(shelf: Filing) -> None:
    path = shelf.write("a.csv", csv_of(range(10)))
    _, bookmark = shelf.read()
    shelf.write("a.csv", csv_of(range(11)))
    with pytest.raises(ConfigurationError) as refused:
        shelf.read(bookmark)
    assert f"source 'shelf', collection 'made': {path} has changed since it was loaded" in str(refused.value)
    assert "set 'primary_key', or 'sync_mode: full_refresh'" in str(refused.value)


def test_a_full_refresh_of_nothing_is_refused(shelf: Filing) -> None:
    shelf.collection["sync_mode"] = "full_refresh"
    path = shelf.write("a.csv", csv_of(range(10)))
    _, bookmark = shelf.read()
    path.unlink()
    with pytest.raises(ConfigurationError, match="the table stays as it is"):
        shelf.read(bookmark)


EMPTY: list[tuple[str, str | bytes]] = [
    ("a.csv", ""),
    ("a.tsv", "\n\r\n\n"),
    ("a.csv", "  \n"),
    ("a.csv", b"\xef\xbb\xbf"),
    ("a.jsonl", ""),
    ("a.ndjson", b"\xef\xbb\xbf \n"),
    ("a.csv.gz", b""),
    ("a.csv.gz", gzip_of(b"")),
    ("a.jsonl.gz", gzip_of(b"\n")),
    ("a.zip", zip_of(one_csv=csv_of(range(2)), two_csv="")),
]


@pytest.mark.parametrize(("name", "content"), EMPTY)
def test_a_full_refresh_doubts_an_empty_file(shelf: Filing, name: str, content: str | bytes) -> None:
    shelf.collection["sync_mode"] = "full_refresh"
    shelf.write("b.csv", csv_of(range(3)))
    _, bookmark = shelf.read()
    path = shelf.write(name, content)
    where = f"{path}/two.csv" if name == "a.zip" else path
    (doubt,) = shelf.doubts(bookmark)
    assert doubt.startswith(f"{where} is empty, as if its export had failed, so it replaces no rows. Export it again, ")
    assert shelf.doubts(bookmark, empty="allow") == []


@pytest.mark.parametrize("header", [False, ["id", "text"]])
def test_without_a_header_an_empty_file_of_csv_is_doubted_too(shelf: Filing, header: Any) -> None:
    shelf.collection["sync_mode"] = "full_refresh"
    shelf.write("a.csv", "")
    (doubt,) = shelf.doubts(header=header)
    assert "a.csv is empty" in doubt


def test_a_check_and_what_is_offered_tell_of_an_empty_file_first(shelf: Filing) -> None:
    shelf.collection["sync_mode"] = "full_refresh"
    shelf.write("a.csv", "")
    with pytest.raises(SynclineError, match=r"a\.csv is empty"):
        shelf.source().check()
    shelf.source(empty="allow").check()


@pytest.mark.parametrize("content", ["id,text\n", "id,text"])
def test_a_header_alone_is_a_table_without_rows(shelf: Filing, content: str) -> None:
    shelf.collection["sync_mode"] = "full_refresh"
    shelf.write("a.csv", csv_of(range(3)))
    _, bookmark = shelf.read()
    shelf.write("a.csv", content)
    (table,) = [item for item in shelf.source().read(bookmark) if isinstance(item, Table)]
    assert (table.full_refresh, list(table.columns)) == (True, ["id", "text"])


def test_parquet_without_rows_is_a_table_without_rows(shelf: Filing) -> None:
    shelf.collection["sync_mode"] = "full_refresh"
    rows = pa.table({"id": pa.array([], pa.int64()), "text": pa.array([], pa.string())})
    parquet.write_table(rows, shelf.inbox / "a.parquet")
    (table,) = [item for item in shelf.source().read(None) if isinstance(item, Table)]
    assert list(table.columns) == ["id", "text"]


def test_an_empty_file_adds_nothing_to_what_is_there(shelf: Filing) -> None:
    shelf.write("a.csv", "")
    shelf.write("b.csv", csv_of(range(3)))
    assert len(shelf.read()[0]) == 3


def test_a_full_refresh_of_emptied_files_empties_the_table_where_that_is_allowed(shelf: Filing) -> None:
    shelf.collection["sync_mode"] = "full_refresh"
    shelf.parameters["empty"] = "allow"
    shelf.write("a.jsonl", jsonl_of(range(3)))
    _, bookmark = shelf.read()
    shelf.write("a.jsonl", "")
    (table,) = [item for item in shelf.source().read(bookmark) if isinstance(item, Table)]
    assert table.full_refresh
    assert list(table.columns) == ["id", "text"]


def test_files_are_read_in_the_order_of_their_names_and_directories_left_out(shelf: Filing) -> None:
    for name in ("b.csv", "a [1].csv", "c.csv"):
        shelf.write(name, f"name\n{name}\n")
    (shelf.inbox / "deep" / "er").mkdir(parents=True)
    shelf.write("deep/er/d.csv", "name\nd.csv\n")
    found = [record["name"] for record in shelf.read()[0]]
    assert found == ["a [1].csv", "b.csv", "c.csv"]
    paths = [f"{shelf.inbox}/c.csv", f"file://{shelf.inbox}/a [1].csv", f"{shelf.inbox}/**/*.csv"]
    found = [record["name"] for record in shelf.read(path=paths)[0]]
    assert found == ["c.csv", "a [1].csv", "b.csv", "d.csv"]


def test_each_file_and_each_member_may_begin_with_a_byte_order_mark(shelf: Filing) -> None:
    shelf.collection["primary_key"] = ["id"]
    content = b'\xef\xbb\xbf"id",text\n1,a\n'
    shelf.write("a.csv", content)
    shelf.write("b.csv.gz", gzip_of(content))
    shelf.write("c.zip", zip_of(one_csv=content, two_jsonl=b'\xef\xbb\xbf{"id": "1", "text": "a"}\n'))
    assert shelf.read()[0] == [{"id": "1", "text": "a"}] * 4


def test_a_keyless_file_that_changes_while_it_is_read_is_not_taken(shelf: Filing) -> None:
    path = shelf.write("a.csv", csv_of(range(10)))
    items = shelf.source().read(None)
    next(items)
    path.write_text(csv_of(range(11)))
    with pytest.raises(SynclineError, match="has changed while it was being read"):
        list(items)


def test_a_huge_file_is_read_in_pieces(shelf: Filing) -> None:
    """Twenty megabytes, of which a few are in memory at a time."""
    line = b'{"id": 1, "text": "' + b"x" * 1000 + b'"}\n'
    shelf.write("a.jsonl.gz", gzip_of(line * 20_000, 1))
    tracemalloc.start()
    try:
        read = sum(len(item.records) for item in shelf.source().read(None) if isinstance(item, Rows))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read == 20_000
    assert peak < 8 << 20


@pytest.mark.parametrize("validators", ["modified", "etag", "none"])
def test_over_http_a_file_is_read_again_when_its_validators_or_its_bytes_change(shelf: Filing, validators: str) -> None:
    shelf.collection["primary_key"] = ["id"]
    shelf.write("a.csv", csv_of(range(10)))
    shelf.write("b.parquet", parquet_of(range(10, 20)))
    shelf.write("c.zip", zip_of(in_jsonl=jsonl_of(range(20, 30))))
    with serving(shelf.inbox) as server:
        server.validators = validators
        shelf.parameters["path"] = [f"{server.url}/{name}" for name in ("a.csv", "b.parquet", "c.zip")]
        shelf.parameters["types"] = {"id": "integer"}
        records, bookmark = shelf.read()
        assert [int(record["id"]) for record in records] == list(range(30))
        before = server.gets
        assert shelf.read(bookmark) == ([], bookmark)
        assert (server.gets > before) == (validators == "none")
        path = shelf.write("a.csv", csv_of(range(30, 40)))
        os.utime(path, (2_000_000_000, 2_000_000_000))
        assert [int(record["id"]) for record in shelf.read(bookmark)[0]] == list(range(30, 40))
    assert not list(shelf.directory.glob("file-*")), "copies are removed"


def test_a_server_that_fails_is_tried_again_and_a_missing_file_is_not(shelf: Filing) -> None:
    shelf.write("a.csv", csv_of(range(3)))
    with serving(shelf.inbox) as server:
        path = f"{server.url}/a.csv?token=hunter2secret"
        server.status = HTTPStatus.SERVICE_UNAVAILABLE
        busy = shelf.failure(path=path)
        server.status = None
        missing = shelf.failure(path=path.replace("a.csv", "b.csv"))
        bookmark = json.loads(shelf.read(path=path)[1] or "")
    unreachable = shelf.failure(path=path)
    retryable = [not isinstance(error, ConfigurationError) for error in (busy, missing, unreachable)]
    assert retryable == [True, False, True]
    assert "the server returned 503" in str(busy)
    assert str(missing).endswith(f"the file '{server.url}/b.csv?token=***' does not exist")
    assert "cannot read http://127.0.0.1" in str(unreachable)
    assert list(bookmark["files"]) == [f"{server.url}/a.csv?token=***"]
    assert "hunter2" not in f"{busy}{missing}{unreachable}"


def test_a_huge_row_group_is_read_in_pieces(shelf: Filing) -> None:
    path = shelf.inbox / "a.parquet"
    rows = pa.table({"text": [f"row {number} {'x' * 100}" for number in range(200_000)]})
    parquet.write_table(rows, path, row_group_size=200_000, compression="none", use_dictionary=False)
    assert path.stat().st_size > 20 << 20
    del rows
    before = pa.total_allocated_bytes()
    taken = [pa.total_allocated_bytes() - before for _ in shelf.source().read(None)]
    assert len(taken) == 42
    assert max(taken) < 8 << 20


def test_bytes_of_parquet_stay_bytes(shelf: Filing) -> None:
    rows = pa.table({"raw": [b"\x00\xff", None], "list": [[b"\x00\xff"], []]})
    parquet.write_table(rows, shelf.inbox / "a.parquet")
    items = list(shelf.source().read(None))
    assert [item.columns for item in items if isinstance(item, Table)] == [{"raw": Kind.BYTES, "list": Kind.JSON}]
    (records,) = [item.records for item in items if isinstance(item, Rows)]
    assert records[0]["raw"] == b"\x00\xff"
    assert jsontext.encode(records) == '[{"raw":"AP8=","list":["AP8="]},{"raw":null,"list":[]}]'


def test_single_floats_of_parquet_are_the_numbers_that_they_were_written_as(shelf: Filing) -> None:
    parquet.write_table(pa.table({"single": pa.array([0.1, None, -0.0], pa.float32())}), shelf.inbox / "a.parquet")
    (records,) = [item.records for item in shelf.source().read(None) if isinstance(item, Rows)]
    assert [str(record["single"]) for record in records] == ["0.1", "None", "-0.0"]


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (pa.table([[1], [2]], names=["a", "a"]), "a.parquet: several columns are named 'a'"),
        (pa.table({"at": pa.array([1], pa.timestamp("us", "Mars/X"))}), "column 'at', between rows 1 and 1: "),
    ],
)
def test_what_no_row_can_be_made_of_in_parquet_is_named(shelf: Filing, rows: pa.Table, complaint: str) -> None:
    parquet.write_table(rows, shelf.inbox / "a.parquet")
    assert complaint in str(shelf.failure())


def test_headers_are_sent_and_not_shown(shelf: Filing) -> None:
    shelf.write("a.csv", csv_of(range(3)))
    shelf.config["storage_options"] = {"headers": {"Authorization": "Bearer hunter2"}}
    with serving(shelf.inbox) as server:
        shelf.parameters["path"] = f"{server.url}/a.csv"
        assert len(shelf.read()[0]) == 3
        assert server.authorization == "Bearer hunter2"
        assert "hunter2" not in repr(shelf.source())


def test_options_that_a_storage_does_not_take_are_named(shelf: Filing) -> None:
    shelf.config["storage_options"] = {"client_kwargs": {"nosuch": "hunter2"}}
    with serving(shelf.inbox) as server:
        failed = shelf.failure(path=f"{server.url}/a.csv")
    assert isinstance(failed, ConfigurationError), "to try it again cannot help"
    assert "'storage_options' do not fit: " in str(failed)
    assert "'nosuch'" in str(failed)


@pytest.mark.parametrize("validators", ["modified", "none"])
def test_a_content_encoding_of_the_server_is_taken_off_once(shelf: Filing, validators: str) -> None:
    shelf.write("a.csv", csv_of(range(10)))
    shelf.write("b.csv.gz", gzip_of(csv_of(range(10, 20)).encode()))
    shelf.write("c.zip", zip_of(in_csv=csv_of(range(20, 30))))
    with serving(shelf.inbox) as server:
        server.validators = validators
        for encoded, labels, wanted in (
            (False, True, ["b.csv.gz"]),
            (True, False, ["a.csv", "b.csv.gz", "c.zip"]),
        ):
            server.encoded, server.labels = encoded, labels
            records, _ = shelf.read(path=[f"{server.url}/{name}" for name in wanted])
            assert len(records) == 10 * len(wanted)
            assert {record["text"] for record in records} == {f"row {record['id']}" for record in records}


def test_a_page_that_is_no_gzip_is_refused_over_http(shelf: Filing) -> None:
    shelf.write("a.csv.gz", "<html>\n")
    with serving(shelf.inbox) as server:
        assert "not a gzip file" in str(shelf.failure(path=f"{server.url}/a.csv.gz"))


def test_a_download_that_breaks_off_may_be_tried_again(shelf: Filing) -> None:
    shelf.write("a.csv", csv_of(range(100_000)))
    with serving(shelf.inbox) as server:
        server.cut = 500_000
        failed = shelf.failure(path=f"{server.url}/a.csv")
    assert f"cannot read {server.url}/a.csv" in str(failed)
    assert not isinstance(failed, ConfigurationError)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.csv", 'id,text\n1,a\n2,"b"c\n', "a.csv, line 3, column 6: the closing quote must be followed"),
        ("a.csv", 'id,text\n1,a\n2,"b\nc\n', "a.csv, line 3, column 3: the quote that opens here is never closed"),
        ("a.csv", "id,text\n1,a\n2\n", "a.csv, line 3, column 'text': the value is missing"),
        ("a.csv", "id,text\n1,a\n2,b,c\n", "a.csv, line 3, column 3: too many values"),
        ("a.csv", "id,text\r1,a\r", "a.csv, line 1, column 8: carriage return without a line feed"),
        ("a.csv", "id,id\n1,a\n", "a.csv, line 1: the header names a column twice: 'id'"),
        ("a.csv", b"id,text\n1,a\n2,caf\xe9\n", "a.csv, line 3, column 6: byte 0xe9 is not valid utf-8"),
        ("a.csv", "id,text,n\n1,a,1\n2,b,1x\n", """a.csv, line 3, column 'n': "1x" is not a valid integer"""),
        ("a.jsonl", '{"id": 1}\n\n{"id": 2,}\n', "a.jsonl, line 3, column 10: not valid JSON"),
        ("a.jsonl", '{"id": 1}\n[2]\n', "a.jsonl, line 2, column 1: an array, not a JSON object"),
        ("a.parquet", "PAR1", "a.parquet: cannot be read as Parquet"),
        ("a.csv.gz", "id\n1\n", "a.csv.gz, after line 0: not a gzip file"),
        ("a.zip", zip_of(a_csv="id\n1\n")[:-30], "a.zip is not a zip file, or is truncated"),
        ("a.zip", zip_of(a_txt="id\n1\n"), "a.zip/a.txt from its name (known: "),
        ("a.data", "id\n1\n", "a.data from its name (known: .csv, .tsv, .jsonl, .ndjson, .parquet); set 'format'"),
    ],
)
def test_what_is_malformed_is_named(shelf: Filing, name: str, content: str | bytes, complaint: str) -> None:
    shelf.write(name, content)
    failed = str(shelf.failure(types={"n": "integer"}))
    assert failed.startswith("source 'shelf', collection 'made': ")
    assert complaint in failed


def test_json_of_another_type_than_before_is_refused_across_files_and_runs(shelf: Filing) -> None:
    shelf.write("a.jsonl", '{"price": 1, "mixed": 1}\n{"price": 1.5, "mixed": "a", "later": null}\n')
    records, bookmark = shelf.read()
    assert records == [{"price": 1, "mixed": 1}, {"price": Decimal("1.5"), "mixed": "a"}]
    assert json.loads(bookmark or "")["columns"] == {"price": "number", "mixed": "json"}
    shelf.write("b.jsonl", '{"mixed": []}\n{"price": "1"}\n')
    with pytest.raises(
        ConfigurationError, match=r'b\.jsonl, line 2, column .price.: "1" is not number like the values'
    ):
        shelf.read(bookmark)
    assert shelf.read(bookmark, types={"price": "json"})[0] == [{"mixed": []}, {"price": "1"}]


def test_a_truncated_gzip_names_the_line_that_it_ends_in_and_may_be_tried_again(shelf: Filing) -> None:
    shelf.write("a.csv.gz", gzip_of(csv_of(range(99_999)).encode())[:-9999])
    failed = shelf.failure()
    (line,) = re.findall(r"a\.csv\.gz, after line (\d+): the compressed file is truncated", str(failed))
    assert 50_000 < int(line) < 99_999
    assert not isinstance(failed, ConfigurationError)


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"path": "no/such/file.csv"}, "no/such/file.csv' does not exist"),
        ({"path": "."}, "is a directory; write "),
        ({"path": "no/such/*.csv"}, "the directory 'no/such' does not exist"),
        ({"path": "*.nothing"}, "no file matches 'path'"),
        ({"path": "ftp://host/a.csv"}, "unsupported address ftp://; use a local path or one of file://, http://"),
        ({"path": "s3://bucket/a.csv"}, "pip install 'syncline[files-s3]'"),
        ({"path": "gs://bucket/*.csv"}, "pip install 'syncline[files-gs]'"),
        ({"delimitr": ";"}, "sources.shelf.collections.made.parameters.delimitr"),
    ],
)
def test_a_check_finds_what_is_configured_wrong(shelf: Filing, parameters: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(complaint)):
        shelf.source(**parameters).check()


def test_a_check_reads_all_files(shelf: Filing) -> None:
    for name in ("a", "b", "c"):
        shelf.write(f"{name}.csv", csv_of(range(20_000)))
    assert shelf.source().check() == "3 of 3 files: 60,000 rows, 0.9 MB"
    shelf.write("c.csv", csv_of(range(20_000)) + "1,2,3\n")
    with pytest.raises(ConfigurationError, match=r"c\.csv, line 20002, column 3: too many values"):
        shelf.source().check()


def test_a_check_reads_the_beginning_of_each_file_where_there_are_too_many_bytes(
    shelf: Filing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "BYTES", 3)
    for name in ("a", "b"):
        shelf.write(f"{name}.csv", csv_of(range(200_000)))
    shelf.write("c.csv", "id,text\n1,2,3\n")
    with pytest.raises(ConfigurationError, match=r"c\.csv, line 2, column 3: too many values"):
        shelf.source().check()
    shelf.write("c.csv", "id,text\n")
    assert str(shelf.source().check()).startswith("1 of 3 files, and the beginning of 2 more: ")


def test_a_check_says_how_many_files_it_had_no_time_for(shelf: Filing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "SECONDS", 0.0)
    shelf.write("a.csv", csv_of(range(3)))
    assert shelf.source().check() == "0 of 1 file; no time for 1: 0 rows, 0.0 MB"


def test_a_key_that_a_file_lacks_is_named(shelf: Filing) -> None:
    shelf.collection["primary_key"] = ["nr"]
    shelf.write("a.csv", csv_of(range(3)))
    assert "a.csv has no column 'nr' for 'primary_key'; choose from 'id', 'text'" in str(shelf.failure())
