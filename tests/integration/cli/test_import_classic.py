"""`syncline import classic` with a real Redis, whose keys are as Jitsu Classic v1.44.8 writes them."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import redis
import yaml
from click.testing import CliRunner

from app.cli.main import cli
from app.projections import verify
from tests.harness import opened, opened_store, running_worker
from tests.servers.redis import MISSING, PASSWORD, PROGRAM, running_redis, running_sentinel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=MISSING)

TOKEN = "t0ken-t0ken-t0ken"
STATE = '{"bookmarks":{"users":{"since":7}}}'
AIRBYTE_STATE = '{"orders":{"updated":"2024-01-31"}}'
# What is kept of a tap, a connector, one of Classic's own drivers and a source that is gone.
CHUNKS = {
    "source#shop:collection#tap-shop:chunks": {"ALL": STATE},
    "source#shop:collection#tap-shop_JITSU_config:chunks": {"ALL": json.dumps({"token": "renewed-renewed"})},
    "source#prj1.crm:collection#source-crm:chunks": {"ALL": AIRBYTE_STATE},
    "source#cache:collection#users_cache_users:chunks": {"UTC_ALL_ALL": "2024-01-31T00:00:00.000Z"},
    "source#gone:collection#tap-gone:chunks": {"ALL": "{}"},
}
TASK = "shop_all_27500005_e4ed_46d3_8293_0123456789ab"
# The tap says where it begins, and goes on to 9.
TAP = """
import json, sys
state = json.load(open(sys.argv[sys.argv.index("--state") + 1])) if "--state" in sys.argv else {}
since = state.get("bookmarks", {}).get("users", {}).get("since", 0)
def say(**message): print(json.dumps(message))
stream = {"stream": "users", "tap_stream_id": "users", "key_properties": ["id"], "schema":
          {"type": "object", "properties": {"id": {"type": "integer"}}}}
if "--discover" in sys.argv:
    print(json.dumps({"streams": [stream]}))
else:
    say(type="SCHEMA", stream="users", schema=stream["schema"], key_properties=["id"])
    for number in range(since + 1, 10): say(type="RECORD", stream="users", record={"id": number})
    say(type="STATE", value={"bookmarks": {"users": {"since": 9}}})
"""


@dataclass
class Moving:
    """A directory with Classic's configuration, its Redis, and the command."""

    directory: Path
    redis: redis.Redis
    socket: Path
    url: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, code: int = 0) -> Result:
        environment = {
            "DATABASE_URL": self.url,
            "SYNCLINE_CONFIG": str(self.directory / "syncline.yaml"),
            "SYNCLINE_DATA_DIR": str(self.directory / "data"),
            "REDIS_PASSWORD": PASSWORD,
            **self.environment,
        }
        done = CliRunner().invoke(cli, [*arguments], env=environment)
        assert done.exit_code == code, done.output
        assert PASSWORD not in done.output
        assert TOKEN not in done.output
        assert "renewed-renewed" not in done.output
        return done

    def take_over(self, *arguments: str, code: int = 0) -> Result:
        origin = str(self.directory / "eventnative.yaml")
        return self.run("import", "classic", "--from", origin, *arguments, code=code)

    def events(self) -> list[dict[str, Any]]:
        """What was set, with who and why."""

        async def find() -> list[dict[str, Any]]:
            async with opened(self.url) as pool:
                rows = await pool.fetch(
                    "SELECT data FROM syncline.events WHERE type = 'BookmarkSet' ORDER BY xid, task"
                )
                assert await verify(pool) == []
                return [row["data"] for row in rows]

        return asyncio.run(find())

    def load(self) -> int:
        """How many records a task of the tap has read."""

        async def load() -> int:
            async with opened_store(self.url) as store, running_worker(self.url, self.directory / "syncline.yaml"):
                task = await store.schedule("all", "shop", source_type="singer")
                assert await store.ended(task) == "SUCCESS", await store.messages(task)
                return int((await store.events(task))[-1].data["records_read"])

        return asyncio.run(load())


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with running_redis(tmp_path_factory.mktemp("redis")) as path:
        yield path


