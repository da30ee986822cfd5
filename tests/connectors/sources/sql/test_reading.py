"""What `sql` sources make of the types, tables and mistakes of three databases."""

from __future__ import annotations

import tracemalloc
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Kind, Table
from app.connectors.making import make_source
from app.connectors.sources.sql.bookmark import encode
from app.domain.attempt_protocol import SourceJob
from app.domain.collection import CollectionJob
from app.domain.errors import ConfigurationError, SynclineError
from tests.connectors.sources.sql.origins import Copying, Origin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.connectors.contract.passes import Item
    from tests.connectors.attempts import Duckdb, Postgres

POSTGRES = pytest.mark.parametrize("origin", ["postgres"], indirect=True)
EVERY = pytest.mark.parametrize("origin", ["postgres", "sqlite", "duckdb"], indirect=True)


def items(
    origin: Origin | str, directory: Path, bookmark: str | None = None, /, *, chunk_rows: int = 1000, **parameters: Any
) -> Iterator[Item]:
    collection = CollectionJob(
        name="made", type="made", table_name="made", start_date="2020-01-01", parameters=parameters
    )
    job = SourceJob(
        source="shop", source_type="sql", collection=collection,
        source_config={"url": origin if isinstance(origin, str) else origin.url, "chunk_rows": chunk_rows},
        data_dir=str(directory),
    )  # fmt: skip
    with closing(make_source(job, work_dir=directory, log=lambda _level, _line: None)) as source:
        yield from source.read(bookmark)


def read(origin: Origin, directory: Path, **parameters: Any) -> tuple[dict[str, Kind], list[dict[str, Any]]]:
    """The last description of the table, and all records."""
    found = list(items(origin, directory, **parameters))
    tables = [item for item in found if isinstance(item, Table)]
    return tables[-1].columns, [record for item in found if isinstance(item, Rows) for record in item.records]


def refusal(origin: Origin | str, directory: Path, **parameters: Any) -> str:
    with pytest.raises(ConfigurationError) as refused:
        list(items(origin, directory, **parameters))
    assert str(refused.value).startswith("source 'shop', collection 'made': ")
    return str(refused.value).removeprefix("source 'shop', collection 'made': ")


@POSTGRES
def test_every_type_of_postgres_is_read_as_it_is(origin: Origin, tmp_path: Path) -> None:
    origin.execute("CREATE TYPE mood AS ENUM ('sad', 'glad')")
    columns, (record,) = read(
        origin,
        tmp_path,
        query="""SELECT true AS flag, 9223372036854775807 AS big, 0.10000000000000000001 AS exact,
            1.1::float4 AS single,
            'NaN'::float8 AS nan, 'a🦊'::text AS text, '\\x00ff'::bytea AS raw,
            '{"a": 1.10000000000000000001, "b": ["x:y"]}'::jsonb AS doc, ARRAY[1.5, NULL] AS list, NULL::int AS nothing,
            '2024-01-01 12:00:00.000001+02'::timestamptz AS moment, '2024-01-01 12:00'::timestamp AS wall,
            'infinity'::timestamptz AS ever, '2024-02-29'::date AS day, '01:02:03'::time AS clock,
            '1 month 2 days'::interval AS span, 'glad'::mood AS mood, ARRAY['sad'::mood] AS moods,
            '00000000-0000-0000-0000-000000000001'::uuid AS one, '10.0.0.1/8'::inet AS net, int4range(1, 5) AS span2,
            100 % 7 AS "rest:%" """,
    )
    assert record == {
        "flag": True, "big": 2**63 - 1, "exact": Decimal("0.10000000000000000001"), "single": 1.1, "nan": "NaN",
        "text": "a🦊", "raw": b"\x00\xff", "doc": {"a": Decimal("1.10000000000000000001"), "b": ["x:y"]},
        "list": [Decimal("1.5"), None], "nothing": None, "moment": "2024-01-01 10:00:00.000001+00",
        "wall": "2024-01-01 12:00:00", "ever": "infinity", "day": "2024-02-29", "clock": "01:02:03",
        "span": "1 mon 2 days", "mood": "glad", "moods": "{sad}", "one": "00000000-0000-0000-0000-000000000001",
        "net": "10.0.0.1/8", "span2": "[1,5)", "rest:%": 2,
    }  # fmt: skip
    kinds = {
        Kind.BOOLEAN: ["flag"], Kind.INTEGER: ["big", "nothing", "rest:%"], Kind.DECIMAL: ["exact"],
        Kind.FLOAT: ["single", "nan"], Kind.BYTES: ["raw"], Kind.JSON: ["doc", "list"],
        Kind.TIMESTAMP: ["moment", "ever"], Kind.LOCAL_TIMESTAMP: ["wall"], Kind.DATE: ["day"], Kind.TIME: ["clock"],
        Kind.INTERVAL: ["span"], Kind.UUID: ["one"], Kind.TEXT: ["text", "mood", "moods", "net", "span2"],
    }  # fmt: skip
    assert columns == {name: kind for kind, names in kinds.items() for name in names}


