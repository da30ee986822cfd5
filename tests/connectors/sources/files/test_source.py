"""Files into both warehouses: only what is new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.connectors.sources.files.filing import Filing, csv_of, gzip_of, jsonl_of, parquet_of, serving, zip_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Warehouse

ROWS = "SELECT count(*), count(DISTINCT id) FROM loaded.made"


@pytest.fixture
def filing(tmp_path: Path, warehouse: Warehouse) -> Filing:
    return Filing(tmp_path, {"warehouse": warehouse.options()})


def test_only_new_files_are_read(filing: Filing, warehouse: Warehouse) -> None:
    filing.write("a.csv", csv_of(range(10)))
    filing.write("b.csv", csv_of(range(10, 20)))
    assert filing.run().finished.rows_written == 20
    nothing = filing.run().finished
    assert (nothing.records_read, nothing.rows_written) == (0, 0)
    filing.write("c.csv", csv_of(range(20, 25)))
    new = filing.run().finished
    assert (new.records_read, new.rows_written) == (5, 5)
    assert warehouse.execute(ROWS) == [(25, 25)]


@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_with_a_key_a_changed_file_is_upserted_and_a_vanished_one_keeps_its_rows(
    filing: Filing, warehouse: Warehouse
) -> None:
    filing.collection["primary_key"] = ["id"]
    gone = filing.write("a.jsonl", jsonl_of(range(10)))
    filing.write("b.jsonl", jsonl_of(range(10, 20)))
    filing.run()
    gone.unlink()
    filing.write("b.jsonl", jsonl_of(range(10, 19)) + '{"id": 19, "text": "another", "more": [1]}\n')
    told = filing.run().finished
    assert (told.records_read, told.rows_written) == (10, 1)
    assert warehouse.execute(ROWS) == [(20, 20)]
    assert warehouse.execute("SELECT text FROM loaded.made WHERE id = 19") == [("another",)]
    filing.write("a.jsonl", jsonl_of(range(10)))
    assert filing.run().finished.rows_written == 0


@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
def test_a_full_refresh_replaces_all_files_if_one_has_changed(filing: Filing, warehouse: Warehouse) -> None:
    filing.collection["sync_mode"] = "full_refresh"
    gone = filing.write("a.csv", csv_of(range(10)))
    filing.write("b.csv", csv_of(range(10, 20)))
    filing.run()
    assert filing.run().finished.records_read == 0
    assert warehouse.execute(ROWS) == [(20, 20)]
    gone.unlink()
    filing.write("b.csv", csv_of(range(10, 15)))
    assert filing.run().finished.records_read == 5
    assert warehouse.execute(ROWS) == [(5, 5)]


def test_a_full_refresh_keeps_the_table_when_a_file_is_empty_unless_that_is_allowed(
    filing: Filing, warehouse: Warehouse
) -> None:
    filing.collection["sync_mode"] = "full_refresh"
    filing.write("a.csv", csv_of(range(10)))
    filing.write("b.csv", csv_of(range(10, 20)))
    filing.run()
    filing.write("a.csv", csv_of(range(5)))
    path = filing.write("b.csv", "")
    failed = filing.run().failed
    assert f"{path} is empty" in failed.error
    assert failed.retryable
    assert warehouse.execute(ROWS) == [(20, 20)]
    assert filing.run(empty="allow").finished.rows_written == 5
    assert warehouse.execute(ROWS) == [(5, 5)]
    filing.write("b.csv", csv_of(range(10, 12)))
    assert filing.run().finished.records_read == 7


@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
@pytest.mark.parametrize(("name", "content"), [("a.csv", "id,text\n"), ("a.parquet", parquet_of(range(0)))])
def test_files_without_rows_empty_no_table_unless_that_is_allowed(
    filing: Filing, warehouse: Warehouse, name: str, content: str | bytes
) -> None:
    filing.collection["sync_mode"] = "full_refresh"
    filing.write(name, parquet_of(range(3)) if name == "a.parquet" else csv_of(range(3)))
    filing.run()
    filing.write(name, content)
    for _ in range(2):
        failed = filing.run().failed
        assert "table 'made' has 3 rows, but the source sent none" in failed.error
        assert failed.retryable
    assert warehouse.execute(ROWS) == [(3, 3)]
    filing.collection["empty"] = "allow"
    assert filing.run().finished.records_read == 0
    assert warehouse.execute(ROWS) == [(0, 0)]


@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
@pytest.mark.parametrize("place", ["collection", "parameters"])
def test_one_key_allows_an_empty_file_and_an_empty_table(filing: Filing, warehouse: Warehouse, place: str) -> None:
    filing.collection["sync_mode"] = "full_refresh"
    filing.write("a.jsonl", jsonl_of(range(3)))
    filing.run()
    filing.write("a.jsonl", "")
    assert "is empty" in filing.run().failed.error
    getattr(filing, place)["empty"] = "allow"
    assert filing.run().finished.records_read == 0
    assert warehouse.execute(ROWS) == [(0, 0)]


@pytest.mark.parametrize(
    ("name", "before", "after"), [("a.csv", csv_of, "id,text\n"), ("a.csv", csv_of, ""), ("a.jsonl", jsonl_of, "")]
)
def test_after_a_reset_files_without_rows_empty_the_table(
    filing: Filing, warehouse: Warehouse, name: str, before: Any, after: str
) -> None:
    filing.collection["sync_mode"] = "full_refresh"
    filing.write(name, before(range(3)))
    filing.run()
    filing.write(name, after)
    assert filing.run().failed.retryable
    filing.generation += 1
    assert filing.run().finished.records_read == 0
    assert warehouse.execute(ROWS) == [(0, 0)]
    filing.write(name, before(range(2)))
    assert filing.run().finished.rows_written == 2
    filing.write(name, after)
    assert filing.run().failed.retryable


@pytest.mark.parametrize("keys", [{}, {"primary_key": ["id"]}, {"primary_key": ["id"], "write_mode": "history"}])
def test_after_a_reset_a_source_without_rows_leaves_none_of_the_earlier_ones(
    filing: Filing, warehouse: Warehouse, keys: dict[str, Any]
) -> None:
    filing.collection |= keys
    path = filing.write("a.csv", csv_of(range(3)))
    filing.run()
    path.unlink()
    current = "SELECT count(*) FROM loaded.made" + (" WHERE _syncline_valid_to IS NULL" if "write_mode" in keys else "")
    for generation, rows in ((0, 3), (1, 0)):
        filing.generation = generation
        assert filing.run().finished.records_read == 0
        assert warehouse.execute(current) == [(rows,)]
    filing.write("a.csv", csv_of(range(2)))
    assert filing.run().finished.records_read == 2
    assert warehouse.execute(current) == [(2,)]


@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
def test_every_format_comes_plain_as_gzip_and_as_zip(filing: Filing, warehouse: Warehouse) -> None:
    contents: dict[str, Any] = {"csv": csv_of, "jsonl": jsonl_of, "parquet": parquet_of}
    for number, (kind, made) in enumerate(contents.items()):
        content = made(range(number * 10, number * 10 + 10))
        raw = content.encode() if isinstance(content, str) else content
        filing.write(f"a.{kind}", raw)
        filing.write(f"b.{kind}.gz", gzip_of(raw))
        filing.write(f"c.{kind}.zip", zip_of(**{f"one_{kind}": raw, f"two_{kind}": raw}))
    filing.parameters |= {"types": {"id": "integer"}, "add_columns": ["_file", "_line"]}
    filing.run()
    assert warehouse.execute(ROWS) == [(120, 30)]
    per_file = "SELECT _file, count(*), min(_line), max(_line) FROM loaded.made GROUP BY 1 ORDER BY 1"
    found = {name.removeprefix(f"{filing.inbox}/"): tuple(rest) for name, *rest in warehouse.execute(per_file)}
    assert found == {
        **{f"a.{kind}": (10, *lines(kind)) for kind in contents},
        **{f"b.{kind}.gz": (10, *lines(kind)) for kind in contents},
        **{f"c.{kind}.zip/{each}.{kind}": (10, *lines(kind)) for kind in contents for each in ("one", "two")},
    }


def lines(kind: str) -> tuple[int, int]:
    return (2, 11) if kind == "csv" else (1, 10)


def test_values_of_csv_are_text_unless_types_say_otherwise(filing: Filing, warehouse: Warehouse) -> None:
    filing.write("a.csv", 'zip;n;seen;ok;doc;gone\n"007";1.50;2024-05-01T10:00:00+02:00;yes;{"a": 1.5};NA\n;;;;;\n')
    types = {"n": "number", "seen": "timestamp", "ok": "boolean", "doc": "json"}
    assert filing.run(delimiter=";", types=types, nulls=["NA"]).finished.rows_written == 2
    values = "zip, n = 1.5, seen = CAST('2024-05-01 08:00:00+00' AS timestamptz), ok, CAST(doc AS text), gone"
    assert warehouse.execute(f"SELECT {values} FROM loaded.made ORDER BY n IS NULL") in (
        [("007", True, True, True, document, None), ("", None, None, None, None, "")]
        for document in ('{"a": 1.5}', '{"a":1.5}')
    )


@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_files_over_http_reach_a_warehouse(filing: Filing, warehouse: Warehouse) -> None:
    filing.write("a.csv", csv_of(range(10)))
    filing.write("b.parquet", parquet_of(range(10, 20)))
    with serving(filing.inbox) as server:
        filing.parameters["path"] = [f"{server.url}/a.csv"]
        filing.parameters["types"] = {"id": "integer"}
        assert filing.run().finished.rows_written == 10
        filing.parameters["path"] += [f"{server.url}/b.parquet"]
        assert filing.run().finished.records_read == 10
    assert warehouse.execute(ROWS) == [(20, 20)]