@pytest.fixture
def moving(tmp_path: Path, socket: Path) -> Iterator[Moving]:
    """Without a database, which only bookmarks need."""
    (tmp_path / "tap.py").write_text(TAP)
    written = {
        "server": {"name": "here", "admin_token": "${env.ADMIN_TOKEN|}"},
        "meta": {"storage": {"redis": {"host": f"unix://:${{env.REDIS_PASSWORD}}@{socket}"}}},
        "destinations": {
            "lake": {"type": "duckdb", "mode": "batch", "config": {"path": str(tmp_path / "lake.duckdb")}}
        },
        "sources": {
            "shop": {
                "type": "singer",
                "project_name": "mine",
                "destinations": ["lake"],
                "config": {"tap": "tap-shop", "config": {"token": TOKEN}},
            },
            "crm": {
                "type": "airbyte",
                "destinations": ["lake"],
                "config": {"docker_image": "source-crm", "config": {}},
            },
            "cache": {
                "type": "redis",
                "destinations": ["lake"],
                "config": {"host": "h"},
                "collections": [{"name": "users", "parameters": {"redis_key": "u:*"}}],
            },
        },
    }
    (tmp_path / "eventnative.yaml").write_text(yaml.safe_dump(written, sort_keys=False))
    with redis.Redis(unix_socket_path=str(socket), password=PASSWORD) as client:
        client.flushall()
        client.hset("config#system", "cluster_id", "made-up")
        for name, values in CHUNKS.items():
            client.hset(name, mapping=values)
        for number in range(3):
            id_ = f"{TASK[:-1]}{number}"
            client.zadd("sync_tasks_index:source#shop:collection#all", {id_: 1706700000 + number})
            client.hset(f"sync_tasks#{id_}", mapping={
                "id": id_, "source_type": "singer", "source": "shop", "collection": "all", "priority": 299998293300000,
                "created_at": f"2024-01-31T12:00:0{number}.000000Z", "started_at": "", "status": "SUCCESS",
            })  # fmt: skip
            line = {
                "time": "2024-01-31T12:00:00.000000Z",
                "level": "info",
                "message": f"with {TOKEN}",
                "system": "Jitsu",
            }
            client.zadd(f"sync_tasks#{id_}:logs", {json.dumps(line): 1706700000})
        client.zadd("sync_tasks_index:source#shop:collection#all", {"removed": 1706700009})
        yield Moving(tmp_path, client, socket)


@pytest.fixture
def stored(moving: Moving, database_url: str) -> Moving:
    moving.url = database_url
    return moving


def test_bookmarks_are_carried_over_once_and_the_next_task_reads_from_there(stored: Moving) -> None:
    done = stored.take_over("--bookmarks", "--note", "moving day")
    catalogue = stored.directory / "syncline.yaml"
    comments = f"{catalogue.read_text().count('# ~ ')} comments on what differs"
    assert done.stdout.splitlines() == [
        f"'{catalogue}' is written: {comments}.",
        f"shop.all at lake: the next task reads from {STATE}",
        f"crm.all at lake: the next task reads from {AIRBYTE_STATE}",
        "cache.users: needs no bookmark: everything is read each time",
    ]
    renewed, gone = done.stderr.splitlines()
    assert renewed == (
        "syncline: shop: Jitsu Classic keeps another configuration of it than the catalogue, which the program may "
        "have renewed. If logging in fails, look at redis-cli hget "
        "'source#shop:collection#tap-shop_JITSU_config:chunks' ALL"
    )
    assert gone == "syncline: source#gone:collection#tap-gone:chunks: is not carried over: no source here uses it"
    events = stored.events()
    assert {each["source"]: each["bookmark"] for each in events} == {
        "shop": {"lake": json.loads(STATE)},
        "crm": {"lake": json.loads(AIRBYTE_STATE)},
    }
    assert {each["note"] for each in events} == {"bookmark of Jitsu Classic: moving day"}
    assert all(each["who"]["kind"] == "command" for each in events)

    again = stored.take_over("--bookmarks")
    assert again.stdout.splitlines() == [
        f"'{catalogue}' is unchanged: {comments}.",
        "shop.all at lake: unchanged",
        "crm.all at lake: unchanged",
        "cache.users: needs no bookmark: everything is read each time",
    ]
    assert stored.events() == events

    # The package is not installed here, so the source is now run by a command: the catalogue is used as it is.
    written = yaml.safe_load(catalogue.read_text())
    command = [sys.executable, str(stored.directory / "tap.py")]
    written["sources"]["shop"]["config"] = {"command": command, "config": {"token": TOKEN}}
    catalogue.write_text(yaml.safe_dump(written, sort_keys=False))
    assert stored.load() == 2  # 8 and 9: it begins at 7


def test_what_classic_has_loaded_meanwhile_is_carried_over_until_a_task_saves_a_bookmark_here(stored: Moving) -> None:
    stored.take_over("--bookmarks")
    later = '{"bookmarks":{"users":{"since":8}}}'
    stored.redis.hset("source#shop:collection#tap-shop:chunks", "ALL", later)
    assert f"shop.all at lake: the next task reads from {later}" in stored.take_over("--bookmarks").stdout
    # A note is anybody's, and says nothing about where a bookmark comes from.
    stored.run("bookmarks", "set", "shop", "all", "--to-value", "{}", "--note", "bookmark of Jitsu Classic: mended")
    kept = stored.take_over("--bookmarks")
    assert "shop.all at lake: not carried over, because somebody set another one at " in kept.stderr
    assert kept.stderr.count("; --force replaces it") == 1
    events = len(stored.events())
    stored.run("sources", "reset", "shop", "all")
    kept = stored.take_over("--bookmarks")
    assert "shop.all at lake: not carried over, because the collection was reset at " in kept.stderr
    assert len(stored.events()) == events
    forced = stored.take_over("--bookmarks", "--force")
    assert f"shop.all at lake: the next task reads from {later}" in forced.stdout


