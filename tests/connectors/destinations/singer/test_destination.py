"""Any Singer target as a destination: what it is told, what it has to answer, and what comes again after a crash."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.attempt_protocol import ConfigRenewed
from app.domain.flood import BURST_BYTES
from tests.connectors.attempts import CATALOG, TAP, Attempt, Duckdb, Scene, Told, Trial, record, schema, state
from tests.connectors.sources.sql.origins import Copying, SqliteOrigin
from tests.harness import opened_store, running_worker, write_config

if TYPE_CHECKING:
    from pathlib import Path

    from app.domain.attempt_protocol import Committed

# Writes down what it gets and echoes the last STATE at its end, as targets do; `how` it goes wrong is in its config.
TARGET = """
import json, os, signal, sys
config = json.load(open(sys.argv[sys.argv.index("--config") + 1]))
how, last = config.get("how"), None
with open(config["file"], "a") as kept:
    kept.write("\\n")
    for line in sys.stdin:
        kept.write(line)
        message = json.loads(line)
        if message["type"] == "STATE":
            last = message["value"]
        if message["type"] == "RECORD" and how == "dies":
            kept.flush()
            sys.exit("DiskError: full of " + config["password"])
if "renew" in config:
    json.dump(config | {"password": config["renew"]}, open(sys.argv[sys.argv.index("--config") + 1], "w"))
if how == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
print("a word beside")
for _ in range(config.get("words", 0)):
    print("word" * 2500)
if how != "silent":
    print(json.dumps(last))
