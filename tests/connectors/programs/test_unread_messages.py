"""Messages that are not read, although rows are in them or in files that they name: the attempt fails at them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.errors import ConfigurationError
from tests.connectors.attempts import Postgres, Scene, schema, state
from tests.connectors.attempts import record as singer_record
from tests.connectors.sources.airbyte.connecting import Connection, message, record, status, stream_state

if TYPE_CHECKING:
    from pathlib import Path

BATCH = {"type": "BATCH", "stream": "made", "encoding": {"format": "jsonl"}, "files": ["file:///made-1.jsonl"]}
PIPELINEWISE = {"type": "BATCH", "stream": "made", "filepath": "/made-1.csv", "format": "csv", "batch_size": 9}
FILE = {"staging_file_url": "/staged/made.pdf", "source_file_relative_path": "made.pdf", "file_size_bytes": 9}


@pytest.fixture
def scene(tmp_path: Path, postgres: Postgres) -> Scene:
    return Scene(tmp_path, {"warehouse": postgres.options()})


def row(kind: str, /, **more: Any) -> dict[str, Any]:
    return {"type": kind, "stream": "made", "record": {"id": 1}} | more


@pytest.mark.parametrize(
    ("unread", "complaint"),
    [
        (BATCH, "sent a BATCH message for stream 'made' in an unknown form: only those of Meltano's SDK are read"),
        (PIPELINEWISE, "sent a BATCH message for stream 'made'"),
        (BATCH | {"type": "batch"}, "sent a BATCH message for stream 'made'"),
        (BATCH | {"stream": "Made"}, "sent a BATCH message for stream 'Made'"),
        ({"type": "BATCH", "schema": 5}, "sent a BATCH message in an unknown form"),
        (f"5% {json.dumps(BATCH)}", "wrote a message after text on the same line, where it would be lost"),
        (
            row("UPSERT"),
            "sent a message of type 'UPSERT' for stream 'made', which is not read and may hold rows",
        ),
        (row("RECORDS", record=None, records=[{"id": 1}]), "of type 'RECORDS'"),
        (row("DELETE", stream="unheard of"), "of type 'DELETE' for stream 'unheard of'"),
        ({"type": "FILE", "stream": "made", "path": "s3://made"}, "of type 'FILE' for stream 'made'"),
        (row("UPSERT", record=None, rows=[{"id": 1}]), "of type 'UPSERT' for stream 'made'"),
        (row("UPSERT", record=None, Data={"id": 1}), "of type 'UPSERT' for stream 'made'"),
        (row("CHANGE", record=None, after={"id": 1}), "of type 'CHANGE' for stream 'made'"),
        (row("CHANGE", event="a row came"), "of type 'CHANGE' for stream 'made'"),
        ({"type": "DELETE", "stream": "made", "key": {"id": 1}}, "of type 'DELETE' for stream 'made'"),
        ({"type": "DELETE_RECORD", "stream": "made", "key_properties": {"id": 1}}, "of type 'DELETE_RECORD' for"),
        ({"type": "delete", "stream": "made", "id": 1}, "may hold rows or delete some"),
        ({"type": "CHANGE", "stream": "made", "old": {"id": 1}}, "'_sdc_deleted_at'"),
        ({"type": "TRUNCATE", "stream": "made"}, "of type 'TRUNCATE' for stream 'made'"),
        ({"stream": "made", "event": "insert", "record": {"id": 1}}, "a message without a type for stream 'made'"),
        ({"type": "INSERT", "record": {"id": 1}}, "of type 'INSERT', which"),
        ({"stream": "made", "record": {"id": 1}}, "a message without a type for stream 'made'"),
        ({"Type": "RECORD", "stream": "made", "record": {"id": 1}}, "a message without a type for stream 'made'"),
        (row("RECORD") | {"type": 5}, "a message without a type for stream 'made'"),
        (row("RECORD") | {"type": ["RECORD"]}, "a message without a type for stream 'made'"),
        (row("record"), "of unknown type 'record'; it must be one of RECORD, SCHEMA, STATE"),
        (row("RECORD", record=None), "a RECORD of stream 'made' has no 'record'"),
    ],
)
def test_a_message_of_a_tap_that_holds_rows_and_is_not_read_fails_the_attempt(
    scene: Scene, postgres: Postgres, unread: Any, complaint: str
) -> None:
    told = scene.load(schema(["id"], id="integer"), unread, state({"at": 9}))
    assert (
        f"source 'source', collection 'made': line 2 of the tap's output: {'the tap ' if 'tap' in complaint else ''}"
        in told.failed.error
    )
    assert complaint in told.failed.error
    assert told.committed == []
    assert postgres.execute("SELECT bookmark FROM loaded._syncline_bookmarks") == [(None,)]


@pytest.mark.parametrize(
    "harmless",
    [
        {"type": "ACTIVATE_VERSION", "stream": "made", "version": 1},
        {"type": "METRIC", "stream": "made", "metric": "record_count", "value": 5},
        {"type": "log", "stream": "made", "text": "it begins"},
        {"type": "counter", "metric": "record_count", "value": 5, "tags": {"stream": "made"}},
        {"level": "warning", "stream": "made", "message": "it is skipped", "record": {"id": 1}},
        {"text": "a line", "record": {"elapsed": {"seconds": 1}, "level": {"name": "INFO"}}},
        {"stream": "made", "count": 5},
        {"event": "a record is skipped", "stream": "made", "record": {"id": 1}},
        {"logger": "tap", "stream": "made", "record": {"id": 1}},
        {"type": "SYNC_START", "stream": "made"},
        {"type": "SYNC_END", "stream": "made", "value": 5, "stats": {"pages": 1}, "records": 5, "rows": []},
        {"stream": "made", "record": {}},
        {"type": "UNKNOWN", "stream": "unheard of"},
        {"type": "SYNC_PLAN", "stream": "made", "key_properties": ["id"]},
        {"type": "DELETE", "stream": "unheard of", "key": {"id": 1}},
    ],
)
def test_what_a_tap_says_of_itself_is_no_row(scene: Scene, harmless: Any) -> None:
    told = scene.load(schema(["id"], id="integer"), harmless, singer_record(id=1), state({"at": 9}))
    assert told.finished.rows_written == 1


def test_a_batch_of_another_stream_counts_as_its_records_would(scene: Scene) -> None:
    other = [each | {"stream": "other"} for each in (schema(id="integer"), BATCH)]
    lines = [*other, schema(["id"], id="integer"), singer_record(id=1), state({"at": 9})]
    assert scene.load(*lines).finished.rows_written == 1
    assert "sent records of 'other', which its catalog does not have" in scene.load(*other).failed.error


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (
            message("RECORD", record={"stream": "made", "data": {"id": 1}, "file_reference": FILE}),
            "sent a file with a rec",
        ),
        (message("RECORD", record={"stream": "made", "data": {}, "file": {"bytes": 9}}), "use_records_transfer"),
        (message("RECORD", record={"stream": "made"}), "missing required field `data`"),
        (
            message("RECORDS", record={"stream": "made", "data": {"id": 1}}),
            "of type 'RECORDS' for stream 'made'",
        ),
        (
            message("RECORD_BATCH", records=[{"stream": "made", "data": {}}]),
            "of type 'RECORD_BATCH', which is not read",
        ),
        (message("UPSERT", stream="made", data={"id": 1}), "of type 'UPSERT' for stream 'made'"),
        ('{"record": {"stream": "made", "data": {"id": 1}}}\n', "without a type for stream 'made'"),
        ('{"stream": "made", "data": {"id": 1}}\n', "without a type for stream 'made'"),
        (record(id=1).replace("RECORD", "Record"), "of unknown type 'Record'; it must be one of"),
        (
            message("trace", trace={"type": "ERROR", "error": {"message": "x"}}),
            "of type 'trace'; it must be 'TRACE'",
        ),
        (message("TRACE", trace={"type": "ERROR"}), "the connector failed: it gives no reason"),
        (status("made", "INCOMPLETE"), "ended without completing 'made'"),
        (status("made", "complete"), "ended without completing 'made'"),
        (
            message("CONNECTION_STATUS", connectionStatus={"status": "FAILED", "message": "no such account"}),
            "cannot connect: no such account",
        ),
    ],
)
def test_a_message_of_a_connector_that_holds_rows_or_an_error_and_is_not_read_fails_the_attempt(
    tmp_path: Path, line: str, complaint: str
) -> None:
    assert complaint in str(Connection(tmp_path).failure(line, record(id=1, at=1), stream_state("made", {"at": 1})))


@pytest.mark.parametrize(
    "harmless",
    [
        message("DESTINATION_CATALOG", destination_catalog={"operations": []}),
        message("ANALYTICS", analytics={}),
        message("SPEC", spec={"connectionSpecification": {}}),
        message("CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED"}),
        '{"level": "debug", "msg": "a page came", "stream": "made", "data": {"count": 5}}\n',
        '{"text": "a line", "record": {"elapsed": {"seconds": 1}, "level": {"name": "INFO"}}}\n',
        message("trace", message="a detail"),
    ],
)
def test_what_a_connector_says_of_itself_is_no_row(tmp_path: Path, harmless: str) -> None:
    assert Connection(tmp_path).read(harmless, record(id=1, at=1)).records == {"made": [{"id": 1, "at": 1}]}


def test_a_file_of_a_stream_that_nobody_wants_is_left_out(tmp_path: Path) -> None:
    connection = Connection(tmp_path)
    other = {"name": "other", "json_schema": {}}
    connection.config["catalog"]["streams"].append(other)
    line = message("RECORD", record={"stream": "other", "data": {}, "file_reference": FILE})
    assert connection.read(line, record(id=1, at=1)).records == {"made": [{"id": 1, "at": 1}]}
    connection.collection |= {"name": "other", "type": "other"}
    failure = connection.failure(line)
    assert "leave the stream out" in str(failure)
    assert isinstance(failure, ConfigurationError)