def test_a_bookmark_that_cannot_be_one_is_refused_and_the_others_go_on(stored: Moving) -> None:
    stored.redis.hset("source#shop:collection#tap-shop:chunks", "ALL", "no JSON")
    done = stored.take_over("--bookmarks", code=1)
    assert (
        "syncline: shop.all: not carried over: source 'shop', collection 'all': this cannot be a bookmark: it is not "
        "valid JSON\n"
    ) in done.stderr
    assert f"crm.all at lake: the next task reads from {AIRBYTE_STATE}" in done.stdout


def test_the_last_tasks_are_written_beside_the_catalogue(moving: Moving) -> None:
    moving.take_over("--tasks", "2")
    history = moving.directory / "syncline.classic-tasks.jsonl"
    tasks = [json.loads(line) for line in history.read_text().splitlines()]
    # The newest in the index is one that Classic has removed.
    assert [task["id"][-1] for task in tasks] == ["1", "2"]
    assert tasks[1] == {
        "id": f"{TASK[:-1]}2",
        "source_type": "singer",
        "source": "shop",
        "collection": "all",
        "priority": 299998293300000,
        "created_at": "2024-01-31T12:00:02.000000Z",
        "started_at": "",
        "status": "SUCCESS",
        "logs": [{"time": "2024-01-31T12:00:00.000000Z", "level": "info", "message": "with ***", "system": "Jitsu"}],
    }
    assert history.stat().st_mode & 0o077 == 0
    assert f"'{history}' is unchanged: 2 tasks." in moving.take_over("--tasks", "2").stdout
    refused = moving.take_over("--tasks", "10", code=2)
    assert refused.stderr == (
        f"syncline: '{history}' already exists: name another file with --config, or replace it with --force\n"
    )
    moving.take_over("--tasks", "10", "--force")
    assert history.read_text().count("\n") == 3


def test_the_last_tasks_have_no_secrets_of_what_is_not_used_or_of_what_programs_have_renewed(
    moving: Moving,
) -> None:
    origin = moving.directory / "eventnative.yaml"
    written = yaml.safe_load(origin.read_text())
    config = {"password": "0ld-0ld-0ld", "api_key": "${env.OLD_KEY}"}
    written["sources"]["old"] = {"type": "unheard_of", "destinations": ["lake"], "config": config}
    written["destinations"]["gone"] = {"type": "unheard_of", "config": {"password": "g0ne-g0ne"}}
    origin.write_text(yaml.safe_dump(written, sort_keys=False))
    moving.environment["OLD_KEY"] = "k3y-k3y-k3y"
    secrets = ["0ld-0ld-0ld", "k3y-k3y-k3y", "g0ne-g0ne", PASSWORD, "renewed-renewed"]
    moving.redis.zadd("sync_tasks_index:source#old:collection#c", {"old": 1})
    moving.redis.hset("sync_tasks#old", "id", "old")
    moving.redis.zadd("sync_tasks#old:logs", {json.dumps({"message": " ".join(secrets)}): 1})
    moving.take_over("--tasks", "1")
    history = (moving.directory / "syncline.classic-tasks.jsonl").read_text()
    tasks = {task["id"]: task for task in map(json.loads, history.splitlines())}
    assert tasks["old"] == {"id": "old", "logs": [{"message": "*** *** *** *** ***"}]}


@pytest.mark.parametrize(
    "line", ['{"message":"half of a pair: \\ud800"}', '{"rows":NaN}', '{"message":' + "[" * 900 + "]" * 900 + "}"]
)
@pytest.mark.parametrize("priority", ["--5", "9" * 5000])
def test_odd_values_of_tasks_are_written_as_they_are(moving: Moving, line: str, priority: str) -> None:
    moving.redis.hset("sync_tasks#" + TASK[:-1] + "0", "priority", priority)
    moving.redis.zadd("sync_tasks#" + TASK[:-1] + "0:logs", {line: 1})
    moving.take_over("--tasks", "10")
    first = (moving.directory / "syncline.classic-tasks.jsonl").read_text(encoding="utf-8").splitlines()[0]
    written = msgspec.json.decode(first)
    assert written["priority"] == priority
    assert {"message": line} in written["logs"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("source#shop:collection#tap-shop:chunks", "hash"),
        ("sync_tasks_index:source#shop:collection#all", "sorted set"),
        (f"sync_tasks#{TASK[:-1]}0", "hash"),
        (f"sync_tasks#{TASK[:-1]}0:logs", "sorted set"),
    ],
)
def test_a_key_that_classic_cannot_have_written_is_named(moving: Moving, name: str, wanted: str) -> None:
    moving.redis.set(name, "x")
    assert moving.take_over("--tasks", "10", code=2).stderr == (
        f"syncline: key '{name}' of Jitsu Classic is not a {wanted} in Redis, so Classic has not written it: check the "
        "address, and the number of the database, or rename the key\n"
    )


