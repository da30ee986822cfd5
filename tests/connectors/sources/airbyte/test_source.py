"""What a connector says, message by message, and what becomes of it."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.programs.documents import write_private_file
from app.domain.attempt_protocol import ConfigRenewed, Failed, Finished, LogLine
from app.domain.errors import ConfigurationError
from app.domain.flood import BURST_BYTES
from tests.connectors.attempts import Attempt, Told
from tests.connectors.sources.airbyte.connecting import (
    Connection,
    error,
    message,
    new_config,
    record,
    status,
    stream,
    stream_state,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Warehouse

ROWS = "SELECT count(*), count(DISTINCT id) FROM loaded.made"


@pytest.fixture
def connection(tmp_path: Path) -> Connection:
    return Connection(tmp_path)


def test_records_states_and_lines_of_every_other_kind(connection: Connection) -> None:
    said = connection.read(
        message("LOG", log={"level": "FATAL", "message": "an end"}),
        message("LOG", log={"level": "WARN", "message": "a warning"}),
        message("LOG", log={"level": "TRACE", "message": "a detail", "stack_trace": "line 1"}),
        "plain text\n",
        "{'printed': 1}\n",
        '{"level": "info", "message": "of another kind"}\n',
        message("ANALYTICS", analytics={}),
        record(id=1, at=1, text="a"),
        record(id=12345678901234567890, at=2, text="é 🦆"),
        stream_state("made", {"at": 2}),
    )
    assert said.log == [
        ("error", "an end"),
        ("warn", "a warning"),
        ("debug", "a detail\nline 1"),
        ("debug", "plain text"),
        ("debug", "{'printed': 1}"),
        ("info", '{"level": "info", "message": "of another kind"}'),
        ("debug", '{"type": "ANALYTICS", "analytics": {}}'),
    ]
    assert said.records == {
        "made": [{"id": 1, "at": 1, "text": "a"}, {"id": 12345678901234567890, "at": 2, "text": "é 🦆"}]
    }
    assert [table.name for table in said.tables] == ["made"]
    assert (said.tables[0].cursor_field, said.tables[0].full_refresh) == ("at", False)


def test_an_estimate_gives_the_share_that_is_read(connection: Connection) -> None:
    estimate = {"name": "made", "type": "STREAM", "row_estimate": 4, "byte_estimate": 100}
    trace = message("TRACE", trace={"type": "ESTIMATE", "emitted_at": 1, "estimate": estimate})
    assert connection.read(record(id=1, at=1), record(id=2, at=2)).progress is None
    assert connection.read(trace, record(id=1, at=1), record(id=2, at=2)).progress == 0.5
    assert connection.read(trace, *(record(id=each, at=each) for each in range(9))).progress == 1.0


STREAM_STATE = '{"type":"STREAM","stream":{"stream_descriptor":{"name":"made"},"stream_state":{"at":1.10,"big":%s}}}'
BIG = "123456789012345678901234567890"
GLOBAL_STATE = (
    '{"type":"GLOBAL","global":{"stream_states":[{"stream_descriptor":{"name":"made"},"stream_state":{"at":2}}],'
    '"shared_state":{"lsn":1.50}}}'
)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (STREAM_STATE % BIG, f"[{STREAM_STATE % BIG}]"),
        (GLOBAL_STATE, f"[{GLOBAL_STATE}]"),
        ('{"data":{"made":{"at":1.10}}}', '{"made":{"at":1.10}}'),
        ('{"type":"LEGACY","data":{"made":{"at":2}}}', '{"made":{"at":2}}'),
    ],
    ids=["stream", "global", "untyped", "legacy"],
)
def test_a_state_comes_back_to_the_letter_whatever_its_kind(connection: Connection, sent: str, kept: str) -> None:
    first = connection.read(record(id=1, at=1), f'{{"type":"STATE","state":{sent}}}\n')
    assert connection.called["state"] is None
    assert first.bookmark == kept
    again = connection.read(bookmark=first.bookmark)
    assert (connection.directory / "attempt" / "state.json").read_text() == kept
    assert again.bookmark == kept, "a run that brings nothing forgets nothing"


@pytest.mark.parametrize("state", [None, {"__ab_no_cursor_state_message": True}, ...], ids=["null", "marked", "absent"])
def test_a_global_state_does_not_cover_streams_of_which_it_says_nothing(connection: Connection, state: Any) -> None:
    connection.collection |= {"name": "all", "type": "all"}
    keyless = stream("keyless", default_cursor_field=[])
    connection.config["catalog"] = {"streams": [stream(), keyless]}

    def of_both(keyless: Any) -> str:
        found = [("made", {"at": 1})] + ([] if keyless is ... else [("keyless", keyless)])
        states = [{"stream_descriptor": {"name": name}, "stream_state": state} for name, state in found]
        return message("STATE", state={"type": "GLOBAL", "global": {"stream_states": states, "shared_state": {"x": 1}}})

    failure = connection.failure(record("keyless", id=1), of_both(state))
    assert "records of 'keyless' without a state that covers them" in str(failure)
    said = connection.read(record("keyless", id=1), of_both(state), of_both({"page": 2}))
    assert len(said.checkpoints) == 2, "the state that covers them, and the end"


def test_the_states_of_several_streams_gather(connection: Connection) -> None:
    connection.collection |= {"name": "all", "type": "all", "table_name": "source_all"}
    connection.config["catalog"] = {"streams": [stream("a"), stream("b")]}
    first = connection.read(stream_state("a", {"at": 1}), stream_state("b", {"at": 1}), stream_state("a", {"at": 2}))
    connection.read(bookmark=first.bookmark)
    states = {
        each["stream"]["stream_descriptor"]["name"]: each["stream"]["stream_state"]
        for each in connection.called["state"]
    }
    assert states == {"a": {"at": 2}, "b": {"at": 1}}
    assert [table.name for table in first.tables] == ["source_a", "source_b"]


@pytest.mark.parametrize("marker", ["__ab_full_refresh_sync_complete", "__ab_no_cursor_state_message"])
def test_a_stream_that_is_read_anew_never_gets_its_state_back(connection: Connection, marker: str) -> None:
    connection.collection |= {"name": "all", "type": "all"}
    anew = stream("anew", supported_sync_modes=["full_refresh"], source_defined_cursor=False, default_cursor_field=[])
    connection.config["catalog"] = {"streams": [stream(), anew]}
    said = connection.read(
        record("anew", id=1),
        stream_state("anew", {marker: True}),
        stream_state("made", {marker: True}),
    )
    assert said.checkpoints == [None, None, None]
    said = connection.read(stream_state("anew", {"page": 7}), stream_state("made", {"at": 1}))
    assert "anew" not in str(said.bookmark)
    connection.collection["sync_mode"] = "full_refresh"
    assert connection.read(bookmark=said.bookmark).bookmark is None
    assert connection.called["state"] is None


def test_a_full_refresh_without_records_empties_the_table(connection: Connection) -> None:
    connection.collection["sync_mode"] = "full_refresh"
    (table,) = connection.read().tables
    assert table.full_refresh
    assert connection.called["catalog"]["streams"][0]["destination_sync_mode"] == "overwrite"


def test_an_error_that_the_connector_tells_is_the_error(connection: Connection) -> None:
    transient = connection.failure(error("it is down", internal_message="503"), code=1)
    assert str(transient) == "source 'source', collection 'made': the connector failed: it is down: 503"
    assert not isinstance(transient, ConfigurationError)
    descriptor = {"name": "made", "namespace": "shop"}
    wrong = connection.failure(
        record(id=1, at=1), error("no such token", failure_type="config_error", stream_descriptor=descriptor), code=0
    )
    assert str(wrong).endswith("the connector failed in stream 'shop.made': no such token")
    assert isinstance(wrong, ConfigurationError)


def test_a_connector_that_says_nothing_of_its_end_fails_with_its_last_words(connection: Connection) -> None:
    log = message("LOG", log={"level": "ERROR", "message": "the pool is closed"})
    for lines, last in (((log, "bye\n"), "the pool is closed"), (("bye\n",), "bye")):
        said = str(connection.failure(*lines, code=3))
        assert "the connector ended with code 3" in said
        assert said.endswith(f": {last}")


@pytest.mark.parametrize("last", ["INCOMPLETE", "STARTED", "RUNNING"])
def test_a_stream_that_is_not_complete_is_a_failure(connection: Connection, last: str) -> None:
    assert "ended without completing 'made'" in str(connection.failure(record(id=1, at=1), status("made", last)))
    assert connection.read(status("made", last), status("made", "COMPLETE")).tables


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"type": "RECORD", "record": {"stream": "made", "data": {"id', "is not an Airbyte message"),
        ('{"type": "RECORD", "record": 5}\n', "is not an Airbyte message"),
        ('{"type": "RECORD"}\n', "sent a RECORD message without content"),
        ('{"type": "STATE", "state": {"type": "STREAM"}}\n', "a stream STATE without 'stream'"),
        ('{"type": "STATE", "state": {"type": "NEW"}}\n', "a STATE of unknown type 'NEW'"),
        (
            f'{{"type": "RECORD", "record": {{"stream": "made", "data": {{"a": {"[" * 5000}{"]" * 5000}}}}}}}\n',
            "nested too deeply",
        ),
        ("5% done " + record(id=1), "wrote a message after text on the same line, where it would be lost: 5% done {"),
        ("{5%} " + record(id=1), "after text on the same line"),
        (record(id=1).replace("RECORD", "record"), "of unknown type 'record'; it must be one of RECORD, SCHEMA, STATE"),
        ('{"type": "RECORD", "record": {"stream": "made", "data": {"a": 1e9999999999999999999}}}\n', "out of range"),
    ],
    ids=["cut", "wrong", "empty", "stream", "kind", "deep", "behind", "braces", "lower", "number"],
)
def test_a_line_that_may_hide_records_is_an_error(connection: Connection, line: str, complaint: str) -> None:
    assert complaint in str(connection.failure(line))


def test_streams_of_one_name_in_several_namespaces_are_tables_of_their_own(connection: Connection) -> None:
    connection.collection |= {"name": "all", "type": "all", "table_name": "source_all"}
    connection.config["catalog"] = {
        "streams": [stream(namespace="a"), stream(namespace="b"), stream("lone", namespace="a")]
    }
    said = connection.read(
        record(namespace="a", id=1, at=1), record(namespace="b", id=2, at=2), record("lone", id=3, at=3)
    )
    assert said.records == {
        "source_a_made": [{"id": 1, "at": 1}],
        "source_b_made": [{"id": 2, "at": 2}],
        "source_lone": [{"id": 3, "at": 3}],
    }
    connection.collection |= {"name": "made", "type": "b.made", "table_name": "made"}
    said = connection.read(record(namespace="a", id=1, at=1), record(namespace="b", id=2, at=2))
    assert said.records == {"made": [{"id": 2, "at": 2}]}
    assert said.log == [("info", "skipping stream 'a.made': it is not part of the collection 'made'")]
    connection.collection["type"] = "made"
    assert "several streams 'made'; choose one of 'a.made', 'b.made'" in str(connection.failure())


def test_new_credentials_count_for_the_attempt_and_appear_nowhere(connection: Connection) -> None:
    log = message("LOG", log={"level": "INFO", "message": "had t0k3n-one, has t0k3n-two"})
    renewed = connection.config | {"refresh_token": "t0k3n-two", "lines": [log]}
    # Text before the message and another form of the key, so that the token in it is not known from this configuration.
    renewal = new_config(renewed).replace("refresh_token", r"refresh_t\u006fken")
    said = connection.read(refresh_token="t0k3n-one", discover_lines=[f"renewing\n{renewal}"])
    assert connection.called["config"]["refresh_token"] == "t0k3n-two"
    assert said.log == [("debug", "renewing"), ("info", "had ***, has ***")]
    assert connection.read(discover_lines=[new_config(connection.config)]).log == []


@pytest.mark.parametrize("command", ["discover", "read"])
def test_new_credentials_are_reported_at_once(connection: Connection, command: str) -> None:
    connection.destinations = {"nowhere": {"type": "none"}}
    renewal = new_config(connection.config | {"refresh_token": "t0k3n-two", "flag": False})
    lines = [renewal, renewal, message("LOG", log={"level": "INFO", "message": "has t0k3n-two"})]
    given: dict[str, Any] = {"refresh_token": "t0k3n-one", "rate": 0.1, f"{command}_lines": lines}
    told = connection.run(**given)
    assert told.finished
    assert [type(each) for each in told.messages if isinstance(each, ConfigRenewed | LogLine)] == [
        ConfigRenewed,
        LogLine,
    ]
    [renewed] = [json.loads(each.config) for each in told.messages if isinstance(each, ConfigRenewed)]
    assert renewed["refresh_token"] == "t0k3n-two"
    assert told.lines == ["has ***"]


def test_a_new_configuration_is_reported_even_if_it_cannot_be_written(connection: Connection) -> None:
    connection.destinations = {"nowhere": {"type": "none"}}
    config = connection.config | {"refresh_token": "t0k3n-one"}
    job = connection._job(0, config | {"lines": [new_config(config | {"refresh_token": "t0k3n-two"})]})
    told = Told.by(Attempt(job, prepare=fill_disk_at_the_renewal))
    assert "No space left" in told.failed.error
    [renewed] = [json.loads(each.config) for each in told.messages if isinstance(each, ConfigRenewed)]
    assert renewed["refresh_token"] == "t0k3n-two"


def fill_disk_at_the_renewal() -> None:
    def write(directory: Path, name: str, text: str) -> str:
        if '"refresh_token":"t0k3n-two"' in text:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_private_file(directory, name, text)

    pytest.MonkeyPatch().setattr("app.connectors.sources.airbyte.connector.write_private_file", write)


def test_what_was_renewed_before_is_used_and_the_catalog_stays(connection: Connection) -> None:
    connection.destinations = {"nowhere": {"type": "none"}}
    job = connection._job(0, {"refresh_token": "t0k3n-one", "discover_lines": ["discovering\n"]})
    said = message("LOG", log={"level": "INFO", "message": "had t0k3n-one, has t0k3n-two"})
    for number in range(2):
        renewed = connection.config | {"refresh_token": "t0k3n-two", "number": number, "lines": [said]}
        told = Told.by(Attempt(job | {"renewed_config": json.dumps(renewed)}))
        assert told.finished
        assert told.lines[-1] == "had ***, has ***"
        assert connection.called["config"]["number"] == number
    assert len([*(connection.directory / "state" / "catalogs").glob("*.json")]) == 1


def test_a_configuration_that_is_sent_unchanged_is_not_reported(connection: Connection) -> None:
    connection.destinations = {"nowhere": {"type": "none"}}
    connection.config |= {"rate": 0.1, "phrase": "open sesame"}
    unchanged = connection.directory / "unchanged"
    connection.config |= {"files": [str(unchanged)]}
    unchanged.write_text(new_config(connection.config))
    assert not [each for each in connection.run().messages if isinstance(each, ConfigRenewed)]


def test_secrets_are_masked_in_logs_and_errors(connection: Connection) -> None:
    connection.config["api_key"] = "s3cr3t-key"
    log = message("LOG", log={"level": "INFO", "message": "GET /?api_key=s3cr3t-key"})
    assert connection.read(log, "key s3cr3t-key\n").log == [("info", "GET /?api_key=***"), ("debug", "key ***")]
    assert "s3cr3t-key" not in str(connection.failure(error("no: s3cr3t-key", internal_message="s3cr3t-key")))
    config = connection.directory / "attempt" / "config.json"
    assert config.stat().st_mode & 0o777 == 0o600


def test_a_command_tells_what_is_secret_by_its_specification(connection: Connection) -> None:
    connection.destinations = {"nowhere": {"type": "none"}}
    log = message("LOG", log={"level": "INFO", "message": "say open sesame"})
    connection.config |= {"phrase": "open sesame", "errors": "is open sesame wrong?"}
    told = connection.run(lines=[log, "open sesame!\n"])
    assert told.finished
    assert ("say ***" in told.lines, "***!" in told.lines) == (True, True)
    assert "open sesame" not in str(told.messages)
    assert "is *** wrong?" in told.lines
    assert {line.system for line in told.logged if "***" in line.message} == {"connector.py"}
    assert "the connector failed: no ***" in connection.run(lines=[error("no open sesame")]).failed.error
    assert connection.specified == 1
    connection.options["discovery_max_age"] = "0s"
    assert "say ***" in connection.run(lines=[log]).lines
    assert connection.specified == 2, "it may be another program by now"


def test_text_becomes_what_the_specification_wants_and_stays_secret(connection: Connection) -> None:
    said = connection.read("004711 or 4711?\n", pin="004711", flag="true", phrase="007")
    given = connection.called["config"]
    assert (given["pin"], given["flag"], given["phrase"]) == (4711, True, "007")
    assert ("debug", "*** or ***?") in said.log


def test_a_command_without_a_specification_is_read_with_a_warning(connection: Connection) -> None:
    program = connection.directory / "connector.py"
    program.write_text(program.read_text().replace('command == "spec"', 'command == "spec" and sys.exit("no spec")'))
    said = connection.read(record(id=1, at=1), password="hunter2-hunter2", lines=["by hunter2-hunter2\n"])
    assert said.log[0] == ("debug", "no spec")
    assert said.log[1][0] == "warn"
    assert "the command gave no specification: the connector ended with code 1: no spec" in said.log[1][1]
    assert said.log[2:] == [("debug", "by ***")]


@pytest.mark.parametrize(
    "line", [message("LOG", log={"level": "WARN", "message": "w" * 10_000}), "text" * 2_500 + "\n"]
)
def test_of_a_flood_a_log_gets_as_much_as_it_takes(connection: Connection, line: str) -> None:
    flood = connection.directory / "flood"
    flood.write_text(line * (2 * BURST_BYTES // 10_000))
    connection.config["files"] = [str(flood)]
    log = connection.read(record(id=1, at=1), stream_state("made", {"at": 1})).log
    assert BURST_BYTES * 0.99 < sum(len(text) for _, text in log) < BURST_BYTES * 1.01
    assert any("bytes were dropped here" in text for _, text in log)
    assert log[-1][1] == log[0][1], "the last of them mostly tell why"


def test_records_that_nothing_tells_apart_need_a_state(connection: Connection) -> None:
    connection.config["catalog"] = {"streams": [stream(default_cursor_field=[])]}
    assert connection.read(record(id=1, at=1), stream_state("made", {"at": 1})).bookmark
    refused = connection.failure(record(id=1, at=1), stream_state("made", {"at": 1}), record(id=2, at=2))
    assert "would load them again" in str(refused)
    assert isinstance(refused, ConfigurationError)
    connection.collection["primary_key"] = ["id"]
    assert connection.read(record(id=1, at=1)).records


def test_a_check_asks_the_connector_and_names_what_is_missing(connection: Connection) -> None:
    connection.check()
    with pytest.raises(ConfigurationError, match="cannot connect: no such account"):
        connection.check(status={"status": "FAILED", "message": "no such account"})
    connection.collection["type"] = "other"
    with pytest.raises(ConfigurationError, match="has no stream 'other'; choose one of 'made'"):
        connection.check()


def test_catalog_and_state_may_be_given(connection: Connection) -> None:
    configured = {"stream": stream(), "sync_mode": "full_refresh", "primary_key": [["id"]], "cursor_field": ["at"]}
    connection.options |= {"catalog": {"streams": [configured]}, "initial_state": {"made": {"at": 5}}}
    connection.config["catalog"] = {}
    (table,) = connection.read().tables
    assert (table.full_refresh, table.key) == (True, ("id",))
    connection.collection["sync_mode"] = "incremental"
    connection.read()
    assert connection.called["state"] == {"made": {"at": 5}}
    connection.read(bookmark='{"made":{"at":6}}')
    assert connection.called["state"] == {"made": {"at": 6}}


def test_what_was_discovered_is_used_again_unless_it_lacks_what_is_asked_for(connection: Connection) -> None:
    connection.config["discover_lines"] = ["discovering\n"]
    assert [connection.read().log for _ in range(2)] == [[("debug", "discovering")], []]
    connection.collection["type"] = "other"
    with pytest.raises(ConfigurationError, match="has no stream 'other'"):
        connection.read()
    connection.config["catalog"]["streams"].append(stream("other"))
    assert connection.read().tables
    connection.options["discovery_max_age"] = "0s"
    assert connection.read().log == [("debug", "discovering")]


def test_selected_streams_are_those_of_all(connection: Connection) -> None:
    connection.collection |= {"name": "all", "type": "all", "table_name": "source_all"}
    connection.config["catalog"] = {"streams": [stream("a"), stream("b"), stream("c")]}
    connection.options |= {
        "selected_streams": ["a", {"name": "c", "sync_mode": "full_refresh"}],
        "stream_table_names": {"c": "sea"},
        "stream_table_name_prefix": "x_",
    }
    said = connection.read()
    assert [(table.name, table.full_refresh) for table in said.tables] == [("x_a", False), ("sea", True)]
    assert [each["stream"]["name"] for each in connection.called["catalog"]["streams"]] == ["a", "c"]


@pytest.mark.parametrize(
    ("warehouse", "key", "die"),
    [
        ("postgres", ["id"], "child.staged"),
        ("duckdb", None, "child.committed"),
    ],
    indirect=["warehouse"],
)
def test_a_kill_loses_and_doubles_nothing(
    tmp_path: Path, warehouse: Warehouse, key: list[str] | None, die: str
) -> None:
    connection = Connection(tmp_path, {"warehouse": warehouse.options()})
    connection.collection["primary_key"] = key
    rows: dict[str, Any] = {"rows": 20, "state_every": 7}
    assert not any(isinstance(each, Finished | Failed) for each in connection.run(die=die, **rows).messages)
    connection.run(again=1, **rows)
    assert warehouse.execute(ROWS) == [(20, 20)]
    assert connection.run(**rows).finished.rows_written == 0
    told = connection.run(**rows | {"rows": 25})
    assert told.finished.rows_written == 5
    assert warehouse.execute(ROWS) == [(25, 25)]


@pytest.mark.parametrize(
    ("keys", "left"),
    [({}, [(1, "Ada", True), (2, "Bo", False)]), ({"deletes": "remove"}, [(2, "Bo", False)])],
)
def test_a_row_that_was_deleted_is_marked_or_removed_though_its_record_has_only_nulls(
    tmp_path: Path, warehouse: Warehouse, keys: dict[str, Any], left: list[tuple[Any, ...]]
) -> None:
    described = stream(source_defined_primary_key=[["id"]], default_cursor_field=["_ab_cdc_lsn"])
    properties = described["json_schema"]["properties"]
    properties |= {"_ab_cdc_lsn": {"type": "number"}, "_ab_cdc_deleted_at": {"type": ["null", "string"]}}
    connection = Connection(tmp_path, {"warehouse": warehouse.options()}, collection=keys)
    connection.config["catalog"] = {"streams": [described]}
    first = [record(id=key, at=1, text=text, _ab_cdc_lsn=key) for key, text in ((1, "Ada"), (2, "Bo"))]
    gone = record(id=1, at=None, text=None, _ab_cdc_lsn=3, _ab_cdc_deleted_at="2024-05-01T10:00:00Z")
    partial = record(id=2, at=2, _ab_cdc_lsn=4)
    for number, lines in enumerate((first, [gone, partial])):
        assert connection.run(lines=[*lines, stream_state("made", {"at": number})]).finished
    found = warehouse.execute("SELECT id, text, _ab_cdc_deleted_at IS NOT NULL FROM loaded.made ORDER BY id")
    assert found == left


def test_a_name_that_stands_twice_in_a_record_is_refused(connection: Connection) -> None:
    line = '{"type": "RECORD", "record": {"stream": "%s", "emitted_at": 1, "data": {"id": 1, "at": 1, "at": 2}}}\n'
    complaint = "a RECORD of stream 'made': the name \"at\" stands twice in one object of JSON"
    assert complaint in str(connection.failure(record(id=1, at=2, text="x"), line % "made"))
    assert connection.read(line % "other", record(id=1), status("made", "COMPLETE")).records == {"made": [{"id": 1}]}