@pytest.mark.parametrize("origin", ["duckdb"], indirect=True)
def test_every_type_of_duckdb_is_read_as_it_is(origin: Origin, tmp_path: Path) -> None:
    origin.execute("CREATE TABLE unused (id INTEGER)")
    columns, (record,) = read(
        origin,
        tmp_path,
        query="""SELECT true AS flag, 170141183460469231731687303715884105727::HUGEINT AS huge,
            1.10::DECIMAL(10, 2) AS exact,
            'NaN'::DOUBLE AS nan, 'a🦊' AS text, '\\x00\\xFF'::BLOB AS raw,
            '{"a": 1.10000000000000000001}'::JSON AS doc,
            {'x': 1.25, 'y': ['x:y']} AS struct, [1, NULL] AS list, NULL::INTEGER AS nothing,
            '2024-01-01 12:00:00.123456+02'::TIMESTAMPTZ AS moment,
            '2024-01-01 12:00:00.123456789'::TIMESTAMP_NS AS fine,
            'infinity'::TIMESTAMP AS ever, '2024-02-29'::DATE AS day, '01:02:03'::TIME AS clock,
            INTERVAL '1 month 2 days' AS span, '00000000-0000-0000-0000-000000000001'::UUID AS one """,
    )
    assert record == {
        "flag": True, "huge": 2**127 - 1, "exact": Decimal("1.10"), "nan": "NaN", "text": "a🦊", "raw": b"\x00\xff",
        "doc": {"a": Decimal("1.10000000000000000001")}, "struct": {"x": Decimal("1.25"), "y": ["x:y"]},
        "list": [1, None], "nothing": None, "moment": "2024-01-01 10:00:00.123456+00",
        "fine": "2024-01-01 12:00:00.123456789", "ever": "infinity", "day": "2024-02-29", "clock": "01:02:03",
        "span": "1 month 2 days", "one": "00000000-0000-0000-0000-000000000001",
    }  # fmt: skip
    kinds = {
        Kind.BOOLEAN: ["flag"], Kind.BIG_INTEGER: ["huge"], Kind.DECIMAL: ["exact"], Kind.FLOAT: ["nan"],
        Kind.BYTES: ["raw"], Kind.JSON: ["doc", "struct", "list"], Kind.INTEGER: ["nothing"],
        Kind.TIMESTAMP: ["moment"], Kind.LOCAL_TIMESTAMP: ["fine", "ever"], Kind.DATE: ["day"], Kind.TIME: ["clock"],
        Kind.INTERVAL: ["span"], Kind.UUID: ["one"], Kind.TEXT: ["text"],
    }  # fmt: skip
    assert columns == {name: kind for kind, names in kinds.items() for name in names}


@pytest.mark.parametrize("origin", ["sqlite"], indirect=True)
def test_declared_types_of_sqlite_are_kept_and_others_found_out(origin: Origin, tmp_path: Path) -> None:
    origin.execute(
        "CREATE TABLE made (id INTEGER, flag BOOLEAN, price DECIMAL(10, 2), at DATETIME, day DATE, raw BLOB, odd)"
    )
    origin.execute("INSERT INTO made VALUES (1, 1, 1.5, '2024-01-01 12:00:00', '2024-01-01', x'00ff', NULL)")
    kinds = {
        "id": Kind.INTEGER, "flag": Kind.BOOLEAN, "price": Kind.NUMBER, "at": Kind.TIMESTAMP, "day": Kind.DATE,
        "raw": Kind.BYTES,
    }  # fmt: skip
    row = {
        "id": 1, "flag": True, "price": 1.5, "at": "2024-01-01 12:00:00", "day": "2024-01-01", "raw": b"\x00\xff",
        "odd": None,
    }  # fmt: skip
    assert read(origin, tmp_path, table="main.made") == (kinds, [row])
    origin.execute("INSERT INTO made (id, odd) VALUES (2, 'a')")
    columns, records = read(origin, tmp_path, query="SELECT *, count(*) OVER () AS n FROM made ORDER BY id")
    assert columns == kinds | {"odd": Kind.TEXT, "n": Kind.INTEGER}
    assert records == [row | {"n": 2}, dict.fromkeys(kinds) | {"id": 2, "odd": "a", "n": 2}]
    assert read(origin, tmp_path, query="SELECT NULL AS odd -- nothing else") == (
        {"odd": Kind.TEXT},
        [{"odd": None}],
    )
    origin.execute("DELETE FROM made")
    assert read(origin, tmp_path, key="odd")[0] == kinds | {"odd": Kind.TEXT}