def test_a_catalogue_that_was_changed_is_only_replaced_by_force(stored: Moving) -> None:
    stored.take_over()
    catalogue = stored.directory / "syncline.yaml"
    first = catalogue.read_text()
    catalogue.write_text(first.replace("lake.duckdb", "sea.duckdb"))
    refused = stored.take_over(code=2)
    assert refused.stderr == (
        f"syncline: '{catalogue}' already exists: name another file with --config, or replace it with --force\n"
    )
    used = stored.take_over("--bookmarks")
    assert "differs from what would be written, and is used as it is; --force replaces it\n" in used.stderr
    assert "sea.duckdb" in catalogue.read_text()
    stored.take_over("--force")
    assert catalogue.read_text() == first
    assert "sea.duckdb" in (stored.directory / "syncline.yaml.old").read_text()


def test_the_file_of_classic_is_never_replaced(moving: Moving) -> None:
    origin = moving.directory / "eventnative.yaml"
    refused = moving.take_over("--config", str(origin), "--force", code=2)
    assert refused.stderr == f"syncline: '{origin}' is Jitsu Classic's: name another file with --config\n"


def test_a_redis_of_something_else_is_told_apart(moving: Moving) -> None:
    moving.redis.flushall()
    moving.redis.set("u:1", "a")
    refused = moving.take_over("--bookmarks", code=2)
    assert refused.stderr == (
        f"syncline: the Redis at {moving.socket} has no keys of Jitsu Classic, such as 'source#…:chunks' and "
        "'sync_tasks#…': check the address, and the number of the database\n"
    )


def test_a_classic_that_has_loaded_nothing_yet_has_nothing_to_carry_over(moving: Moving) -> None:
    moving.redis.delete(*CHUNKS)
    assert moving.take_over("--bookmarks").stdout.splitlines()[1:] == [
        "shop: Jitsu Classic has no bookmark of it: the first task begins at the beginning",
        "crm: Jitsu Classic has no bookmark of it: the first task begins at the beginning",
        "cache.users: needs no bookmark: everything is read each time",
        "There are no bookmarks to carry over.",
    ]


def test_a_wrong_password_is_refused_without_being_shown(moving: Moving) -> None:
    moving.environment["WRONG"] = "wr0ng-wr0ng"
    refused = moving.take_over("--bookmarks", "--redis", f"unix://:${{env.WRONG}}@{moving.socket}", code=2)
    assert refused.stderr.startswith(f"syncline: cannot read the Redis of Jitsu Classic at {moving.socket}: ")
    assert "wr0ng" not in refused.output


def test_the_master_is_asked_of_the_sentinels(moving: Moving, tmp_path: Path) -> None:
    """The first one that is named does not answer."""
    with running_sentinel(tmp_path, "main") as (sentinel, master):
        with redis.Redis(port=master, password=PASSWORD) as client:
            client.hset("sync_tasks#a", "id", "a")
            client.zadd("sync_tasks_index:source#s:collection#c", {"a": 1})
        url = f"sentinel://main:${{env.REDIS_PASSWORD}}@127.0.0.1:1,127.0.0.1:{sentinel}"
        moving.take_over("--tasks", "1", "--redis", url)
        unknown = moving.take_over("--tasks", "1", "--redis", url.replace("main", "other"), code=1)
    assert json.loads((moving.directory / "syncline.classic-tasks.jsonl").read_text()) == {"id": "a", "logs": []}
    assert unknown.stderr.endswith(
        f"syncline: cannot read the Redis of Jitsu Classic at 127.0.0.1:1, 127.0.0.1:{sentinel}: no sentinel "
        "that answers knows a master 'other' that is up\n"
    )


def test_a_wrong_address_is_told(moving: Moving) -> None:
    refused = moving.take_over("--bookmarks", "--redis", "redis://:hunter22@127.0.0.1:1", code=1)
    assert refused.stderr.startswith("syncline: cannot read the Redis of Jitsu Classic at 127.0.0.1:1: ")
    assert "Connection refused" in refused.stderr
    moving.environment["REDIS_PASSWORD"] = ""
    refused = moving.take_over("--bookmarks", code=2)
    assert refused.stderr.endswith(
        "environment variable REDIS_PASSWORD is not set; set it, or give a default: ${env.NAME|default}; or name the "
        "Redis of Jitsu Classic with --redis\n"
    )