"""


def target(directory: Path, **config: Any) -> dict[str, Any]:
    (directory / "target.py").write_text(TARGET)
    command = [sys.executable, str(directory / "target.py")]
    return {"type": "singer", "command": command, "settings": {"file": str(directory / "kept.jsonl"), **config}}


def kept(directory: Path) -> list[dict[str, Any]]:
    """All messages that a target has written whole: one that is killed leaves half a line."""
    lines = (directory / "kept.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines if _is_whole(line)]


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return False
    return True


def test_a_target_gets_schemas_records_and_a_state_and_answers_for_them(tmp_path: Path) -> None:
    scene = Scene(tmp_path, {"target": target(tmp_path)})
    announced = schema(["id"], id="integer", price="number")
    told = scene.load(announced, record(id=1, price=1.5), record(id=2, more=[1]), state({"at": 2}))
    assert told.finished.rows_written == 2
    assert [(committed.rows, committed.bookmark) for committed in told.committed] == [(2, {"at": 2})]
    assert "a word beside" in told.lines
    assert any("after a crash, rows may be loaded twice" in line for line in told.lines)
    messages = kept(tmp_path)
    assert [message["type"] for message in messages] == ["SCHEMA", "RECORD", "RECORD", "STATE"]
    assert messages[0]["key_properties"] == ["id"]
    assert messages[0]["schema"]["properties"].keys() == {"id", "price", "more"}
    assert messages[1]["record"] == {"id": 1, "price": 1.5}
    assert messages[-1]["value"] == {"bookmark": {"at": 2}}


@pytest.mark.parametrize("how", ["", "silent", "killed"])
def test_what_a_target_renews_is_reported_however_it_ends(tmp_path: Path, how: str) -> None:
    settings = {"password": "first-pass", "renew": "next-pass", "how": how}
    scene = Scene(tmp_path, {"target": target(tmp_path, **settings)})
    told = scene.load(schema(["id"], id="integer"), record(id=1), state({"at": 1}))
    assert bool(told.committed) is not bool(how)
    [renewed] = [each for each in told.messages if isinstance(each, ConfigRenewed)]
    assert (renewed.destination, json.loads(renewed.config)["password"]) == ("target", "next-pass")


def test_a_target_gets_what_it_has_renewed_before(tmp_path: Path) -> None:
    described = target(tmp_path, password="first-pass")
    scene = Scene(tmp_path, {"target": described})
    renewed = described["settings"] | {"password": "next-pass", "how": "dies"}
    job = Trial(tmp_path, scene.destinations, "singer").job()
    lines = [json.dumps(each) for each in (schema(["id"], id="integer"), record(id=1))]
    source = {"command": [sys.executable, str(tmp_path / "tap.py")], "catalog": CATALOG, "config": {"lines": lines}}
    told = Told.by(Attempt(job | {"source_config": source, "renewed_settings": {"target": json.dumps(renewed)}}))
    assert "DiskError: full of ***" in told.failed.error
    assert "next-pass" not in str(told.messages)


@pytest.mark.parametrize(("key", "warned"), [([], True), (["id"], False)])
def test_rows_that_come_again_and_are_not_recognised_are_warned_of(
    tmp_path: Path, key: list[str], *, warned: bool
) -> None:
    scene = Scene(tmp_path, {"target": target(tmp_path)})
    told = scene.load(schema(key, id="integer", at="integer"), record(id=1, at=1), state({"at": 1}))
    found = [line for line in told.lines if "its source may read the rows at the last value of 'at' again" in line]
    assert bool(found) is warned


def test_rows_that_replace_others_have_a_version_that_grows(tmp_path: Path) -> None:
    scene = Scene(tmp_path, {"target": target(tmp_path)}, collection={"sync_mode": "full_refresh"})
    for _ in range(2):
        assert scene.load(schema(id="integer"), record(id=1)).finished
    messages = kept(tmp_path)
    assert [message["type"] for message in messages] == ["SCHEMA", "RECORD", "ACTIVATE_VERSION", "STATE"] * 2
    versions = [message["version"] for message in messages if "version" in message]
    assert versions[0] == versions[1] < versions[2] == versions[3]


def test_the_log_tells_once_that_a_target_cannot_be_asked_how_many_rows_it_has(tmp_path: Path) -> None:
    scene = Scene(tmp_path, {"target": target(tmp_path)}, collection={"sync_mode": "full_refresh"})
    warning = (
        "destination 'target' is a Singer target, which does not say how many rows it has: 'empty' and 'max_shrink' do "
        "not protect the tables that are replaced there"
    )
    told = scene.load(schema(id="integer"), record(id=1), schema(id="integer", more="string"), record(id=2))
    assert told.lines.count(warning) == 1
    scene.collection |= {"empty": "allow", "max_shrink": None}
    assert warning not in scene.load(schema(id="integer"), record(id=1)).lines


@pytest.mark.parametrize(("deletes", "count"), [("remove", 1), ("ignore", 1), ("mark", 0), (None, 0)])
def test_the_log_tells_once_that_a_target_does_not_heed_deletes(
    tmp_path: Path, deletes: str | None, count: int
) -> None:
    scene = Scene(tmp_path, {"target": target(tmp_path)})
    scene.collection |= {"deletes": deletes} if deletes else {}
    told = scene.load(
        schema(["id"], id="integer"), record(id=1), schema(["id"], id="integer", b="string"), record(id=2)
    )
    assert told.finished
    assert sum(f"'deletes: {deletes}' has no effect" in line for line in told.lines) == count


def test_of_a_flood_of_words_a_log_gets_as_much_as_it_takes(tmp_path: Path) -> None:
    scene = Scene(tmp_path, {"target": target(tmp_path, words=2 * BURST_BYTES // 10_000)})
    told = scene.load(schema(at="integer"), record(at=1), state({"at": 1}))
    assert told.finished.rows_written == 1
    assert BURST_BYTES * 0.99 < sum(map(len, told.lines)) < BURST_BYTES * 1.01
    assert any("bytes were dropped here" in line for line in told.lines)


@pytest.mark.parametrize("key", [[], ["id"]])
def test_what_comes_once_more_after_a_reset_replaces_what_is_there(tmp_path: Path, key: list[str]) -> None:
    scene = Scene(tmp_path, {"target": target(tmp_path)})
    messages = [schema(key, id="integer", at="integer"), record(id=1, at=1), state({"at": 1})]
    assert scene.load(*messages).finished
    scene.generation = 1
    told = scene.load(*messages)
    assert any("keeps the old rows as well" in line for line in told.lines)
    said = kept(tmp_path)
    assert [message["type"] for message in said[-4:]] == ["SCHEMA", "RECORD", "ACTIVATE_VERSION", "STATE"]
    assert said[-3]["version"] == said[-2]["version"]


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ("dies", "the target ended with code 1: DiskError: full of ***"),
        ("killed", "the target was ended by signal 9"),
        ("silent", "the target ended without a STATE: rows may be missing"),
    ],
)
def test_what_a_target_does_not_answer_for_is_not_committed(tmp_path: Path, how: str, complaint: str) -> None:
    scene = Scene(tmp_path, {"target": target(tmp_path, how=how, password="hunter22")})
    told = scene.load(schema(["id"], id="integer"), *(record(id=number) for number in range(30_000)), state(1))
    assert told.failed.error == f"destination 'target': {complaint}"
    assert told.committed == []


@pytest.mark.parametrize("point", ["child.staged", "destination.committing", "child.committed"])
def test_after_a_kill_no_row_is_missing_though_some_may_come_twice(tmp_path: Path, point: str) -> None:
    trial = Trial(tmp_path, {"target": target(tmp_path)}, "synthetic", collection={"parameters": {"records": 500}})
    trial.die(point)
    assert trial.run(again=1).finished.rows_written == 500
    written = [message for message in kept(tmp_path) if message["type"] == "RECORD"]
    last = max(message["version"] for message in written)
    assert {message["record"]["id"] for message in written if message["version"] == last} == set(range(500))
    assert [message["version"] for message in kept(tmp_path) if message["type"] == "ACTIVATE_VERSION"][-1] == last


async def test_the_next_task_goes_on_where_the_target_has_answered_for(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "tap.py").write_text(TAP)
    command = [sys.executable, str(tmp_path / "tap.py")]
    collection = {"name": "made", "sync_mode": "incremental", "cursor_field": "at"}
    tap = {"rows": 20, "state_every": 5, "key": ["id"]}
    source = {
        "type": "singer",
        "destinations": ["target"],
        "collections": [collection],
        "config": {"command": command, "catalog": CATALOG, "config": tap},
    }
    config = write_config(tmp_path / "config.yaml", {"s": source}, {"target": target(tmp_path)})
    async with opened_store(database_url) as store, running_worker(database_url, config):
        for _ in range(2):
            assert await store.ended(await store.schedule("made")) == "SUCCESS"
    assert sum(message["type"] == "RECORD" for message in kept(tmp_path)) == 20 + 5
    write_config(config, {"s": source}, {"target": target(tmp_path, schema="other")})
    async with opened_store(database_url) as store, running_worker(database_url, config):
        for _ in range(2):
            assert await store.ended(await store.schedule("made")) == "SUCCESS"
    assert sum(message["type"] == "RECORD" for message in kept(tmp_path)) == 2 * (20 + 5)


URL = "postgresql://loader:{}@db.example.com/shop?sslmode=require&token={}"


def _saved(committed: Committed) -> dict[str, Any]:
    """What a worker keeps of a commit."""
    return {"bookmark": committed.bookmark, "standing": committed.standing}


def _records(directory: Path, stream: str) -> list[dict[str, Any]]:
    return [each["record"] for each in kept(directory) if each["type"] == "RECORD" and each["stream"] == stream]


def _record_count(scene: Scene) -> int:
    return sum(message["type"] == "RECORD" for message in kept(scene.directory))


def test_a_target_gets_rows_from_a_bookmark_that_was_set(tmp_path: Path) -> None:
    scene = Scene(tmp_path, {"target": target(tmp_path)})
    assert scene.run_and_remember().finished
    scene.generation = 1
    scene.bookmarks["target"]["bookmark"] = {"at": 12}
    scene.set_bookmarks = {"target": {"bookmark": '{"at": 12}'}}
    told = scene.run_and_remember()
    assert "destination 'target': reading from the bookmark that was set by hand" in told.lines
    assert _record_count(scene) == 20 + 8
    assert not any(message["type"] == "ACTIVATE_VERSION" for message in kept(tmp_path))
    scene.bookmarks["target"]["bookmark"] = 12
    assert "cannot be used: it must be a JSON object" in scene.run().failed.error


@pytest.mark.parametrize(("still_valid", "activations"), [([], 1), ([1], 1), ([1, 0], 0)])
def test_a_target_without_a_bookmark_is_emptied_only_after_a_reset(
    tmp_path: Path, still_valid: list[int], activations: int
) -> None:
    set_bookmarks = {"target": {"still_valid": still_valid}}
    scene = Scene(tmp_path, {"target": target(tmp_path)}, generation=2, set_bookmarks=set_bookmarks)
    assert scene.run().finished
    assert [message["type"] for message in kept(tmp_path)].count("ACTIVATE_VERSION") == activations


@pytest.mark.parametrize(
    ("before", "now", "changed"),
    [
        ({"schema": "a"}, {"schema": "b"}, "settings.schema"),
        ({}, {"schema": "b"}, "settings.schema"),
        ({"login": {"host": "a", "password": "x"}}, {"login": {"host": "b", "password": "x"}}, "settings.login"),
        ({"url": URL.format("x", "y")}, {"url": URL.format("x", "y").replace("shop", "other")}, "settings.url"),
    ],
)
def test_a_target_that_loads_elsewhere_gets_all_rows(
    tmp_path: Path, before: dict[str, Any], now: dict[str, Any], changed: str
) -> None:
    scene = Scene(tmp_path, {"target": target(tmp_path, **before)})
    assert scene.run_and_remember().finished
    scene.destinations = {"target": target(tmp_path, **now)}
    assert (
        f"destination 'target': its bookmark covers rows in another place: '{changed}' has changed since then: "
        "reloading everything"
    ) in scene.run_and_remember().lines
    assert _record_count(scene) == 20 + 20
    assert not any("reloading" in line for line in scene.run_and_remember().lines)
    assert _record_count(scene) == 20 + 20 + 5


def test_another_target_gets_all_rows(tmp_path: Path) -> None:
    scene = Scene(tmp_path, {"target": target(tmp_path)})
    assert scene.run_and_remember().finished
    scene.destinations["target"]["command"].append("--other")
    assert any("'command' has changed" in line for line in scene.run_and_remember().lines)
    assert _record_count(scene) == 20 + 20


def test_a_target_under_the_name_of_another_destination_gets_all_rows(tmp_path: Path) -> None:
    scene = Scene(tmp_path, {"target": Duckdb(tmp_path / "loaded.db").options()})
    assert scene.run_and_remember().finished
    scene.destinations = {"target": target(tmp_path)}
    assert any("'type' have changed since then: reloading" in line for line in scene.run_and_remember().lines)
    assert _record_count(scene) == 20


def test_another_table_and_other_hashes_are_noticed(tmp_path: Path) -> None:
    scene = Scene(tmp_path, {"target": target(tmp_path)})
    assert scene.run_and_remember().finished
    scene.collection["columns"] = {"hash": ["id"]}
    assert "would not be recognised" in scene.run().failed.error
    scene.collection = scene.collection | {"table_name": "other", "columns": None}
    reason = "its bookmark covers rows in 'made', but the table is now 'other': reloading everything"
    assert any(reason in line for line in scene.run_and_remember().lines)
    assert _record_count(scene) == 20 + 20


def test_rows_are_not_appended_where_they_may_be_already(tmp_path: Path) -> None:
    scene = Scene(tmp_path, {"target": target(tmp_path)})
    scene.config["key"] = []
    assert scene.run_and_remember().finished
    scene.destinations = {"target": target(tmp_path, schema="b")}
    failed = scene.run().failed
    assert "does not say whether table 'made' already has rows" in failed.error
    assert "run 'syncline sources reset'" in failed.error
    assert not failed.retryable
    scene.generation, scene.bookmarks = 1, {}
    assert scene.run_and_remember().finished
    assert any(message["type"] == "ACTIVATE_VERSION" for message in kept(tmp_path))


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"a": 1, "b": {"c": 1, "d": 2}}, {"b": {"d": 2, "c": 1}, "a": 1}),
        ({"a": '{"b": 1, "c": 2}'}, {"a": '{"c": 2, "b": 1}'}),
        ({"password": "old", "login": {"token": "old"}}, {"password": "new", "login": {"token": "new"}}),
        ({"password": "old"}, {"private_key": "new"}),
        ({"url": URL.format("old", "older")}, {"url": URL.format("new", "newer")}),
        ({"batch_size_rows": 100}, {"batch_size_rows": 200}),
    ],
)
def test_new_secrets_another_order_and_another_pace_change_nothing(
    tmp_path: Path, before: dict[str, Any], now: dict[str, Any]
) -> None:
    scene = Scene(tmp_path, {"target": target(tmp_path, **before)})
    assert scene.run_and_remember().finished
    scene.destinations = {"target": target(tmp_path, **now)}
    assert not any("reloading" in line for line in scene.run_and_remember().lines)
    assert _record_count(scene) == 20 + 5


def test_rows_of_a_source_that_leaves_no_bookmark_replace_those_of_the_last_load(tmp_path: Path) -> None:
    """It sends all of them each time."""
    scene = Scene(tmp_path, {"target": target(tmp_path)})
    scene.config |= {"key": [], "lines": [json.dumps(each) for each in (schema(at="integer"), record(at=1))]}
    for _ in range(2):
        assert scene.run_and_remember().finished
        assert scene.bookmarks["target"]["bookmark"] is None
    messages = [message["type"] for message in kept(tmp_path)]
    assert messages == ["SCHEMA", "RECORD", "STATE", "SCHEMA", "RECORD", "ACTIVATE_VERSION", "STATE"]


@pytest.mark.parametrize("changed", ["settings.schema", "table"])
def test_rows_of_a_source_that_leaves_no_bookmark_are_not_appended_elsewhere(tmp_path: Path, changed: str) -> None:
    scene = Scene(tmp_path, {"target": target(tmp_path)})
    scene.config |= {"key": [], "lines": [json.dumps(each) for each in (schema(at="integer"), record(at=1))]}
    assert scene.run_and_remember().finished
    if changed == "table":
        scene.collection["table_name"] = "other"
    else:
        scene.destinations = {"target": target(tmp_path, schema="b")}
    failed = scene.run().failed
    assert changed in failed.error
    assert "already has rows, and 'append' would add all rows of the collection to them" in failed.error
    assert not failed.retryable
    assert _record_count(scene) == 1
    scene.generation, scene.bookmarks = 1, {}
    assert scene.run_and_remember().finished
    assert [message["type"] for message in kept(tmp_path)[-2:]] == ["ACTIVATE_VERSION", "STATE"]


@pytest.mark.parametrize("columns", [{"hash": ["at"]}, {"rename": {"at": "time"}}])
@pytest.mark.parametrize("elsewhere", [{}, {"schema": "b"}])
def test_another_name_or_hash_of_the_key_is_refused_though_the_source_leaves_no_bookmark(
    tmp_path: Path, columns: dict[str, Any], elsewhere: dict[str, str]
) -> None:
    scene = Scene(tmp_path, {"target": target(tmp_path)}, collection={"write_mode": "upsert"})
    scene.config["lines"] = [json.dumps(each) for each in (schema(["at"], at="integer"), record(at=1))]
    assert scene.run_and_remember().finished
    assert scene.bookmarks["target"]["bookmark"] is None
    scene.destinations = {"target": target(tmp_path, **elsewhere)}
    scene.collection["columns"] = columns
    assert "would not be recognised" in scene.run().failed.error
    assert _record_count(scene) == 1


def test_a_table_that_is_refused_for_its_columns_stays_refused_when_another_is_loaded(tmp_path: Path) -> None:
    origin = SqliteOrigin(tmp_path / "shop.db")
    origin.execute("CREATE TABLE a (id INTEGER PRIMARY KEY)")
    origin.execute("CREATE TABLE b (region TEXT PRIMARY KEY, id INTEGER)")
    origin.execute("INSERT INTO a VALUES (1)")
    origin.execute("INSERT INTO b VALUES ('x', 1)")
    copying = Copying(origin.url, tmp_path, {"target": target(tmp_path)})
    copying.collection = {"type": "all", "table_name": "t", "sync_mode": "incremental", "cursor_field": "id"}
    bookmarks: dict[str, Any] = {}

    def load_and_remember() -> Told:
        told = Told.by(Attempt(copying.job() | {"bookmarks": bookmarks}))
        bookmarks.update({each.destination: _saved(each) for each in told.committed})
        return told

    assert load_and_remember().finished
    copying.collection["columns"] = {"hash": ["region"]}
    for number in (2, 3):
        origin.execute(f"INSERT INTO a VALUES ({number})")
        told = load_and_remember()
        assert "would not be recognised" in told.failed.error
        assert told.committed, "the other table is loaded"
    assert {row["region"] for row in _records(tmp_path, "t_b")} == {"x"}
    assert {row["id"] for row in _records(tmp_path, "t_a")} == {1, 2, 3}


def test_a_bookmark_of_an_earlier_release_goes_on(tmp_path: Path) -> None:
    scene = Scene(tmp_path, {"target": target(tmp_path)})
    assert scene.run_and_remember().finished
    scene.bookmarks["target"]["standing"] = None
    scene.collection["columns"] = {"hash": ["id"]}
    assert scene.run_and_remember().finished
    assert _record_count(scene) == 20 + 5


def test_a_value_that_json_does_not_have_is_refused_not_sent_as_null(tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text(
        "from syncline import Schema\n\n"
        "@Schema(columns={'id': int, 'ratio': float})\n"
        "def made(context):\n"
        "    yield {'id': 1, 'ratio': float('nan')}\n"
    )
    config = {"path": str(tmp_path), "function": "made:made"}
    failed = Trial(tmp_path, {"target": target(tmp_path)}, "python", config).run().failed
    assert "column 'ratio' of table 'made' goes to a Singer target as JSON and cannot hold nan" in failed.error


def test_text_among_bytes_is_refused_not_sent_as_base64(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.executescript("CREATE TABLE made (id INTEGER, v BLOB); INSERT INTO made VALUES (1, 'QUJD');")
    config = {"url": f"sqlite:///{tmp_path / 'shop.db'}"}
    failed = Trial(tmp_path, {"target": target(tmp_path)}, "sql", config).run().failed
    assert "column 'v' of table 'made' is bytes and cannot hold \"QUJD\": it is text, not bytes" in failed.error
    assert not failed.retryable