@EVERY
def test_cursors_of_other_types_go_on_where_they_were(origin: Origin, tmp_path: Path) -> None:
    origin.execute('CREATE TABLE "Made %:x" (moment TIMESTAMP, price NUMERIC(10, 2), "the group" TEXT)')
    values = ", ".join(f"('2024-01-0{day} 12:00:00', {day}.25, 'g{day}')" for day in range(1, 6))
    origin.execute(f'INSERT INTO "Made %:x" VALUES {values}')
    for cursor_field in ("moment", "price", "the group"):
        found = list(items(origin, tmp_path, table="Made %:x", cursor_field=cursor_field, chunk_rows=2))
        bookmarks = [item.bookmark for item in found if isinstance(item, Checkpoint)]
        assert len(bookmarks) == 3
        later = items(origin, tmp_path, bookmarks[1], table="Made %:x", cursor_field=cursor_field)
        rows = [record["the group"] for item in later if isinstance(item, Rows) for record in item.records]
        assert rows == ["g4", "g5"], cursor_field


@pytest.mark.parametrize("origin", ["postgres", "duckdb"], indirect=True)
def test_all_rows_are_read_after_a_column_of_numbers_has_become_one_of_strings(origin: Origin, tmp_path: Path) -> None:
    origin.execute("CREATE TABLE made (id INTEGER, seq TEXT)")
    origin.execute("INSERT INTO made VALUES (0, '9'), (1, '10')")
    found = items(origin, tmp_path, encode("seq", 9), cursor_field="seq")
    assert [len(item.records) for item in found if isinstance(item, Rows)] == [2]


@EVERY
def test_what_cannot_be_read_is_said_before_a_row_is(origin: Origin, tmp_path: Path) -> None:
    origin.execute("CREATE TABLE made (id INTEGER, seq INTEGER)")
    origin.execute("INSERT INTO made VALUES (1, 1), (2, NULL)")
    nulls = refusal(origin, tmp_path, cursor_field="seq")
    assert "table 'made' has rows where cursor_field 'seq' is NULL" in nulls
    assert read(origin, tmp_path, cursor_field="seq", mode="full_refresh")[1] == [
        {"id": 1, "seq": 1},
        {"id": 2, "seq": None},
    ]
    assert read(origin, tmp_path, cursor_field="seq", query="SELECT * FROM made WHERE seq IS NOT NULL;")[1] == [
        {"id": 1, "seq": 1}
    ]
    assert (
        refusal(origin, tmp_path, cursor_field="at")
        == "cursor_field names the unknown column 'at'; choose from 'id', 'seq'"
    )
    assert refusal(origin, tmp_path, key=["id", "no"]) == "key names the unknown column 'no'; choose from 'id', 'seq'"
    assert refusal(origin, tmp_path, table="nosuch").startswith("cannot read table 'nosuch': ")
    assert refusal(origin, tmp_path, query="SELEKT 1").startswith("cannot read the query: ")


@pytest.mark.parametrize("origin", ["postgres", "duckdb"], indirect=True)
def test_a_cursor_at_infinity_is_refused_for_nothing_would_be_newer(origin: Origin, tmp_path: Path) -> None:
    origin.execute("CREATE TABLE made AS SELECT CAST('infinity' AS TIMESTAMP) AS ever")
    assert "cursor_field 'ever' has the value inf, which has no order" in refusal(origin, tmp_path, cursor_field="ever")


@POSTGRES
def test_columns_of_one_name_are_refused(origin: Origin, tmp_path: Path) -> None:
    assert "several columns are named 'a'" in refusal(origin, tmp_path, query="SELECT 1 AS a, 2 AS a")


