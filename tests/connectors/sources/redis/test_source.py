"""Keys of a real Redis server, copied by real attempts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import redis

from app.domain.attempt_protocol import Finished
from tests.connectors.attempts import Attempt, Duckdb, Told, Warehouse
from tests.servers.redis import MISSING, PASSWORD, PROGRAM, running_redis

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=MISSING)


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with running_redis(tmp_path_factory.mktemp("redis")) as path:
        yield path


@pytest.fixture
def server(socket: Path) -> Iterator[redis.Redis]:
    with redis.Redis(unix_socket_path=str(socket), password=PASSWORD) as client:
        client.flushall()
        yield client


@pytest.fixture
def job(trial: dict[str, Any], warehouse: Warehouse) -> dict[str, Any]:
    return trial | {"destinations": {"warehouse": warehouse.options()}}


@pytest.fixture
def trial(tmp_path: Path, socket: Path) -> dict[str, Any]:
    return {
        "task": "0192f7c2-0000-7000-8000-000000000001",
        "task_id": "cache_users_1",
        "attempt": 1,
        "source": "cache",
        "source_type": "redis",
        "source_config": {"url": f"unix://:{PASSWORD}@{socket}"},
        "collection": {
            "name": "users",
            "type": "users",
            "table_name": "users",
            "start_date": "2020-01-01",
            "parameters": {"redis_key": "user:*"},
        },
        "destinations": {"nowhere": {"type": "none"}},
        "generation": 0,
        "data_dir": str(tmp_path / "state"),
    }


def run(job: dict[str, Any], pattern: str = "user:*", /, **changes: Any) -> Told:
    collection = job["collection"] | {"parameters": {"redis_key": pattern}}
    told = Told.by(Attempt(job | {"collection": collection} | changes))
    # Each is an attempt of a new task.
    job["task"] = job["task"][:-4] + f"{int(job['task'][-4:]) + 1:04}"
    return told


def test_every_type_of_key_becomes_rows(server: redis.Redis, job: dict[str, Any], warehouse: Warehouse) -> None:
    server.set("k:text", "7")
    server.set("k:object", json.dumps({"id": 1, "name": "é😀"}))
    server.set("k:objects", json.dumps([{"id": 2}, {"id": 3}]))
    server.set("k:broken", "{not JSON}")
    server.hset("k:hash", mapping={"a": "1", "b": '{"id": 4}'})
    server.rpush("k:list", "x", "y", "x")
    server.sadd("k:set", "m", "n")
    server.zadd("k:zset", {"low": 1.5, "high": 2.5})
    server.set("other", "not asked for")
    assert run(job, "k:*").finished.rows_written == 14
    found = warehouse.execute(
        "SELECT redis_key, redis_hash, redis_index, redis_score, id, name, value FROM loaded.users"
    )
    plain = {tuple(None if cell is None else str(cell) for cell in row) for row in found}
    assert plain == {
        ("k:text", None, None, None, None, None, "7"),
        ("k:object", None, None, None, "1", "é😀", None),
        ("k:objects", None, None, None, "2", None, None),
        ("k:objects", None, None, None, "3", None, None),
        ("k:broken", None, None, None, None, None, "{not JSON}"),
        ("k:hash", "a", None, None, None, None, "1"),
        ("k:hash", "b", None, None, "4", None, None),
        ("k:list", None, "0", None, None, None, "x"),
        ("k:list", None, "1", None, None, None, "y"),
        ("k:list", None, "2", None, None, None, "x"),
        ("k:set", None, None, None, None, None, "m"),
        ("k:set", None, None, None, None, None, "n"),
        ("k:zset", None, None, "1.5", None, None, "low"),
        ("k:zset", None, None, "2.5", None, None, "high"),
    }


@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
def test_the_rows_are_replaced_each_time_down_to_nothing_if_that_is_allowed(
    server: redis.Redis, job: dict[str, Any], warehouse: Warehouse
) -> None:
    fill(server, 2500)
    assert run(job).finished == Finished(records_read=2500, rows_written=2500)
    server.delete("user:7")
    assert run(job).finished.records_read == 2499
    server.flushall()
    assert "table 'users' has 2,499 rows, but the source sent none" in run(job).failed.error
    job["collection"]["empty"] = "allow"
    assert run(job).finished.records_read == 0
    assert warehouse.execute("SELECT count(*) FROM loaded.users") == [(0,)]


@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
@pytest.mark.parametrize("key", ["redis_key", "id"])
def test_a_pattern_that_matches_nothing_ends_a_history_if_that_is_allowed(
    server: redis.Redis, job: dict[str, Any], warehouse: Warehouse, key: str
) -> None:
    job["collection"] |= {"primary_key": [key], "write_mode": "history"}
    server.set("user:1", '{"id": 1}')
    assert run(job).finished.rows_written == 1
    server.flushall()
    assert "table 'users' has 1 current row, but the source sent none" in run(job).failed.error
    job["collection"]["empty"] = "allow"
    assert run(job).finished.records_read == 0
    assert warehouse.execute("SELECT count(*) FROM loaded.users WHERE _syncline_valid_to IS NULL") == [(0,)]


def test_large_collections_come_in_pieces_each_element_once(
    server: redis.Redis, trial: dict[str, Any], tmp_path: Path
) -> None:
    warehouse = Duckdb(tmp_path / "large.duckdb")
    numbers = [str(number) for number in range(5000)]
    server.hset("user:hash", mapping={number: number for number in numbers})
    server.rpush("user:list", *numbers)
    server.sadd("user:set", *numbers)
    server.zadd("user:zset", {number: int(number) for number in numbers})
    run(trial, destinations={"warehouse": warehouse.options()})
    counts = "SELECT redis_key, count(*), count(DISTINCT value) FROM loaded.users GROUP BY redis_key ORDER BY redis_key"
    assert warehouse.execute(counts) == [(f"user:{kind}", 5000, 5000) for kind in ("hash", "list", "set", "zset")]


def test_a_server_that_is_not_there_is_told(trial: dict[str, Any], tmp_path: Path) -> None:
    failed = run(trial, mode="check", source_config={"url": f"unix://{tmp_path}/none"}).failed
    assert failed.error.startswith("source 'cache', collection 'users': cannot reach the server: Error")
    assert failed.retryable


def test_a_wrong_password_is_told_and_not_shown(trial: dict[str, Any], socket: Path) -> None:
    failed = run(trial, mode="check", source_config={"url": f"unix://:wrongword@{socket}"}).failed
    assert "source 'cache', collection 'users': cannot reach the server: " in failed.error
    assert "wrongword" not in failed.error
    assert not failed.retryable


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("user:bytes", b"\xff", "key 'user:bytes' has bytes that are not valid UTF-8"),
        (b"user:\xff", b"", r"key 'user:\\xff' has bytes that are not valid UTF-8"),
        (
            "user:stream",
            None,
            "key 'user:stream' has the unsupported type stream (supported: string, hash, list, set, zset)",
        ),
    ],
)
def test_keys_that_no_table_can_keep_are_named(
    server: redis.Redis, trial: dict[str, Any], key: str, value: bytes | None, complaint: str
) -> None:
    if value is None:
        server.xadd(key, {"a": "b"})
    else:
        server.set(key, value)
    failed = run(trial).failed
    assert complaint in failed.error
    assert failed.error.startswith("source 'cache', collection 'users': ")
    assert not failed.retryable


def fill(server: redis.Redis, keys: int) -> None:
    server.mset({f"user:{number}": json.dumps({"id": number}) for number in range(keys)})
