"""How a tap is asked, apart from what it answers."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.attempt_protocol import Checked, Finished
from tests.connectors.attempts import Attempt, Duckdb, Postgres, Scene, Told, record, schema, state
from tests.integration.execution.children import is_alive

if TYPE_CHECKING:
    from pathlib import Path

# Offers two tables; sends one row of each selected one and writes down with what it was called.
TAP = """
import json, sys
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
config = json.load(open(sys.argv[sys.argv.index("--config") + 1]))
if "--discover" in sys.argv:
    print(json.dumps({"streams": [{"tap_stream_id": f"public-{name}", "stream": name, "schema": {}} for name in "ab"]}))
    sys.exit()
catalog = json.load(open(arguments.get("--catalog") or arguments["--properties"]))
state = json.load(open(arguments["--state"])) if "--state" in arguments else None
open(config["called"], "w").write(json.dumps([sorted(arguments), state]))
for stream in catalog["streams"]:
    if stream["metadata"][0]["metadata"]["selected"]:
        name = stream["stream"]
        print(json.dumps({"type": "SCHEMA", "stream": name, "key_properties": ["id"],
                          "schema": {"properties": {"id": {"type": "integer"}}}}))
        print(json.dumps({"type": "RECORD", "stream": name, "record": {"id": 1}}))
        print(json.dumps({"type": "STATE", "value": {"seen": name}}))