@POSTGRES
@pytest.mark.parametrize("value", [r"""'"\ud800"'::json""", f"'[{'9' * 5000}]'::jsonb"])
def test_what_is_json_to_postgresql_alone_is_refused(origin: Origin, tmp_path: Path, value: str) -> None:
    complaint = refusal(origin, tmp_path, query=f"SELECT 1 AS a, {value} AS b")
    assert "cannot read the query: a value is not valid JSON" in complaint


@pytest.mark.parametrize("origin", ["duckdb"], indirect=True)
def test_single_floats_of_duckdb_are_the_numbers_that_they_were_written_as(origin: Origin, tmp_path: Path) -> None:
    origin.execute("CREATE TABLE made AS SELECT unnest([0.1::FLOAT, -1e-7::FLOAT, NULL, 'nan'::FLOAT]) AS single")
    _, records = read(origin, tmp_path)
    assert [record["single"] for record in records] == [0.1, -1e-7, None, "NaN"]


@pytest.mark.parametrize(
    ("origin", "value", "name"),
    [
        ("postgres", "'{1.1,NaN}'::float8[]", "NaN"),
        ("postgres", "'{{1,-Infinity}}'::float4[]", "-Infinity"),
        ("postgres", "'{NaN}'::numeric[]", "NaN"),
        ("duckdb", "['nan'::DOUBLE, 1]", "NaN"),
        ("duckdb", "{'nan': ['-inf'::DOUBLE]}", "-Infinity"),
        ("duckdb", "MAP {'\\\"': 'inf'::FLOAT}", "Infinity"),
    ],
    indirect=["origin"],
)
def test_a_number_that_json_does_not_have_is_refused_inside_of_arrays_and_structs(
    origin: Origin, tmp_path: Path, value: str, name: str
) -> None:
    origin.execute("CREATE TABLE made (id integer)")
    complaint = refusal(origin, tmp_path, query=f"SELECT {value} AS b")
    assert complaint.startswith(f"cannot read the query, column 'b': {name} is inside of an array or a struct")
    assert "write a 'query'" in complaint


@pytest.mark.parametrize("origin", ["postgres", "duckdb"], indirect=True)
def test_a_name_twice_in_an_object_of_json_is_refused(origin: Origin, tmp_path: Path) -> None:
    origin.execute("CREATE TABLE made (id integer)")
    complaint = refusal(origin, tmp_path, query="""SELECT '{"a": [{"b": 1, "b": 2}]}'::json AS b""")
    assert 'the name "b" stands twice in one object of JSON' in complaint
    _, (record,) = read(origin, tmp_path, query="""SELECT '{"a": "b:b", "b": {"b": 1}}'::json AS b""")
    assert record["b"] == {"a": "b:b", "b": {"b": 1}}