"""


@pytest.fixture
def job(tmp_path: Path, postgres: Postgres) -> dict[str, Any]:
    (tmp_path / "tap.py").write_text(TAP)
    return {
        "task": "0192f7c2-0000-7000-8000-000000000001",
        "task_id": "source_all_1",
        "attempt": 1,
        "source": "source",
        "source_type": "singer",
        "source_config": {
            "command": f"{sys.executable} {tmp_path / 'tap.py'}",
            "config": {"called": str(tmp_path / "called.json")},
        },
        "collection": {"name": "all", "type": "all", "table_name": "source_all", "start_date": "2020-01-01"},
        "destinations": {"warehouse": postgres.options()},
        "generation": 0,
        "data_dir": str(tmp_path / "state"),
    }


def run(job: dict[str, Any], /, *, attempt: int = 1, **config: Any) -> Told:
    return Told.by(Attempt(job | {"attempt": attempt, "source_config": job["source_config"] | config}))


def test_the_collection_all_is_a_table_for_each_stream(job: dict[str, Any], postgres: Postgres) -> None:
    job["collection"]["primary_key"] = ["id"]
    assert run(job).finished.rows_written == 2
    assert postgres.execute("SELECT (SELECT id FROM loaded.source_a), (SELECT id FROM loaded.source_b)") == [(1, 1)]


@pytest.mark.parametrize(
    "described", [{"key_properties": ["id"]}, {"bookmark_properties": ["id"]}], ids=["key", "cursor"]
)
def test_a_stream_that_the_catalog_lacks_keeps_the_rows_of_earlier_runs(
    job: dict[str, Any], tmp_path: Path, postgres: Postgres, described: dict[str, Any]
) -> None:
    for number, ids in enumerate(((1, 2), (3,)), 1):
        schema = {"type": "SCHEMA", "stream": "new", "schema": {"properties": {"id": {"type": "integer"}}}} | described
        records = [{"type": "RECORD", "stream": "new", "record": {"id": each}} for each in ids]
        messages = [schema, *records, {"type": "STATE", "value": {"bookmarks": {"new": ids[-1]}}}]
        (tmp_path / "said").write_text("\n".join(map(json.dumps, messages)))
        (tmp_path / "tap.py").write_text(f"print(open({str(tmp_path / 'said')!r}).read())")
        job["task"] = f"0192f7c2-0000-7000-8000-{number:012}"
        known = {"tap_stream_id": "a", "stream": "a", "key_properties": ["id"]}
        assert run(job, catalog={"streams": [known]}).finished.rows_written == len(ids)
    assert postgres.execute("SELECT id FROM loaded.source_new ORDER BY 1") == [(1,), (2,), (3,)]


@pytest.mark.parametrize("said", ["", '{"type": "STATE", "value": {}}'], ids=["nothing", "a state"])
def test_a_full_refresh_without_so_much_as_a_schema_empties_no_table_unless_that_is_allowed(
    job: dict[str, Any], tmp_path: Path, postgres: Postgres, said: str
) -> None:
    job["collection"] |= {"name": "a", "type": "a", "sync_mode": "full_refresh"}
    known = {"streams": [{"tap_stream_id": "a", "stream": "a"}]}
    assert run(job, catalog=known).finished.rows_written == 1
    (tmp_path / "tap.py").write_text(f"print({said!r})")
    job["task"] = job["task"][:-1] + "2"
    assert "table 'source_all' has 1 row, but the source sent none" in run(job, catalog=known).failed.error
    assert postgres.execute("SELECT id FROM loaded.source_all") == [(1,)]
    job["collection"]["empty"] = "allow"
    assert run(job, attempt=2, catalog=known).finished.records_read == 0
    assert postgres.execute("SELECT id FROM loaded.source_all") == []


def test_streams_of_all_can_be_given_their_tables(job: dict[str, Any], postgres: Postgres) -> None:
    run(job, stream_table_names={"a": "first"}, stream_table_name_prefix="x_")
    assert postgres.execute("SELECT (SELECT id FROM loaded.first), (SELECT id FROM loaded.x_b)") == [(1, 1)]
    same = run(job, attempt=2, stream_table_names={"a": "x_b"}, stream_table_name_prefix="x_")
    assert same.finished, "the task was complete, so nothing was read again"


def test_only_selected_streams_of_all_are_read(job: dict[str, Any], postgres: Postgres) -> None:
    selected = [{"name": "b", "namespace": "public-b", "sync_mode": "full_refresh"}]
    assert run(job, selected_streams=selected).finished.rows_written == 1
    assert postgres.execute("SELECT to_regclass('loaded.source_a'), (SELECT id FROM loaded.source_b)") == [(None, 1)]


def test_a_catalog_may_name_the_tables_of_its_streams(job: dict[str, Any], postgres: Postgres) -> None:
    streams = [{"tap_stream_id": "public-a", "stream": "a"}, {"tap_stream_id": "public-b", "stream": "b"}]
    named = {"streams": [streams[0] | {"destination_table_name": "My-Orders"}, streams[1]]}
    run(job, catalog=named, stream_table_names={"a": "other"})
    assert postgres.execute("SELECT (SELECT id FROM loaded.my_orders), (SELECT id FROM loaded.source_b)") == [(1, 1)]


def test_config_catalog_and_state_may_be_objects_text_or_files(
    job: dict[str, Any], tmp_path: Path, postgres: Postgres
) -> None:
    job["collection"] |= {"name": "a", "type": "a", "table_name": "a", "primary_key": ["id"]}
    called = tmp_path / "called.json"
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps({"streams": [{"tap_stream_id": "a", "stream": "a", "schema": {}}]}))
    config = json.dumps(job["source_config"]["config"])
    assert run(job, config=config, catalog=str(catalog), state={"seen": 1.5}).finished.rows_written == 1
    assert json.loads(called.read_text()) == [["--catalog", "--config", "--state"], {"seen": 1.5}]
    job["task"] = job["task"][:-1] + "2"
    assert run(job, properties=catalog.read_text(), initial_state={"seen": 1}).finished.rows_written == 0
    assert json.loads(called.read_text()) == [["--config", "--properties", "--state"], {"seen": "a"}]
    assert postgres.execute("SELECT count(*) FROM loaded.a") == [(1,)]


def test_a_check_copies_nothing_and_tells_what_is_missing(job: dict[str, Any], tmp_path: Path) -> None:
    job["mode"] = "check"
    job["destinations"] = {}
    assert run(job).messages == [Checked(job["collection"]["name"]), Finished(records_read=0, rows_written=0)]
    assert not (tmp_path / "called.json").exists()
    job["collection"]["type"] = "c"
    failed = run(job).failed
    place = "source 'source', collection 'all'"
    assert failed.error == f"{place}: the tap has no stream 'c'; choose one of 'public-a', 'public-b'"
    assert not failed.retryable


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"command": ["/no/such/tap"]}, "cannot start '/no/such/tap'"),
        ({"config": "/no/such/file.json"}, "'config' is neither a JSON object nor a readable file"),
        ({"catalog": "{broken"}, "'catalog' is not a JSON object"),
        ({"catalog": {}}, "the catalog has no list of 'streams'"),
        ({"command": "echo nothing"}, "did not write a catalog"),
        ({"comand": "tap"}, "sources.source.config.comand"),
    ],
)
def test_what_is_configured_wrong_is_not_tried_again(
    job: dict[str, Any], wrong: dict[str, Any], complaint: str
) -> None:
    failed = run(job, **wrong).failed
    assert complaint in failed.error
    assert not failed.retryable


LEAVES_A_CHILD = """
import json, os, subprocess, sys
child = subprocess.Popen(["sleep", "20"], start_new_session=True)
print(json.dumps({"type": "SCHEMA", "stream": "a", "schema": {"properties": {"id": {"type": "integer"}}}}))
for number in range(500):
    print(json.dumps({"type": "RECORD", "stream": "a", "record": {"id": number}}))
print("child", child.pid, flush=True)
"""
SAYS_WITHOUT_END = """
import sys
for channel in (sys.stdout, sys.stderr):
    for _ in range(10_000):
        channel.write("x" * 10_000)
    print(file=channel, flush=True)
"""


def test_the_end_of_a_tap_is_the_end_of_its_children_too(job: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "tap.py").write_text(LEAVES_A_CHILD)
    told = run(job, catalog={"streams": [{"tap_stream_id": "a", "stream": "a"}]})
    (child,) = (int(line.split()[1]) for line in told.lines if line.startswith("child"))
    assert not is_alive(child)
    assert told.finished.rows_written == 500


def test_a_line_of_text_is_cut(job: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "tap.py").write_text(SAYS_WITHOUT_END)
    lines = run(job, catalog={"streams": [{"tap_stream_id": "a", "stream": "a"}]}).lines
    assert lines == ["x" * (16 << 10) + "…"] * 2


def test_a_catalog_without_end_is_refused(job: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "tap.py").write_text("while True: print('x' * 10_000_000)")
    failed = run(job).failed
    assert failed.error.endswith(": the tap wrote more than 32 MiB for '--discover'")
    assert not failed.retryable


def test_a_catalog_nested_too_deep_is_refused(job: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "tap.py").write_text("""print('{"streams": ' + '[' * 50_000 + ']' * 50_000 + '}')""")
    failed = run(job).failed
    assert "nested too deep" in failed.error
    assert not failed.retryable


def test_a_package_that_cannot_be_installed_may_be_tried_again(job: dict[str, Any], tmp_path: Path) -> None:
    del job["source_config"]["command"]
    failed = run(job, package=f"tap-none @ file://{tmp_path}/tap_none-1.0-py3-none-any.whl").failed
    assert "cannot install tap-none" in failed.error
    assert failed.retryable


def test_a_cursor_field_that_no_record_has_is_refused_instead_of_doubling_records(
    tmp_path: Path, duckdb: Duckdb
) -> None:
    scene = Scene(tmp_path, {"warehouse": duckdb.options()})
    scene.collection["cursor_field"] = "nope"
    sent = (schema(id="integer"), record(id=1), state({"at": 1}))
    failed = scene.load(*sent).failed
    assert "'cursor_field' names 'nope', which the rows of table 'made' do not have" in failed.error
    assert not failed.retryable
    scene.collection["cursor_field"] = "late"
    sent = (schema(id="integer"), record(id=1, late=1), state({"at": 1}))
    for _ in range(2):
        assert scene.load(*sent).finished
    assert duckdb.execute("SELECT id FROM loaded.made") == [(1,)]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('{"type": "RECORD", "stream": "made", "record": {"id": 1, "a": 1, "a": 2}}', "a"),
        ('{"type":"RECORD","stream":"made","record":{"id":1,"a":{"b" :[{"c":1,"\\u0063" :2}]}}}', "c"),
        ('{"type": "RECORD", "stream": "made", "record": {"id": 1}, "record": {"id": 2, "a": 3, "b": 4}}', "record"),
    ],
)
def test_a_name_that_stands_twice_in_a_record_is_refused_with_its_line(
    tmp_path: Path, postgres: Postgres, line: str, name: str
) -> None:
    scene = Scene(tmp_path, {"db": postgres.options()})
    told = scene.load(schema(["id"], id="integer"), record(id=1), state(1), line)
    assert told.failed.error == (
        "source 'source', collection 'made': line 4 of the tap's output: a RECORD of stream 'made': the name "
        f'"{name}" stands twice in one object of JSON, so that one of its values would be lost. Give each field a name '
        "of its own where the record is made"
    )
    assert not told.failed.retryable


def test_a_name_that_stands_twice_in_a_record_that_is_not_read_is_no_error(tmp_path: Path, duckdb: Duckdb) -> None:
    scene = Scene(tmp_path, {"db": duckdb.options()})
    skipped = schema(id="integer") | {"stream": "other"}
    line = '{"type": "RECORD", "stream": "other", "record": {"id": 1, "id": 2}}'
    assert scene.load(schema(["id"], id="integer"), skipped, line, record(id=1), state(1)).finished