@EVERY
def test_a_reading_that_is_given_up_closes_its_result_before_its_connection(
    origin: Origin, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    origin.execute("CREATE TABLE made (id INTEGER)")
    origin.execute(f"INSERT INTO made VALUES {', '.join(f'({number})' for number in range(500))}")
    collection = CollectionJob(name="made", type="made", table_name="made", start_date="2020-01-01")
    job = SourceJob(
        source="shop", source_type="sql", collection=collection, source_config={"url": origin.url},
        data_dir=str(tmp_path),
    )  # fmt: skip
    source = make_source(job, work_dir=tmp_path, log=lambda _level, _line: None)
    found = source.read(None)
    assert any(isinstance(item, Rows) for item in found)
    source.close()
    found.close()  # type: ignore[attr-defined]
    assert caplog.text == ""


@POSTGRES
def test_a_reading_sees_one_state_of_the_database(origin: Origin, tmp_path: Path) -> None:
    origin.execute("CREATE TABLE made AS SELECT id FROM generate_series(1, 10) AS id")
    reading = items(origin, tmp_path, cursor_field="id", chunk_rows=2)
    assert isinstance(next(reading), Table)
    first = next(reading)
    origin.execute("INSERT INTO made VALUES (11); DELETE FROM made WHERE id = 9")
    rows = [first, *reading]
    assert [record["id"] for item in rows if isinstance(item, Rows) for record in item.records] == [*range(1, 11)]


@POSTGRES
def test_a_query_cannot_change_its_database(origin: Origin, tmp_path: Path) -> None:
    origin.execute("CREATE TABLE made (id INTEGER); CREATE SEQUENCE numbers")
    with pytest.raises(SynclineError, match="read-only transaction"):
        list(items(origin, tmp_path, query="SELECT nextval('numbers') AS id"))


@EVERY
def test_long_rows_come_in_small_chunks(origin: Origin, tmp_path: Path) -> None:
    origin.execute("CREATE TABLE made (id INTEGER, text TEXT)")
    origin.execute(f"INSERT INTO made VALUES {', '.join(f'({number}, NULL)' for number in range(100))}")
    text = {"sqlite": "hex(zeroblob(250000))"}.get(origin.url.split(":")[0], "repeat('x', 500000)")
    origin.execute(f"UPDATE made SET text = {text}")
    sizes = []
    tracemalloc.start()
    for item in items(origin, tmp_path, chunk_rows=20):
        sizes += [len(item.records)] if isinstance(item, Rows) else []
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(sizes) == 100
    assert sizes[0] == 20, "nothing is known of the rows yet"
    assert max(sizes[1:]) <= 8
    assert highest < 30_000_000


def test_an_unreachable_or_missing_source_is_one_error_without_the_password(postgres: Postgres, tmp_path: Path) -> None:
    with pytest.raises(SynclineError) as refused:
        list(items("postgresql://reader:s3cret@127.0.0.1:1/shop", tmp_path))
    assert str(refused.value).startswith("source 'shop', collection 'made': cannot connect: ")
    assert "s3cret" not in str(refused.value)
    for dialect in ("sqlite", "duckdb"):
        assert (
            refusal(f"{dialect}:///{tmp_path}/nosuch", tmp_path)
            == f"'url': the file '{tmp_path}/nosuch' does not exist"
        )
        assert "does not name a file" in refusal(f"{dialect}:///:memory:", tmp_path)
    with psycopg.connect(postgres.url) as connection:
        connection.execute("SELECT 1")
    missing = postgres.url.replace("/syncline_test_", "/no_such_")
    assert "does not exist" in refusal(missing, tmp_path)


@EVERY
def test_types_arrive_at_both_warehouses(origin: Origin, postgres: Postgres, duckdb: Duckdb, tmp_path: Path) -> None:
    kind, raw = ("BYTEA", "'\\x00ff'") if origin.url == postgres.url else ("BLOB", r"'\x00\xFF'")
    raw = "x'00ff'" if origin.url.startswith("sqlite") else raw
    origin.execute(f"CREATE TABLE made (id INTEGER, price NUMERIC(10, 2), moment TIMESTAMP, raw {kind}, text TEXT)")
    origin.execute(f"INSERT INTO made VALUES (1, 1.25, '2024-01-01 12:00:00', {raw}, 'a🦊')")
    origin.execute("INSERT INTO made (id) VALUES (2)")
    # SQLite does not say whether its times have a zone.
    zone = "AT TIME ZONE 'UTC'" if origin.url.startswith("sqlite") else ""
    copying = Copying(origin.url, tmp_path, {"first": postgres.options(), "second": duckdb.options()})
    assert copying.run(key="id").finished.rows_written == 4
    for warehouse, hexed in ((postgres, "encode(raw, 'hex')"), (duckdb, "lower(hex(raw))")):
        found = warehouse.execute(
            f"SELECT id, price, CAST(moment {zone} AS TEXT), {hexed}, text FROM loaded.made ORDER BY id"
        )
        assert found == [(1, Decimal("1.25"), "2024-01-01 12:00:00", "00ff", "a🦊"), (2, None, None, None, None)]


@pytest.mark.parametrize("origin", ["duckdb"], indirect=True)
def test_a_null_of_json_is_not_told_as_a_lost_date(origin: Origin, postgres: Postgres, tmp_path: Path) -> None:
    origin.execute("""CREATE TABLE made AS SELECT unnest(['null', '{"a": 1}'])::JSON AS doc""")
    attempt = Copying(origin.url, tmp_path, {"first": postgres.options()}).run()
    assert postgres.execute("SELECT doc FROM loaded.made ORDER BY doc") == [({"a": 1},), (None,)]
    assert not [line for line in attempt.lines if "date" in line]


@POSTGRES
def test_a_check_reads_no_row(origin: Origin, tmp_path: Path) -> None:
    origin.execute("CREATE TABLE made (id INTEGER)")
    copying = Copying(origin.url, tmp_path, {}, mode="check")
    assert copying.run(key="id").finished.records_read == 0
    failed = copying.run(key="no").failed
    assert failed.error == "source 'origin', collection 'made': key names the unknown column 'no'; choose from 'id'"
    assert not failed.retryable
